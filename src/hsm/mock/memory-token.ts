/**
 * A token in memory: the flash that survives a power cut, and the view of it that one process has.
 *
 * It keeps whole what it is given, unless faults are asked for: power cut in any call, failing calls, and the lies
 * that smart-card middleware tells (success, and nothing or half of it stored, seen only after a refresh).
 */

import { randomBytes } from "node:crypto";
import { HsmError, type HsmErrorClass } from "../errors.ts";
import type {
  ObjectOperation,
  ObjectToken,
  OperationOutcome,
  ReadOutcome,
  TokenEvent,
  TokenInfo,
  TokenListing,
  TokenObject,
  VerificationMode,
} from "../token.ts";

export interface StoredObject extends TokenObject {
  readonly value: Uint8Array;
}

/** What is on the token, whoever looks. Share one among tokens to play restarts and other programs. */
export class MemoryFlash {
  readonly objects = new Map<number, StoredObject>();
  #next = 1;

  take(): number {
    this.#next += 1;
    return this.#next - 1;
  }

  /** As another program would write it: a token sees it with its next refresh. Returns the id. */
  put(label: string | null, application: string | null, value: Uint8Array): number {
    const id = this.take();
    this.objects.set(id, { id, label, application, private: true, value: Uint8Array.from(value) });
    return id;
  }
}

/** One call on the device. `n` counts from 1 over the token's life. */
export interface NativeCall {
  readonly n: number;
  readonly kind: "create" | "destroy" | "read" | "refresh";
}

export type Fault =
  /** The call fails and does nothing; the token goes on. */
  | { readonly kind: "fail"; readonly error: HsmErrorClass }
  /** Power goes in this call, before or after it took effect; it and all later calls fail with `TokenGone`. */
  | { readonly kind: "cut"; readonly done: boolean }
  /** Success is reported. Stored are only the first `keeps` bytes; none: no object at all. */
  | { readonly kind: "lie"; readonly keeps: number }
  /** As `lie`, and power is gone for the next call. */
  | { readonly kind: "lie-cut"; readonly keeps: number };

export interface MemoryTokenOptions {
  readonly flash?: MemoryFlash | undefined;
  readonly serialNumber?: string | undefined;
  readonly label?: string | undefined;
  readonly verification?: VerificationMode | undefined;
  /** Bytes of one value. */
  readonly partSize?: number | undefined;
  readonly objectCapacity?: number | undefined;
  /** Keys and certificates that take room beside the data objects. */
  readonly otherObjects?: number | undefined;
  readonly fault?: ((call: NativeCall) => Fault | undefined) | undefined;
  readonly randomBytes?: ((length: number) => Uint8Array) | undefined;
}

export class MemoryToken implements ObjectToken {
  readonly flash: MemoryFlash;
  readonly #info: TokenInfo;
  readonly #otherObjects: number;
  readonly #fault: (call: NativeCall) => Fault | undefined;
  readonly #randomBytes: (length: number) => Uint8Array;
  readonly #listeners = new Set<(event: TokenEvent) => void>();
  #view: Map<number, StoredObject>;
  #listing: TokenListing | undefined;
  #version = 1;
  #calls = 0;
  #power = true;
  #closed = false;

