import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Journal } from "../../test/kube/journal.ts";
import { ManualClock } from "../../test/kube/manual-clock.ts";
import {
  fail,
  json,
  ScriptedServer,
  ScriptedWatch,
  secret,
  secretList,
} from "../../test/kube/scripted-server.ts";
import type { KubeClient } from "./client.ts";
import { createKubeClient } from "./http-client.ts";
import { createInformer, type Informer } from "./informer.ts";
import type { ReflectorEvent } from "./reflector.ts";
import { SECRETS, type Secret } from "./resources.ts";

let server: ScriptedServer;
let client: KubeClient;
let clock: ManualClock;
let informer: Informer<Secret>;
let stop: AbortController;
let running: Promise<void>;
const journal = {
  events: new Journal<ReflectorEvent>(),
  watches: new Journal<ScriptedWatch>(),
  changes: [""],
};

/** What the server lists, and at which version. */
let listing: { version: number; items: readonly unknown[] };
let refuseWatch: ((answer: Parameters<ScriptedServer["handler"]>[1]) => void) | undefined;

beforeEach(async () => {
  server = await ScriptedServer.start();
  clock = new ManualClock();
  client = createKubeClient(server.connection, { userAgent: "t", fieldManager: "t", clock, random: () => 0 });
  Object.assign(journal, { events: new Journal(), watches: new Journal(), changes: [] });
  informer = createInformer<Secret>({
    client,
    resource: SECRETS,
    clock,
    random: () => 1,
    pageSize: 2,
    onEvent: (event) => journal.events.add(event),
  });
  informer.store.onChange((change) => journal.changes.push(`${change.type} ${change.object.metadata.uid}`));
  listing = { version: 10, items: [secret("a", 1)] };
  refuseWatch = undefined;
  server.handler = (request, answer) => {
    if (request.query.get("watch") === null) json(answer, secretList(listing.version, listing.items));
    else if (refuseWatch !== undefined) refuseWatch(answer);
    else journal.watches.add(new ScriptedWatch(answer));
  };
  stop = new AbortController();
});

afterEach(async () => {
  stop.abort();
  await running;
  await client.close();
  await server.close();
});

function run(): void {
  running = informer.run(stop.signal);
}

const nth = (number: number) => journal.watches.until(() => true, number);
const until = <K extends ReflectorEvent["kind"]>(kind: K, number = 1) =>
  journal.events.until((event): event is Extract<ReflectorEvent, { kind: K }> => event.kind === kind, number);
const watchVersions = () =>
  server.requests
    .filter((request) => request.query.get("watch") !== null)
    .map((request) => request.query.get("resourceVersion"));
const listCount = () => server.requests.filter((request) => request.query.get("watch") === null).length;
/** Lets the reflector's pause pass, once it is set. */
async function pass(delay: number): Promise<void> {
  await vi.waitFor(() => expect(clock.nextDelay).toBe(delay));
  clock.advance(delay);
}

