/** Reads one secret: its record, else the foreign objects at its path; and says when it could not look. */

import { isUnder } from "../../path/path.ts";
import type { HistoryEntry, ListEntry, ReadOptions, ReadResult } from "../client.ts";
import { HsmError } from "../errors.ts";
import { type ForeignSecret, foreignRecord, plainSecret } from "../record/foreign.ts";
import type { RecordGroup } from "../record/model.ts";
import { factOf, newestFirst, type ResolvedPath } from "../record/resolve.ts";
import { verifyGroup } from "../record/verify.ts";
import type { ObjectToken } from "../token.ts";
import { readValues } from "./batches.ts";
import type { Snapshot, TokenIndex } from "./token-index.ts";

/** A record can be replaced, or turn out damaged, while it is read; more often than this in one read it is not. */
const MAX_ATTEMPTS = 8;

export interface ReaderPort {
  current(): Snapshot | Promise<Snapshot>;
  /** Looks at the token anew because a record did not verify, and takes what it shows into the index. */
  recheck(group: RecordGroup): Promise<void>;
}

export class RecordReader {
  readonly #token: ObjectToken;
  readonly #index: TokenIndex;
  readonly #port: ReaderPort;

  constructor(token: ObjectToken, index: TokenIndex, port: ReaderPort) {
    this.#token = token;
    this.#index = index;
    this.#port = port;
  }

  async read(path: string, options: ReadOptions): Promise<ReadResult> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const current = this.#port.current();
      const snapshot = current instanceof Promise ? await current : current;
      const resolved = snapshot.paths.get(path);
      const group = chosen(resolved, options.generation);
      const result =
        group === undefined || resolved === undefined
          ? await this.#readForeign(path, snapshot, options)
          : await this.#readGroup(group, resolved, snapshot);
      if (result !== undefined) return result;
    }
    throw new HsmError("Busy", "The secret changed again and again while it was read.", {
      operation: "read",
    });
  }

  /** `undefined`: look again. */
  async #readGroup(
    group: RecordGroup,
    resolved: ResolvedPath,
    snapshot: Snapshot,
  ): Promise<ReadResult | undefined> {
    const fact = factOf(group, this.#index.facts);
    const ids =
      fact?.valid === true && fact.ids.every((id) => snapshot.model.ids.has(id)) ? fact.ids : group.ids;
    const outcomes = await this.#token.read(ids);
    const verified = verifyGroup(group, (id) => {
      const outcome = outcomes[ids.length === 1 ? 0 : ids.indexOf(id)];
      if (outcome === undefined || "value" in outcome) return outcome?.value;
      if (outcome.error.class !== "NotFound") throw outcome.error;
      return undefined;
    });
    if (verified.valid) {
      if (fact === undefined) this.#index.note(group, verified);
      return {
        state: "present",
        kind: "record",
        record: verified.record,
        digest: group.digest,
        conflicts: resolved.conflicts.map(({ generation, digest }) => ({ generation, digest })),
        problems: resolved.problems,
      };
    }
    // Destroyed by a write of ours meanwhile: the next snapshot knows. Else the token itself must say.
    if (snapshot === this.#index.snapshot) await this.#port.recheck(group);
    return undefined;
  }

  async #readForeign(
    path: string,
    snapshot: Snapshot,
    options: ReadOptions,
  ): Promise<ReadResult | undefined> {
    if (options.generation !== undefined && options.generation !== 0) return { state: "absent" };
    const resolved = snapshot.paths.get(path);
    const secret =
      snapshot.model.foreign.secrets.get(path) ??
      (options.foreign === true ? plainSecret(path, snapshot.model.plain) : undefined);
    if (secret === undefined) return absent(resolved);
    const ids = secret.keys.map(({ id }) => id);
    const values = await readValues(this.#token, ids);
    if (ids.some((id) => !values.has(id)) && snapshot !== this.#index.snapshot) return undefined;
    if (ids.some((id) => !values.has(id))) {
      throw new HsmError("Corrupt", "An object of this secret is listed and cannot be read.", {
        operation: "read",
      });
    }
    return {
      state: "present",
      kind: "foreign",
      record: foreignRecord(secret, values, this.#index.foreignMetadata(secret.metadata)),
      digest: "",
      conflicts: [],
      problems: [
        ...(resolved?.problems ?? []),
        ...snapshot.model.foreign.problems.filter(({ label }) => isUnder(label, path)),
      ],
    };
  }

  /** Newest first; records that were not read before are not in it. */
  history(path: string): HistoryEntry[] {
    const resolved = this.#index.snapshot.paths.get(path);
    if (resolved === undefined) return [];
    return recordsOf(resolved)
      .sort(newestFirst)
      .flatMap((group) => {
        const fact = factOf(group, this.#index.facts);
        if (fact?.valid !== true) return [];
        const { generation, digest, state } = group;
        return [
          {
            generation,
            digest,
            state,
            time: fact.time,
            writer: fact.writer,
            served: group === resolved.served,
          },
        ];
      });
  }

  /** The entries, and plain objects whose label is a path that is not taken. */
  withPlain(snapshot: Snapshot): ListEntry[] {
    const paths = new Map<string, ForeignSecret>();
    for (const { label } of snapshot.model.plain) {
      if (label === null || snapshot.entries.has(label)) continue;
      const secret = plainSecret(label, snapshot.model.plain);
      if (secret?.keys.some(({ key }) => key === "data") === true) paths.set(label, secret);
    }
    const plain = Array.from(
      paths.values(),
      (secret): ListEntry => ({
        path: secret.path,
        kind: "foreign",
        generation: 0,
        digest: "",
        state: "live",
        objects: secret.objects,
        records: 0,
        conflict: false,
      }),
    );
    return [...snapshot.entries.values(), ...plain].sort((a, b) => (a.path < b.path ? -1 : 1));
  }
}

function recordsOf(resolved: ResolvedPath): RecordGroup[] {
  return [
    ...(resolved.served === undefined ? [] : [resolved.served]),
    ...resolved.conflicts,
    ...resolved.history,
  ];
}

function chosen(resolved: ResolvedPath | undefined, generation: number | undefined): RecordGroup | undefined {
  if (resolved === undefined || generation === undefined) return resolved?.served;
  return recordsOf(resolved)
    .filter((group) => group.generation === generation)
    .sort(newestFirst)[0];
}

/** A path whose records are all damaged is not absent: somebody should look. */
function absent(resolved: ResolvedPath | undefined): ReadResult {
  const unusable = [...(resolved?.corrupt ?? []), ...(resolved?.refused ?? [])];
  if (unusable.length === 0) return { state: "absent" };
  const [problem] = resolved?.problems.filter(({ reason }) => reason !== "Incomplete") ?? [];
  throw new HsmError(
    "Corrupt",
    `No record at this path is usable: ${problem?.message ?? "all are damaged."}`,
    {
      operation: "read",
    },
  );
}
