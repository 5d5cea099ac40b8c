/**
 * Reads of one device: one read on the token serves everyone who asks for the same record at once, and what comes
 * back is held against its digest and against the listing.
 */

import type { ListEntry, ReadResult } from "../hsm/client.ts";
import { HsmError } from "../hsm/errors.ts";
import { encodeRecord } from "../hsm/record/codec.ts";
import { recordDigest, shortDigest } from "../hsm/record/digest.ts";
import type { DeviceView } from "./device.ts";

export class VerifiedReads {
  readonly #device: DeviceView;
  readonly #underWay = new Map<string, Promise<ReadResult>>();

  constructor(device: DeviceView) {
    this.#device = device;
  }

  /** The record that is served, or the one of a generation. Rejects with an HsmError; absent is proven. */
  read(path: string, generation?: number): Promise<ReadResult> {
    const key = `${generation ?? "served"} ${path}`;
    const shared = this.#underWay.get(key);
    if (shared !== undefined) return shared;
    const read = this.#read(path, generation).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, read);
    return read;
  }

  async #read(path: string, generation: number | undefined): Promise<ReadResult> {
    const result = await this.#once(path, generation);
    if (generation !== undefined || agrees(result, await this.#entry(path))) return result;
    // The listing may be older than the record, or the record older than the listing: look at both anew.
    await this.#device.reload();
    const again = await this.#once(path, generation);
    if (agrees(again, await this.#entry(path))) return again;
    const message = "The listing and the record at the path do not agree; it may be changing.";
    throw new HsmError("Busy", message, { operation: "read" });
  }

  async #once(path: string, generation: number | undefined): Promise<ReadResult> {
    const options = generation === undefined ? {} : { generation };
    const result = await this.#device.run("read", () => this.#device.client.read(path, options));
    if (result.state === "absent") return result;
    const asked = generation === undefined || result.record.generation === generation;
    if (result.record.path !== path || !asked) throw corrupt("another record than the one asked for");
    if (
      result.kind === "record" &&
      shortDigest(recordDigest(encodeRecord(result.record))) !== result.digest
    ) {
      throw corrupt("a record that does not have its digest");
    }
    return result;
  }

  async #entry(path: string): Promise<ListEntry | undefined> {
    const state = await this.#device.state();
    if (state.state === "listed") return state.entries.get(path);
    throw new HsmError(state.errorClass, state.message, { operation: "read" });
  }
}

function agrees(result: ReadResult, entry: ListEntry | undefined): boolean {
  if (result.state === "absent") return entry === undefined;
  if (entry === undefined) return false;
  return result.kind === entry.kind && result.digest === entry.digest;
}

function corrupt(what: string): HsmError {
  return new HsmError("Corrupt", `The device answered with ${what}.`, { operation: "read" });
}
