/** Which representation a client accepts: JSON or YAML, as the object, a Table, or its metadata only. */

import { ApiError } from "../status/status.ts";

export type MediaType = "json" | "yaml";

export interface Representation {
  readonly media: MediaType;
  readonly as?: "Table" | "PartialObjectMetadata" | "PartialObjectMetadataList" | undefined;
  /** Version of meta.k8s.io for `as`. */
  readonly version?: "v1" | "v1beta1" | undefined;
}

export interface AcceptClause {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
}

export function parseAccept(header: string | undefined): AcceptClause[] {
  if (header === undefined || header.trim() === "") return [{ type: "*/*", parameters: new Map() }];
  return header.split(",").map((clause) => {
    const [type = "", ...parameters] = clause.split(";").map((part) => part.trim());
    const pairs = parameters.map((text): [string, string] => {
      const at = text.indexOf("=");
      return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
    });
    return { type: type.toLowerCase(), parameters: new Map(pairs) };
  });
}

const AVAILABLE = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

export const notAcceptable = (): ApiError =>
  new ApiError(406, "NotAcceptable", `406: Not Acceptable\n\nAvailable representations: ${AVAILABLE}`, {});

const onlyAccepted = (types: string): ApiError =>
  new ApiError(406, "NotAcceptable", `only the following media types are accepted: ${types}`);

/** An object was asked for as a list, or a list as an object. */
export function wrongShape(asked: string, listKind: string | undefined): ApiError {
  const what = listKind === undefined ? "not a list" : `a list (*v1.${listKind})`;
  return new ApiError(406, "NotAcceptable", `you requested ${asked}, but the requested object is ${what}`);
}

function mediaOf(type: string): MediaType | undefined {
  if (type === "application/json" || type === "*/*") return "json";
  if (type === "application/yaml") return "yaml";
  return undefined;
}

/** For an object or a list; `transforms` says whether Table and PartialObjectMetadata may be asked for. */
export function negotiate(header: string | undefined, transforms: boolean): Representation {
  const clauses = parseAccept(header);
  let sawMedia = false;
  for (const { type, parameters } of clauses) {
    const media = mediaOf(type);
    if (media === undefined) continue;
    sawMedia = true;
    const as = parameters.get("as");
    if (as === undefined || as === "") return { media };
    if (!transforms || parameters.get("g") !== "meta.k8s.io") continue;
    const version = parameters.get("v");
    if (version !== "v1" && version !== "v1beta1") continue;
    if (as === "Table" || as === "PartialObjectMetadata" || as === "PartialObjectMetadataList") {
      return { media, as, version };
    }
  }
  throw sawMedia ? onlyAccepted(AVAILABLE) : notAcceptable();
}

/** For a watch: JSON only, framed by newlines. */
export function negotiateStream(header: string | undefined): Representation {
  const clauses = parseAccept(header).filter(({ type }) => type !== "application/yaml");
  const streams = "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";
  if (!clauses.some(({ type }) => mediaOf(type) === "json")) throw onlyAccepted(streams);
  try {
    return negotiate(clauses.map(({ type, parameters }) => join(type, parameters)).join(","), true);
  } catch {
    throw onlyAccepted(streams);
  }
}

/** The representation of an error: YAML for who asked for YAML alone, else JSON. */
export function errorMedia(header: string | undefined): MediaType {
  const first = parseAccept(header).find(({ type }) => mediaOf(type) !== undefined);
  return first === undefined ? "json" : (mediaOf(first.type) ?? "json");
}

function join(type: string, parameters: ReadonlyMap<string, string>): string {
  return [type, ...[...parameters].map(([key, value]) => `${key}=${value}`)].join(";");
}
