/**
 * What a secret's path is: 1 to 128 bytes of `[A-Za-z0-9._-]` segments joined by single slashes, no segment `.`,
 * `..` or beginning with `_` (those names are reserved: `_pool` on a token, `/_/` in the REST API).
 *
 * Check the decoded string, before any authorisation: what is authorised must be what is used.
 */

/** Longest path in bytes: a label on a token must survive whole, and every device keeps 128 bytes. */
export const MAX_PATH_BYTES = 128;

const SEGMENT = /^[A-Za-z0-9._-]+$/;
const PATH = /^[A-Za-z0-9.-][A-Za-z0-9._-]*(?:\/[A-Za-z0-9.-][A-Za-z0-9._-]*)*$/;
const DOT_SEGMENT = /(?:^|\/)\.\.?(?:\/|$)/;

export type ParsedPath =
  | { readonly ok: true; readonly path: string }
  /** One sentence for people; it names the rule that was broken and never repeats control characters. */
  | { readonly ok: false; readonly message: string };

/** Same answer as {@link parsePath} without a reason: for lists of thousands of labels. */
export function isPath(input: string): boolean {
  return input.length <= MAX_PATH_BYTES && PATH.test(input) && !DOT_SEGMENT.test(input);
}

/** Takes any input, also one that is no string, and says what is wrong with it. Never throws. */
export function parsePath(input: unknown): ParsedPath {
  if (typeof input !== "string") return { ok: false, message: "A path must be a string." };
  if (isPath(input)) return { ok: true, path: input };
  return { ok: false, message: whyNot(input) };
}

function whyNot(input: string): string {
  if (input === "") return "A path must not be empty.";
  if (Buffer.byteLength(input, "utf8") > MAX_PATH_BYTES) {
    return `A path must not be longer than ${MAX_PATH_BYTES} bytes.`;
  }
  for (const segment of input.split("/")) {
    if (segment === "") return "A path must not begin or end with a slash, nor hold two slashes in a row.";
    if (segment === "." || segment === "..") return "A path must not hold a segment '.' or '..'.";
    if (!SEGMENT.test(segment)) return "A path may hold only letters, digits, '.', '_', '-' and '/'.";
    if (segment.startsWith("_")) return "A path must not hold a segment that begins with '_'.";
  }
  return "This is not a path.";
}

/**
 * The namespace that a path belongs to: `secrets/N/x` and everything below it belongs to N. `undefined` for every
 * other path (also for `secrets/N` itself, which is not below `secrets/N/`) and for what is not a path.
 */
export function namespaceOf(path: string): string | undefined {
  if (!isPath(path)) return undefined;
  const [root, namespace, name] = path.split("/", 3);
  return root === "secrets" && name !== undefined ? namespace : undefined;
}

/**
 * True when `path` is `prefix` or lies below it, by whole segments: `secrets/db` never covers `secrets/db-prod`.
 * One trailing slash of the prefix is ignored. The empty prefix covers every path.
 */
export function isUnder(path: string, prefix: string): boolean {
  const base = prefix.endsWith("/") ? prefix.slice(0, -1) : prefix;
  if (base === "") return prefix === "";
  return path.startsWith(base) && (path.length === base.length || path[base.length] === "/");
}
