import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Faults } from "../../src/apiserver/faults/faults.ts";
import type { FaultedRequest } from "../../src/apiserver/faults/match.ts";
import { type Client, eventually, startClient, type WatchEvent } from "./client.ts";

const SECRETS = "/api/v1/namespaces/default/secrets";
const LIST = { verb: "list", resource: "secrets" };
const WATCH = { verb: "watch", resource: "secrets" };
const WATCHING = `${SECRETS}?watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan`;

let faults: Faults;
let client: Client;
let requests: FaultedRequest[];

beforeEach(async () => {
  requests = [];
  faults = new Faults((request) => requests.push(request));
  client = await startClient({ faults });
});
afterEach(() => client.close());

const secret = (name: string) => ({ metadata: { name }, stringData: { value: name } });
const create = (name: string) => client.call("POST", SECRETS, secret(name));
const namesOf = async (path = SECRETS) =>
  (await client.call("GET", path)).body.items?.map((item) => item.metadata.name) ?? [];
const named = (events: readonly WatchEvent[]) =>
  events.map(({ type, object }) => `${type} ${object.metadata?.name ?? object.reason}`);

/** Opens a watch; `events` resolves as `client.watch` does. */
async function openWatch(path: string, enough: (events: readonly WatchEvent[]) => boolean) {
  const open = faults.openWatches;
  const events = client.watch(path, enough);
  await eventually(
    async () => faults.openWatches,
    (count) => count === open + 1,
  );
  return { events };
}

describe("a refusal", () => {
  test.each([
    [410, undefined, "Expired"],
    [429, 7, "TooManyRequests"],
    [500, undefined, "InternalError"],
    [503, 2, "ServiceUnavailable"],
  ])(
    "of %i is a Status like a real one, and only the next request meets it",
    async (code, retryAfter, reason) => {
      faults.add(LIST, { kind: "refuse", code, ...(retryAfter === undefined ? {} : { retryAfter }) });
      const answer = await client.call("GET", SECRETS);
      expect(answer).toMatchObject({ status: code, body: { kind: "Status", reason, code } });
      expect(answer.headers["retry-after"]).toBe(retryAfter === undefined ? undefined : String(retryAfter));
      expect((await client.call("GET", SECRETS)).status).toBe(200);
    },
  );

  test("does nothing of what it refuses, and leaves other requests alone", async () => {
    const rule = faults.add({ verb: "create" }, { kind: "refuse", code: 500 }, 2);
    expect((await create("a")).status).toBe(500);
    expect(await namesOf()).toEqual([]);
    expect((await create("a")).status).toBe(500);
    expect((await create("a")).status).toBe(201);
    expect([rule.hits, requests.map((request) => request.verb)]).toEqual([
      2,
      ["create", "list", "create", "create"],
    ]);
  });
});

describe("a connection", () => {
  test("that breaks before the request leaves nothing done", async () => {
    faults.add({ verb: "create" }, { kind: "reset", when: "before" });
    await expect(create("a")).rejects.toMatchObject({ code: "ECONNRESET" });
    expect(await namesOf()).toEqual([]);
  });

  test("that breaks after the request leaves it done and nobody told", async () => {
    faults.add({ verb: "create" }, { kind: "reset", when: "after" });
    await expect(create("a")).rejects.toMatchObject({ code: "ECONNRESET" });
    expect(await namesOf()).toEqual(["a"]);
  });

  test("that breaks in the middle of an answer is an error for who reads it", async () => {
    await create("a");
    faults.add(LIST, { kind: "reset", when: "half" });
    await expect(client.call("GET", SECRETS)).rejects.toMatchObject({ code: "ECONNRESET" });
  });

  test("that is slow holds its request back until it is let go", async () => {
    let letGo = (): void => {};
    const until = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    faults.add({ verb: "create", resource: "secrets" }, { kind: "delay", until });
    const slow = create("slow");
    await create("quick");
    expect(await namesOf()).toEqual(["quick"]);
    letGo();
    expect((await slow).status).toBe(201);
  });

  test("is slower by the time that was asked for", async () => {
    faults.add(LIST, { kind: "delay", until: 120 });
    const begun = performance.now();
    await client.call("GET", SECRETS);
    expect(performance.now() - begun).toBeGreaterThanOrEqual(115);
  });
});

