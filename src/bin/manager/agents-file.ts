/** The file that names the devices and their agents, until discovery makes it needless. */

import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import * as v from "valibot";
import { UsageError } from "./options.ts";

const text = v.pipe(v.string(), v.minLength(1));

const agent = v.object({
  serialNumber: text,
  poolUid: v.optional(text),
  address: v.pipe(
    text,
    v.transform((address) => address.replace(/^https:\/\//, "").replace(/\/$/, "")),
    v.regex(/^(\[[^\]]+\]|[^:/\s]+):[0-9]{1,5}$/, "must be host:port or https://host:port"),
  ),
});

const file = v.object({
  devices: v.pipe(
    v.array(
      v.object({
        name: text,
        agents: v.tupleWithRest([agent], agent),
        historyLimit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(20))),
      }),
    ),
    v.minLength(1, "must name at least one device"),
  ),
  tls: v.optional(v.object({ certificate: text, key: text, authorities: text })),
});

export type AgentsFile = v.InferOutput<typeof file>;

/** Throws a UsageError with one sentence. Paths in it are relative to the file. */
export async function readAgentsFile(path: string): Promise<AgentsFile> {
  let content: string;
  try {
    content = await readFile(path, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown";
    const why = code === "ENOENT" ? "does not exist" : `cannot be read (${code})`;
    throw new UsageError(`The file of --agents ${why}: ${path}.`, { cause: error });
  }
  let json: unknown;
  try {
    json = JSON.parse(content);
  } catch (error) {
    throw new UsageError(`The file of --agents is not JSON: ${path}.`, { cause: error });
  }
  const parsed = v.safeParse(file, json, { abortEarly: true });
  if (!parsed.success) {
    const [issue] = parsed.issues;
    const where = v.getDotPath(issue) ?? "it";
    throw new UsageError(`The file of --agents is not as it should be: ${where}: ${issue.message}.`);
  }
  const names = parsed.output.devices.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new UsageError(`The file of --agents names the device ${twice} twice.`);
  const { tls } = parsed.output;
  if (tls === undefined) return parsed.output;
  const from = (name: string) => resolve(dirname(path), name);
  const files = {
    certificate: from(tls.certificate),
    key: from(tls.key),
    authorities: from(tls.authorities),
  };
  return { ...parsed.output, tls: files };
}
