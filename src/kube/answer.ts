/** Answers of the API server made into values or KubeErrors. */

import { KubeError, type StatusBody } from "./error.ts";
import { apiVersionOf, type KubeObject, type Resource } from "./object.ts";
import type { HttpAnswer } from "./transport.ts";

/** How much of an answer that is no Status goes into a message. */
const EXCERPT = 200;

export async function errorOf(answer: HttpAnswer, what: string): Promise<KubeError> {
  const text = await answer.text();
  const body = statusBody(text);
  const asked = Number(answer.header("retry-after"));
  const seconds = Number.isFinite(asked) && asked >= 0 ? asked : body?.details?.retryAfterSeconds;
  // An answer without a Status comes from a proxy, or names no known resource; its text is the only hint.
  const detail = body?.message ?? text.slice(0, EXCERPT).trim();
  return new KubeError(`${what}: ${detail === "" ? `HTTP ${answer.status}` : detail}`, {
    status: answer.status,
    reason: body?.reason ?? reasonOf(answer.status),
    ...(answer.header("retry-after") === undefined && body?.details?.retryAfterSeconds === undefined
      ? {}
      : { retryAfter: (seconds ?? 0) * 1000 }),
    body,
  });
}

/** The KubeError of an ERROR event in a watch. */
export function errorOfEvent(object: unknown, what: string): KubeError {
  const body = (typeof object === "object" && object !== null ? object : {}) as StatusBody;
  const status = body.code ?? 500;
  const seconds = body.details?.retryAfterSeconds;
  return new KubeError(`${what}: ${body.message ?? "the watch ended with an error"}`, {
    status,
    reason: body.reason ?? reasonOf(status),
    ...(seconds === undefined ? {} : { retryAfter: seconds * 1000 }),
    body,
  });
}

function statusBody(text: string): StatusBody | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const status = typeof value === "object" && value !== null && (value as StatusBody).kind === "Status";
    return status ? (value as StatusBody) : undefined;
  } catch {
    return undefined; // Plain text, e.g. `404 page not found`.
  }
}

const REASONS: Readonly<Record<number, string>> = {
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  405: "MethodNotAllowed",
  406: "NotAcceptable",
  409: "Conflict",
  410: "Expired",
  413: "RequestEntityTooLarge",
  415: "UnsupportedMediaType",
  422: "Invalid",
  429: "TooManyRequests",
  503: "ServiceUnavailable",
  504: "Timeout",
};

function reasonOf(status: number): string {
  return REASONS[status] ?? (status >= 500 ? "InternalError" : "Unknown");
}

export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new KubeError(`${what}: the answer is not JSON.`, { status: 0, reason: "BadAnswer", cause: error });
  }
}

/** Checks as much as everything else relies on, and fills in what lists and metadata answers leave out. */
export function objectOf<T extends KubeObject>(value: unknown, resource: Resource<T>, what: string): T {
  const object = value as Partial<KubeObject> | null;
  if (typeof object?.metadata?.name !== "string" || typeof object.metadata.resourceVersion !== "string") {
    throw new KubeError(`${what}: the answer is no ${resource.kind}.`, { status: 0, reason: "BadAnswer" });
  }
  const { kind } = object;
  if (kind !== undefined && kind !== "PartialObjectMetadata" && object.apiVersion !== undefined)
    return value as T;
  return { ...object, apiVersion: apiVersionOf(resource), kind: resource.kind } as T;
}
