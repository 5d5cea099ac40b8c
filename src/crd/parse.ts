/**
 * Objects of the three kinds as typed values with their defaults. The API server has checked them against the CRD
 * already; this door also holds for what a CRD cannot say, and for a server whose CRDs are older than we are.
 */

import * as v from "valibot";
import { MAX_PATH } from "./fields.ts";
import { type HsmDeviceSpec, hsmDeviceSchema } from "./hsmdevice.ts";
import { type HsmPoolSpec, type HsmPoolStatus, hsmPoolSchema } from "./hsmpool.ts";
import { type HsmSecretSpec, hsmSecretSchema } from "./hsmsecret.ts";
import { type Base, baseSchema, type HsmSecretStatus, hsmSecretStatus } from "./hsmsecret-status.ts";
import { isReservedKey, REFUSED_SECRET_TYPES } from "./names.ts";

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  /** One sentence for people. */
  | { readonly ok: false; readonly message: string };

export interface ParsedHsmSecret {
  readonly spec: HsmSecretSpec;
  /** Empty when there is none, or when it is not one: a status is never a reason to stop. */
  readonly status: HsmSecretStatus;
}

export function parseHsmSecret(object: unknown): Parsed<ParsedHsmSecret> {
  const raw = isRecord(object) ? object : {};
  const parsed = parse(v.omit(hsmSecretObject, ["status"]), { spec: raw["spec"] });
  if (!parsed.ok) return parsed;
  const { spec } = parsed.value;
  if (spec.keys !== undefined && spec.direction !== "HSMToSecret") {
    return refuse("spec.keys needs direction HSMToSecret.");
  }
  if (REFUSED_SECRET_TYPES.includes(spec.secretType)) {
    return refuse(`spec.secretType: Secrets of type ${spec.secretType} mint credentials and are refused.`);
  }
  for (const part of ["labels", "annotations"] as const) {
    const reserved = Object.keys(spec.template?.[part] ?? {}).find(isReservedKey);
    if (reserved !== undefined) {
      return refuse(`spec.template.${part}: the key ${JSON.stringify(reserved)} belongs to Kubernetes.`);
    }
  }
  const status = v.safeParse(hsmSecretStatus, raw["status"] ?? {});
  return { ok: true, value: { spec, status: status.success ? status.output : {} } };
}

export function parseHsmDevice(object: unknown): Parsed<{ readonly spec: HsmDeviceSpec }> {
  return parse(hsmDeviceObject, object);
}

export function parseHsmPool(
  object: unknown,
): Parsed<{ readonly spec: HsmPoolSpec; readonly status?: HsmPoolStatus | undefined }> {
  return parse(hsmPoolObject, object);
}

/** The base that a Secret's annotation repeats; `undefined` when the text is none. */
export function parseBase(text: string | undefined): Base | undefined {
  if (text === undefined) return undefined;
  try {
    const parsed = v.safeParse(baseSchema, JSON.parse(text));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined; // Somebody edited the annotation: as good as none.
  }
}

export type EffectivePath = Parsed<string> & { readonly tooLong?: boolean };

/** spec.hsmPath or its default. A default can be too long for a token: that is for the person to solve. */
export function pathOf(spec: HsmSecretSpec, namespace: string, name: string): EffectivePath {
  const path = spec.hsmPath ?? `secrets/${namespace}/${name}`;
  if (path.length <= MAX_PATH) return { ok: true, value: path };
  return {
    ok: false,
    tooLong: true,
    message: `The path ${path} is longer than ${MAX_PATH} bytes: set a shorter spec.hsmPath.`,
  };
}

const hsmSecretObject = v.object({
  spec: hsmSecretSchema.pipe[0].entries.spec,
  status: v.optional(hsmSecretStatus),
});
const hsmDeviceObject = hsmDeviceSchema.pipe[0];
const hsmPoolObject = hsmPoolSchema.pipe[0];

const DURATION = /([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)/g;
const UNIT: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds of a duration that has passed its schema, e.g. `1h30m`. */
export function durationOf(text: string): number {
  let total = 0;
  for (const [, amount, unit] of text.matchAll(DURATION)) total += Number(amount) * (UNIT[unit ?? "ms"] ?? 0);
  return total;
}

function parse<S extends v.GenericSchema>(schema: S, input: unknown): Parsed<v.InferOutput<S>> {
  const result = v.safeParse(schema, input, { abortEarly: true });
  if (result.success) return { ok: true, value: result.output };
  const issue = result.issues[0];
  const where = v.getDotPath(issue) ?? "The object";
  const what = issue.message.startsWith("must ") ? issue.message : `is not valid: ${issue.message}`;
  return refuse(`${where} ${what.replace(/\.$/, "")}.`);
}

function refuse(message: string): { readonly ok: false; readonly message: string } {
  return { ok: false, message };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