  constructor(options: MemoryTokenOptions = {}) {
    this.flash = options.flash ?? new MemoryFlash();
    this.#view = new Map(this.flash.objects);
    this.#otherObjects = options.otherObjects ?? 0;
    this.#fault = options.fault ?? (() => undefined);
    this.#randomBytes = options.randomBytes ?? randomBytes;
    this.#info = {
      serialNumber: options.serialNumber ?? "MOCK0001",
      label: options.label ?? "MOCK token in memory",
      manufacturer: "MOCK",
      model: "MOCK",
      library: "MOCK: in memory, no hardware; nothing survives the process",
      verification: options.verification ?? "readback",
      partSize: options.partSize ?? 64 * 1024,
      objectCapacity: options.objectCapacity ?? 8192,
      pinState: "OK",
      mock: true,
    };
  }

  /** Calls on the device so far. */
  get calls(): number {
    return this.#calls;
  }

  info(): TokenInfo {
    return this.#info;
  }

  async list(): Promise<TokenListing> {
    this.#ensureOpen("list");
    return this.#list();
  }

  async read(ids: readonly number[]): Promise<readonly ReadOutcome[]> {
    this.#ensureOpen("read");
    return ids.map((id): ReadOutcome => {
      const fault = this.#call("read");
      if (fault?.kind === "fail") return { id, error: failed(fault.error, "read") };
      const object = this.#view.get(id);
      if (object === undefined) return { id, error: failed("NotFound", "read") };
      // A card that is pulled hands out the beginning of a value with success.
      const keeps = fault?.kind === "lie" || fault?.kind === "lie-cut" ? fault.keeps : object.value.length;
      return { id, value: Uint8Array.from(object.value.subarray(0, keeps)) };
    });
  }

  async apply(operations: readonly ObjectOperation[]): Promise<readonly OperationOutcome[]> {
    this.#ensureOpen("apply");
    const outcomes: OperationOutcome[] = [];
    for (const operation of operations) {
      const stopped = outcomes.at(-1)?.kind === "failed" || outcomes.at(-1)?.kind === "skipped";
      outcomes.push(stopped ? { kind: "skipped" } : this.#applyOne(operation));
    }
    return outcomes;
  }

  async refresh(): Promise<TokenListing> {
    this.#ensureOpen("refresh");
    const fault = this.#call("refresh");
    if (fault?.kind === "fail") throw failed(fault.error, "refresh");
    const before = this.#view;
    this.#view = new Map(this.flash.objects);
    const same = before.size === this.#view.size && [...before.keys()].every((id) => this.#view.has(id));
    if (!same) {
      this.#changed();
      this.#emit({ kind: "changed", version: this.#version });
    }
    return this.#list();
  }

  async random(length: number): Promise<Uint8Array> {
    this.#ensureOpen("random");
    return this.#randomBytes(length);
  }

  onEvent(listener: (event: TokenEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#listeners.clear();
  }

  /** Pulls the plug. */
  powerOff(): void {
    this.#power = false;
    this.#emit({ kind: "gone", reason: "the mock was unplugged" });
  }

  powerOn(): void {
    this.#power = true;
    this.#view = new Map(this.flash.objects);
    this.#changed();
    this.#emit({ kind: "back" });
  }

  #applyOne(operation: ObjectOperation): OperationOutcome {
    try {
      return operation.kind === "create" ? this.#create(operation) : this.#destroy(operation.id);
    } catch (error) {
      if (error instanceof HsmError) return { kind: "failed", error };
      throw error;
    }
  }

  #create(operation: Extract<ObjectOperation, { kind: "create" }>): OperationOutcome {
    if (operation.value.length === 0) throw failed("BadInput", "create");
    if (operation.value.length > this.#info.partSize) throw failed("TooLarge", "create");
    const full = this.flash.objects.size + this.#otherObjects >= this.#info.objectCapacity;
    const object: StoredObject = {
      id: this.flash.take(),
      label: operation.label,
      application: operation.application,
      private: true,
      value: Uint8Array.from(operation.value),
    };
    const fault = this.#call("create", () => this.flash.objects.set(object.id, object));
    if (fault?.kind === "fail") return { kind: "failed", error: failed(fault.error, "create") };
    if (fault?.kind === "lie" || fault?.kind === "lie-cut") {
      if (fault.keeps > 0) {
        this.flash.objects.set(object.id, { ...object, value: object.value.slice(0, fault.keeps) });
      }
    } else if (full) {
      return { kind: "failed", error: failed("NoSpace", "create") };
    } else {
      this.flash.objects.set(object.id, object);
    }
    this.#view.set(object.id, object);
    this.#changed();
    return { kind: "created", id: object.id };
  }

  #destroy(id: number): OperationOutcome {
    const fault = this.#call("destroy", () => this.flash.objects.delete(id));
    if (fault?.kind === "fail") return { kind: "failed", error: failed(fault.error, "destroy") };
    if (!this.#view.has(id)) return { kind: "failed", error: failed("NotFound", "destroy") };
    if (fault === undefined) this.flash.objects.delete(id);
    this.#view.delete(id);
    this.#changed();
    return { kind: "destroyed" };
  }

  /** Counts a call, and lets the power go in it where that was asked for. */
  #call(kind: NativeCall["kind"], effect: () => void = () => {}): Fault | undefined {
    if (!this.#power) throw failed("TokenGone", kind);
    this.#calls += 1;
    const fault = this.#fault({ n: this.#calls, kind });
    if (fault?.kind === "cut") {
      if (fault.done) effect();
      this.powerOff();
      throw failed("TokenGone", kind);
    }
    if (fault?.kind === "lie-cut") this.powerOff();
    return fault;
  }

  #changed(): void {
    this.#version += 1;
    this.#listing = undefined;
  }

  #list(): TokenListing {
    this.#listing ??= {
      objects: Array.from(this.#view.values(), ({ id, label, application, private: hidden }) => ({
        id,
        label,
        application,
        private: hidden,
      })),
      otherObjects: this.#otherObjects,
      version: this.#version,
    };
    return this.#listing;
  }

  #emit(event: TokenEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  #ensureOpen(operation: string): void {
    if (this.#closed) throw failed("TokenGone", operation);
  }
}

const MESSAGES: Partial<Record<HsmErrorClass, string>> = {
  TokenGone: "The mock token is gone.",
  NoSpace: "The mock token is full.",
  NotFound: "The mock token holds no such object.",
};

function failed(errorClass: HsmErrorClass, operation: string): HsmError {
  const message = MESSAGES[errorClass] ?? `The mock token refused the call (${errorClass}).`;
  return new HsmError(errorClass, message, { operation });
}
