/** A card that is pulled and put back again and again while many callers use it. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, vi } from "vitest";
import type { HsmClient } from "../../src/hsm/client.ts";
import { HsmError } from "../../src/hsm/errors.ts";
import { openPkcs11Token } from "../../src/hsm/pkcs11/token.ts";
import { createPkcs11Client } from "../../src/hsm/store/record-store.ts";
import type { TokenState } from "../../src/hsm/token.ts";
import { POOL } from "../hsm-client/conformance.ts";
import { PATH, readText, write } from "../hsm-client/pico-card.ts";
import { makeStubToken, type StubToken } from "../stub.ts";

const READERS = 16;
/** From the card's return to the state `loggedIn`, milliseconds. */
const LONGEST_RETURN = 2_000;

const away = (state: TokenState): boolean => state === "lost" || state === "absent";

export interface Removals {
  readonly calls: number;
  readonly failures: number;
  /** Milliseconds, of each return. */
  readonly returns: readonly number[];
}

export async function pullAgainAndAgain(times: number): Promise<Removals> {
  const token = await makeStubToken({ setEnvironment: true });
  const card = await openPkcs11Token({
    modulePath: token.modulePath,
    select: { serialNumber: token.serialNumber },
    pin: new TextEncoder().encode(token.pin),
    deviceType: "PicoHSM",
    lockDirectory: join(token.folder, "locks"),
    stateDirectory: join(token.folder, "state"),
  });
  const states: TokenState[] = [];
  card.onEvent((event) => {
    if (event.kind === "state") states.push(event.state);
  });
  const client = await createPkcs11Client(card);
  try {
    await client.setPool(POOL);
    expect((await write(client, token, "0")).status).toBe("written");
    const load = new Load(client, token);
    const returns: number[] = [];
    const before = ownResources();
    for (let i = 0; i < times; i += 1) {
      // Somewhere in the middle of whatever runs, and sometimes between two calls.
      await token.control(i % 3 === 0 ? "remove" : `remove after ${(i * 7) % 40} apdus`);
      await vi.waitFor(() => expect(states.some(away)).toBe(true), { timeout: 10_000, interval: 2 });
      states.length = 0;
      await token.control("insert");
      const returned = performance.now();
      await vi.waitFor(() => expect(states).toContain("loggedIn"), { timeout: 10_000, interval: 2 });
      returns.push(performance.now() - returned);
      states.length = 0;
    }
    await load.stop();
    expect(await readText(client)).toMatch(/^\d+$/);
    expect((await write(client, token, "1000000")).status).toBe("written");
    expect(await readText(client)).toBe("1000000");
    // A file or two may be open in a call of this moment; a hundred removals leave no more than one.
    const after = ownResources();
    expect(after.files).toBeLessThan(before.files + 4);
    expect(after.threads).toBeLessThan(before.threads + 4);
    expect(Math.max(...returns)).toBeLessThan(LONGEST_RETURN);
    return { calls: load.calls, failures: load.failures, returns };
  } finally {
    await client.close();
    await token.dispose();
  }
}

/** Readers and one writer; each call must end in its result or in an error of a class that says why. */
class Load {
  calls = 0;
  failures = 0;
  readonly #client: HsmClient;
  readonly #token: StubToken;
  readonly #running: Promise<unknown>;
  #stopped = false;

  constructor(client: HsmClient, token: StubToken) {
    this.#client = client;
    this.#token = token;
    const readers = Array.from({ length: READERS }, () => this.#repeat(() => this.#read()));
    this.#running = Promise.all([...readers, this.#repeat((i) => this.#write(i))]);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #repeat(call: (i: number) => Promise<void>): Promise<void> {
    for (let i = 1; !this.#stopped; i += 1) {
      this.calls += 1;
      await call(i);
      // The test's own timers need a turn.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async #read(): Promise<void> {
    try {
      const result = await this.#client.read(PATH);
      expect(result.state, "a secret that is there never reads as absent").toBe("present");
    } catch (error) {
      if (!(error instanceof HsmError)) throw error;
      this.#failed(error);
    }
  }

  async #write(i: number): Promise<void> {
    try {
      const result = await write(this.#client, this.#token, String(i));
      if (result.status === "failed") this.#failed(result.error);
    } catch (error) {
      if (!(error instanceof HsmError)) throw error;
      this.#failed(error);
    }
  }

  #failed(error: HsmError): void {
    this.failures += 1;
    expect(["TokenGone", "NoSpace", "Busy", "Internal"], error.message).toContain(error.class);
  }
}

function ownResources(): { files: number; threads: number } {
  return { files: readdirSync("/proc/self/fd").length, threads: readdirSync("/proc/self/task").length };
}
