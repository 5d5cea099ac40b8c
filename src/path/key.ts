/** The name of one value in a secret: what Kubernetes allows as a key in the data of a Secret. */

const MAX_KEY_LENGTH = 253;
const KEY = /^[-._a-zA-Z0-9]+$/;

export function isKey(name: string): boolean {
  return name.length <= MAX_KEY_LENGTH && KEY.test(name) && name !== "." && !name.startsWith("..");
}

export type ParsedKey =
  | { readonly ok: true; readonly key: string }
  | { readonly ok: false; readonly message: string };

/** Takes any input and says what is wrong with it. Never throws. */
export function parseKey(input: unknown): ParsedKey {
  if (typeof input === "string" && isKey(input)) return { ok: true, key: input };
  return {
    ok: false,
    message: `A key must be 1 to ${MAX_KEY_LENGTH} letters, digits, '-', '_' and '.', and must be neither '.' nor begin with '..'.`,
  };
}
