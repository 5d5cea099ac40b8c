/** Failures as Kubernetes reports them: a Status object with code, reason, message, details and causes. */

import type { JsonObject } from "../object.ts";

export interface Cause {
  readonly reason?: string;
  readonly message: string;
  readonly field?: string;
}

export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly Cause[];
  readonly retryAfterSeconds?: number;
}

/** The group and the plural of a resource, as messages name it: `deployments.apps`, `secrets`. */
export interface GroupResource {
  readonly group: string;
  readonly plural: string;
}

export interface GroupKind {
  readonly group: string;
  readonly kind: string;
}

/** A request that is refused; `toJson` is the body of the answer. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: number;
  readonly reason: string | undefined;
  readonly details: StatusDetails | undefined;
  readonly extra: JsonObject;

  constructor(
    code: number,
    reason: string | undefined,
    message: string,
    details?: StatusDetails,
    listMeta: JsonObject = {},
  ) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.details = details;
    this.extra = listMeta;
  }

  toJson(): JsonObject {
    return {
      kind: "Status",
      apiVersion: "v1",
      metadata: this.extra,
      status: "Failure",
      message: this.message,
      ...(this.reason === undefined ? {} : { reason: this.reason }),
      ...(this.details === undefined ? {} : { details: this.details }),
      code: this.code,
    };
  }
}

export function success(details?: StatusDetails, code?: number): JsonObject {
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    ...(details === undefined ? {} : { details }),
    ...(code === undefined ? {} : { code }),
  };
}

function qualified({ group, plural }: GroupResource): string {
  return group === "" ? plural : `${plural}.${group}`;
}

function resourceDetails({ group, plural }: GroupResource, name?: string): StatusDetails {
  return {
    ...(name === undefined || name === "" ? {} : { name }),
    ...(group === "" ? {} : { group }),
    kind: plural,
  };
}

export const badRequest = (message: string): ApiError => new ApiError(400, "BadRequest", message);

export const notFound = (resource: GroupResource, name: string): ApiError =>
  new ApiError(
    404,
    "NotFound",
    `${qualified(resource)} ${JSON.stringify(name)} not found`,
    resourceDetails(resource, name),
  );

export const noSuchResource = (): ApiError =>
  new ApiError(404, "NotFound", "the server could not find the requested resource", {});

export const methodNotAllowed = (): ApiError =>
  new ApiError(
    405,
    "MethodNotAllowed",
    "the server does not allow this method on the requested resource",
    {},
  );

export const alreadyExists = (resource: GroupResource, name: string, deleting: boolean): ApiError =>
  new ApiError(
    409,
    "AlreadyExists",
    `${deleting ? "object is being deleted: " : ""}${qualified(resource)} ${JSON.stringify(name)} already exists`,
    resourceDetails(resource, name),
  );

export const conflict = (resource: GroupResource, name: string, why: string): ApiError =>
  new ApiError(
    409,
    "Conflict",
    `Operation cannot be fulfilled on ${qualified(resource)} ${JSON.stringify(name)}: ${why}`,
    resourceDetails(resource, name),
  );

export const MODIFIED =
  "the object has been modified; please apply your changes to the latest version and try again";

export const forbidden = (
  resource: GroupResource,
  name: string,
  why: string,
  causes?: readonly Cause[],
): ApiError =>
  new ApiError(
    403,
    "Forbidden",
    `${qualified(resource)}${name === "" ? "" : ` ${JSON.stringify(name)}`} is forbidden: ${why}`,
    {
      ...resourceDetails(resource, name),
      ...(causes === undefined ? {} : { causes }),
    },
  );

/** 422 with one cause a field; the message joins them as the field errors of Kubernetes do. */
export function invalid({ group, kind }: GroupKind, name: string, causes: readonly Cause[]): ApiError {
  const qualifiedKind = group === "" ? kind : `${kind}.${group}`;
  const texts = [...new Set(causes.map((cause) => `${cause.field ?? "<nil>"}: ${cause.message}`))];
  const joined = texts.length === 1 ? texts[0] : `[${texts.join(", ")}]`;
  return new ApiError(422, "Invalid", `${qualifiedKind} ${JSON.stringify(name)} is invalid: ${joined}`, {
    ...(name === "" ? {} : { name }),
    ...(group === "" ? {} : { group }),
    ...(kind === "" ? {} : { kind }),
    causes,
  });
}

export const expired = (message: string, listMeta: JsonObject = {}): ApiError =>
  new ApiError(410, "Expired", message, undefined, listMeta);

export const internal = (message: string): ApiError => new ApiError(500, undefined, message);

export const unauthorized = (): ApiError => new ApiError(401, "Unauthorized", "Unauthorized");

export const tooLargeRevision = (asked: string, current: number): ApiError =>
  new ApiError(504, "Timeout", `Timeout: Too large resource version: ${asked}, current: ${current}`, {
    causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
    retryAfterSeconds: 1,
  });

// Causes, as the field errors of Kubernetes spell them.

export const invalidValue = (field: string, value: unknown, why: string): Cause => ({
  reason: "FieldValueInvalid",
  message: `Invalid value: ${showValue(value)}: ${why}`,
  field,
});

export const required = (field: string, why = ""): Cause => ({
  reason: "FieldValueRequired",
  message: why === "" ? "Required value" : `Required value: ${why}`,
  field,
});

export const forbiddenField = (field: string, why: string): Cause => ({
  reason: "FieldValueForbidden",
  message: `Forbidden: ${why}`,
  field,
});

export const unsupported = (field: string, value: unknown, supported: readonly string[]): Cause => ({
  reason: "FieldValueNotSupported",
  message: `Unsupported value: ${showValue(value)}: supported values: ${supported.map((item) => JSON.stringify(item)).join(", ")}`,
  field,
});

export const tooLong = (field: string, limit: number): Cause => ({
  reason: "FieldValueTooLong",
  message: `Too long: may not be more than ${limit} bytes`,
  field,
});

export const duplicate = (field: string, value: unknown): Cause => ({
  reason: "FieldValueDuplicate",
  message: `Duplicate value: ${showValue(value)}`,
  field,
});

function showValue(value: unknown): string {
  return value === undefined ? "null" : JSON.stringify(value);
}