describe("a watch", () => {
  test.each(["end", "reset", "half"] as const)("is cut by hand: %s", async (how) => {
    const { events } = await openWatch(WATCHING, () => false);
    await create("a");
    expect(faults.cutWatches(WATCH, how)).toBe(1);
    await create("b");
    expect(named(await events)).not.toContain("ADDED b");
  });

  test("is told that its version is too old", async () => {
    const { events } = await openWatch(WATCHING, () => false);
    faults.cutWatches(WATCH, "expired");
    const [last] = await events;
    expect(last).toMatchObject({ type: "ERROR", object: { code: 410, reason: "Expired" } });
  });

  test("is cut after so many events", async () => {
    faults.add(WATCH, { kind: "cut", afterEvents: 2, how: "end" });
    const { events } = await openWatch(WATCHING, () => false);
    for (const name of ["a", "b", "c"]) await create(name);
    expect(named(await events)).toEqual(["ADDED a", "ADDED b"]);
  });

  test("ends as soon as it stands", async () => {
    faults.add(WATCH, { kind: "cut", afterEvents: 0, how: "end" });
    expect(await client.watch(WATCHING, () => false)).toEqual([]);
  });

  test("of another resource goes on", async () => {
    const { events } = await openWatch(WATCHING, (seen) => seen.length === 1);
    expect(faults.cutWatches({ resource: "configmaps" }, "reset")).toBe(0);
    await create("a");
    expect(named(await events)).toEqual(["ADDED a"]);
  });
});

describe("a second server whose cache is old", () => {
  test("shows what was to reads that leave the version to it, and the truth to others", async () => {
    await create("a");
    faults.fallBehind({ resource: "secrets" });
    const { body } = await create("b");
    expect(await namesOf()).toEqual(["a", "b"]);
    expect(await namesOf(`${SECRETS}?resourceVersion=0`)).toEqual(["a"]);
    expect((await client.call("GET", `${SECRETS}/b?resourceVersion=0`)).status).toBe(404);
    const newer = `${SECRETS}?resourceVersion=${body.metadata?.resourceVersion}&resourceVersionMatch=NotOlderThan`;
    expect((await client.call("GET", newer)).status).toBe(504);
    faults.catchUp();
    expect(await namesOf(`${SECRETS}?resourceVersion=0`)).toEqual(["a", "b"]);
  });

  test("shows what was to every read when told so, and takes writes", async () => {
    faults.fallBehind({ resource: "secrets" }, true);
    expect((await create("a")).status).toBe(201);
    expect(await namesOf()).toEqual([]);
    faults.clear();
    expect(await namesOf()).toEqual(["a"]);
  });

  test("withholds events of a watch, and gives them late, one by one, in order", async () => {
    faults.fallBehind(WATCH);
    const { events } = await openWatch(WATCHING, (seen) => seen.length === 2);
    for (const name of ["a", "b"]) await create(name);
    faults.catchUp(1);
    faults.catchUp();
    expect(named(await events)).toEqual(["ADDED a", "ADDED b"]);
  });
});

test("a server that goes away refuses connections, and comes back with its objects and without its past", async () => {
  const before = (await create("a")).body.metadata?.resourceVersion;
  await create("b");
  const { events } = await openWatch(WATCHING, () => false);
  await faults.stop();
  await events;
  await expect(client.call("GET", SECRETS)).rejects.toMatchObject({ code: "ECONNREFUSED" });
  await faults.start();
  expect(await namesOf()).toEqual(["a", "b"]);
  const [expired] = await client.watch(
    `${SECRETS}?watch=1&resourceVersion=${before}`,
    (seen) => seen.length > 0,
  );
  expect(expired).toMatchObject({ type: "ERROR", object: { code: 410 } });
});

test("faults serve one API server", async () => {
  await expect(startClient({ faults })).rejects.toThrow("These faults belong to another API server already.");
});