describe("reflector", () => {
  it("lists in pages, then watches from the version of the listing", async () => {
    const pages: Record<string, unknown> = {
      "": secretList(10, [secret("a", 1), secret("b", 2)], "p2"),
      p2: secretList(10, [secret("c", 3)]),
    };
    server.handler = (request, answer) => {
      if (request.query.get("watch") !== null) journal.watches.add(new ScriptedWatch(answer));
      else json(answer, pages[request.query.get("continue") ?? ""]);
    };
    run();
    await informer.store.waitForSync();
    expect(informer.store.list().map((object) => object.metadata.name)).toEqual(["a", "b", "c"]);
    const watch = await nth(1);
    expect(watchVersions()).toEqual(["10"]);
    watch.send("MODIFIED", secret("a", 11));
    watch.send("DELETED", secret("b", 12));
    watch.send("ADDED", secret("d", 13));
    await informer.store.waitFor("shop/d", "13");
    expect(journal.changes.slice(3)).toEqual(["updated uid-a", "deleted uid-b", "added uid-d"]);
  });

  it("goes on from the last event or bookmark when a watch ends, without listing again", async () => {
    run();
    let watch = await nth(1);
    watch.send("ADDED", secret("b", 12));
    watch.end();
    watch = await nth(2);
    watch.bookmark(40);
    watch.end();
    watch = await nth(3);
    expect([watchVersions(), listCount()]).toEqual([["10", "12", "40"], 1]);
    watch.send("ADDED", secret("c", 41));
    await informer.store.waitFor("shop/c", "41");
  });

  it("goes on from the last whole event when the connection breaks in the middle of one", async () => {
    run();
    const watch = await nth(1);
    watch.send("ADDED", secret("b", 12));
    watch.raw('{"type":"DELETED","object":{"kind":"Secret","metadata":{"name":"b"');
    await informer.store.waitFor("shop/b", "12");
    watch.break();
    await until("watchBroken");
    await pass(100);
    await nth(2);
    expect([watchVersions(), listCount()]).toEqual([["10", "12"], 1]);
    expect(informer.store.get("shop/b")).toBeDefined();
  });

  for (const how of ["an ERROR event", "a status"] as const) {
    it(`lists again after 410 as ${how}, and tells what it missed`, async () => {
      run();
      const watch = await nth(1);
      listing = { version: 90, items: [secret("b", 80), secret("a", 85, "other")] };
      if (how === "a status") {
        refuseWatch = (answer) => fail(answer, 410, "Expired", "too old resource version");
        watch.end();
        await until("watchEnded");
        await pass(100);
        await until("watchExpired");
        refuseWatch = undefined;
        await pass(200);
      } else {
        watch.expire();
        await until("watchExpired");
        await pass(100);
      }
      await until("listed", 2);
      expect(journal.changes).toEqual(["added uid-a", "added uid-b", "deleted uid-a", "added other"]);
      await nth(2);
      expect(watchVersions().at(-1)).toBe("90");
    });
  }

  it("does not storm a server whose every watch expires although listing works", async () => {
    refuseWatch = (answer) => fail(answer, 410, "Expired", "too old");
    run();
    const delays: number[] = [];
    for (let i = 1; i <= 12; i += 1) {
      const { delay } = await until("watchExpired", i);
      delays.push(delay);
      await pass(delay);
    }
    expect(delays).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000, 30_000]);
  });

  it("starts over with short delays once something came through", async () => {
    refuseWatch = (answer) => fail(answer, 500, "InternalError", "etcd is away");
    run();
    for (let i = 1; i <= 5; i += 1) await pass((await until("watchBroken", i)).delay);
    await until("watchBroken", 6);
    refuseWatch = undefined;
    await pass(3200);
    const watch = await nth(1);
    watch.bookmark(11);
    await informer.store.waitFor("shop/none", "11");
    watch.break();
    expect((await until("watchBroken", 7)).delay).toBe(100);
  });

  it("waits as long as a throttling server asks", async () => {
    refuseWatch = (answer) =>
      fail(answer, 429, "TooManyRequests", "too many requests", { headers: { "retry-after": "17" } });
    run();
    expect((await until("watchThrottled")).delay).toBe(17_000);
  });

  it("says that it has no rights, and comes when it has", async () => {
    refuseWatch = (answer) => fail(answer, 403, "Forbidden", "secrets is forbidden");
    run();
    await until("watchRefused");
    refuseWatch = undefined;
    await pass(100);
    await nth(1);
  });

  it("survives a server that is away at the start", async () => {
    const { handler } = server;
    server.handler = (_request, answer) => fail(answer, 500, "InternalError", "starting");
    run();
    await until("listFailed");
    expect(informer.store.synced).toBe(false);
    server.handler = handler;
    await pass(100);
    await informer.store.waitForSync();
  });

  it("begins anew when a page's token expires in the middle of a listing", async () => {
    let lists = 0;
    server.handler = (request, answer) => {
      if (request.query.get("watch") !== null) journal.watches.add(new ScriptedWatch(answer));
      else if (request.query.get("continue") !== null) fail(answer, 410, "Expired", "continue is too old");
      else json(answer, secretList(10, [secret("a", 1)], lists++ === 0 ? "p2" : undefined));
    };
    run();
    await until("listFailed");
    expect(informer.store.size).toBe(0);
    await pass(100);
    await informer.store.waitForSync();
    expect(informer.store.size).toBe(1);
  });

  it("lists again after an answer that it cannot read, since that may have been an event", async () => {
    run();
    const watch = await nth(1);
    watch.raw("<html>proxy error</html>\n");
    await until("watchBroken");
    await pass(100);
    await until("listed", 2);
  });

  it("stops: nothing reaches the store afterwards, no connection and no timer is left", async () => {
    run();
    const watch = await nth(1);
    watch.send("ADDED", secret("b", 12));
    await informer.store.waitFor("shop/b", "12");
    stop.abort();
    watch.send("ADDED", secret("c", 13));
    await running;
    expect(journal.events.entries.at(-1)?.kind).toBe("stopped");
    expect(informer.store.get("shop/c")).toBeUndefined();
    await watch.closed();
    expect(clock.pending).toBe(0);
  });

  it("stops in the middle of a pause and of a listing", async () => {
    server.handler = (_request, answer) => fail(answer, 500, "InternalError", "away");
    run();
    await until("listFailed");
    stop.abort();
    await running;
    stop = new AbortController();
    const held = new Promise<void>((resolve) => {
      server.handler = () => resolve();
    });
    run();
    await held;
    stop.abort();
    await running;
    expect(clock.pending).toBe(0);
  });
});
