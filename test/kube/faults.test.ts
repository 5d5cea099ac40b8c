// The reflector against the embedded API server while things go wrong: it always comes to agree, and never hurries.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Fault, Faults } from "../../src/apiserver/faults/faults.ts";
import type { FaultedRequest, Match } from "../../src/apiserver/faults/match.ts";
import { type ApiServer, createApiServer } from "../../src/apiserver/server.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { createKubeClient } from "../../src/kube/http-client.ts";
import { createInformer, type Informer } from "../../src/kube/informer.ts";
import { connectionFromKubeconfig } from "../../src/kube/kubeconfig.ts";
import type { ReflectorEvent } from "../../src/kube/reflector.ts";
import { SECRETS, type Secret } from "../../src/kube/resources.ts";
import { Journal } from "./journal.ts";

const NAMESPACE = "default";
const LIST: Match = { verb: "list", resource: "secrets" };
const WATCH: Match = { verb: "watch", resource: "secrets" };
const READS: Match = { verb: ["list", "watch"], resource: "secrets" };

let folder: string;
let server: ApiServer;
let faults: Faults;
/** Writes what the reflector has to come to know; meets no fault of its own. */
let writer: KubeClient;
let reader: KubeClient;
let informer: Informer<Secret>;
let events: Journal<ReflectorEvent>;
let requests: FaultedRequest[];
let stop: AbortController;
let running: Promise<void>;

beforeEach(async () => {
  requests = [];
  faults = new Faults((request) => requests.push(request));
  server = await createApiServer({ listen: { host: "127.0.0.1", port: 0 }, faults });
  folder = await mkdtemp(join(tmpdir(), "kube-faults-"));
  await writeFile(join(folder, "kubeconfig"), server.kubeconfig());
  const connection = await connectionFromKubeconfig({ files: [join(folder, "kubeconfig")] });
  const names = { userAgent: "tests/1", fieldManager: "tests" };
  writer = createKubeClient(connection, names);
  reader = createKubeClient(connection, names);
  events = new Journal();
  informer = createInformer<Secret>({
    client: reader,
    resource: SECRETS,
    namespaces: [NAMESPACE],
    pageSize: 3,
    onEvent: events.add,
  });
  stop = new AbortController();
  running = Promise.resolve();
});

afterEach(async () => {
  stop.abort();
  faults.clear();
  await running;
  await Promise.all([writer.close(), reader.close()]);
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

let serial = 0;
async function write(): Promise<void> {
  serial += 1;
  const name = `s-${serial}`;
  await writer.create(SECRETS, { metadata: { namespace: NAMESPACE, name }, data: { n: "MQ==" } });
}

async function change(name: string, value: string): Promise<void> {
  await writer.patch(
    SECRETS,
    { namespace: NAMESPACE, name },
    { type: "merge", body: { data: { n: value } } },
  );
}

/** Starts the reflector over some Secrets, and waits until it watches. */
async function follow(): Promise<void> {
  for (let i = 0; i < 5; i += 1) await write();
  running = informer.run(stop.signal);
  await informer.store.waitForSync();
  await watching();
}

const watching = () => vi.waitFor(() => expect(faults.openWatches).toBe(1), { timeout: 20_000 });

const stateOf = (objects: readonly Secret[]) =>
  objects.map(({ metadata, data }) => [metadata.name, metadata.resourceVersion, data?.["n"]]).sort();

/** Writes, changes and removes; then the store holds what the server holds. */
async function agree(): Promise<void> {
  await write();
  await change(`s-${serial}`, "Mg==");
  await write();
  await writer.delete(SECRETS, { namespace: NAMESPACE, name: `s-${serial}` });
  const truth = await writer.listAll<Secret>(SECRETS, { namespace: NAMESPACE });
  await vi.waitFor(() => expect(stateOf(informer.store.list())).toEqual(stateOf(truth.items)), {
    timeout: 20_000,
  });
}

/** Lists and watches that were begun while `act` ran. */
async function readsDuring(act: () => Promise<void>): Promise<{ lists: number; watches: number }> {
  const before = requests.length;
  await act();
  const since = requests.slice(before).filter((request) => request.resource === "secrets");
  const count = (verb: string) => since.filter((request) => request.verb === verb).length;
  return { lists: count("list"), watches: count("watch") };
}

const REFUSALS: readonly (readonly [string, Fault])[] = [
  ["410", { kind: "refuse", code: 410 }],
  ["429 with Retry-After", { kind: "refuse", code: 429, retryAfter: 1 }],
  ["500", { kind: "refuse", code: 500 }],
  ["503 with Retry-After", { kind: "refuse", code: 503, retryAfter: 1 }],
  ["504", { kind: "refuse", code: 504 }],
  ["a connection that breaks", { kind: "reset", when: "before" }],
  ["an answer that is lost", { kind: "reset", when: "after" }],
  ["half an answer", { kind: "reset", when: "half" }],
  ["an answer that is late", { kind: "delay", until: 300 }],
];

describe("the first listing", () => {
  it.each(REFUSALS)("comes through %s, twice", async (_, fault) => {
    const rule = faults.add(LIST, fault, 2);
    await follow();
    await agree();
    expect(rule.hits).toBe(2);
  });

  it("comes through a second page that has expired", async () => {
    for (let i = 0; i < 7; i += 1) await write();
    // The first page is served, the second is refused once.
    faults.add(LIST, { kind: "delay", until: 0 });
    const second = faults.add(LIST, { kind: "refuse", code: 410 });
    await follow();
    await agree();
    expect(second.hits).toBe(1);
  });
});

describe("a watch that cannot be opened", () => {
  it.each(REFUSALS.slice(0, 6))("for %s is opened again", async (_, fault) => {
    await follow();
    const rule = faults.add(WATCH, fault, 2);
    faults.cutWatches(WATCH, "reset");
    await vi.waitFor(() => expect(rule.hits).toBe(2), { timeout: 20_000 });
    await agree();
  });

  it("at once is opened late", async () => {
    await follow();
    faults.add(WATCH, { kind: "delay", until: 300 });
    faults.cutWatches(WATCH, "reset");
    await agree();
  });
});

describe("an open watch", () => {
  it.each(["end", "reset", "half"] as const)("that is cut (%s) goes on where it stopped", async (how) => {
    await follow();
    const { lists } = await readsDuring(async () => {
      expect(faults.cutWatches(WATCH, how)).toBe(1);
      await write();
      await watching();
    });
    expect(lists).toBe(0);
    await agree();
  });

  it("that is told of an old version lists again, once", async () => {
    await follow();
    const { lists } = await readsDuring(async () => {
      faults.cutWatches(WATCH, "expired");
      await events.until((event) => event.kind === "listed", 2);
      await watching();
    });
    // Eight objects at most, in pages of three.
    expect(lists).toBeLessThanOrEqual(3);
    await agree();
  });

  it("that is cut after each event loses none", async () => {
    await follow();
    const rule = faults.add(WATCH, { kind: "cut", afterEvents: 1, how: "half" }, 6);
    faults.cutWatches(WATCH, "reset");
    for (let i = 0; i < 3; i += 1) await agree();
    expect(rule.hits).toBeGreaterThan(2);
  });
});

describe("an old cache behind the same address", () => {
  it("is silent for a while, and then tells everything", async () => {
    await follow();
    faults.fallBehind(WATCH);
    faults.cutWatches(WATCH, "reset");
    await watching();
    await write();
    const name = `s-${serial}`;
    expect(informer.store.list().map((object) => object.metadata.name)).not.toContain(name);
    faults.catchUp(1);
    await vi.waitFor(() =>
      expect(informer.store.list().map((object) => object.metadata.name)).toContain(name),
    );
    faults.catchUp();
    await agree();
  });

  it("lists what was; what is follows from the first server", async () => {
    await follow();
    faults.fallBehind(READS, true);
    await write();
    faults.cutWatches(WATCH, "expired");
    await events.until((event) => event.kind === "listed", 2);
    await watching();
    faults.trustFirstServer();
    await agree();
  });
});

describe("a server that restarts", () => {
  it("is found again, with everything that was written meanwhile", async () => {
    await follow();
    await faults.stop();
    await events.until((event) => event.kind === "watchBroken", 2);
    await faults.start();
    await watching();
    await agree();
  });

  it("in the middle of a listing is listed from the beginning", async () => {
    let letGo = (): void => {};
    const until = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    for (let i = 0; i < 5; i += 1) await write();
    faults.add(LIST, { kind: "delay", until });
    running = informer.run(stop.signal);
    await vi.waitFor(() => expect(requests.some((request) => request.verb === "list")).toBe(true));
    await faults.stop();
    letGo();
    await faults.start();
    await informer.store.waitForSync();
    await watching();
    await agree();
  });
});

describe("a fault that stays", () => {
  const LASTING: readonly (readonly [string, Match, Fault])[] = [
    ["every watch is refused with 500", WATCH, { kind: "refuse", code: 500 }],
    ["every watch has expired at once", WATCH, { kind: "refuse", code: 410 }],
    ["every watch breaks", WATCH, { kind: "reset", when: "before" }],
    ["every watch ends at once", WATCH, { kind: "cut", afterEvents: 0, how: "end" }],
    ["every watch has expired once it stands", WATCH, { kind: "cut", afterEvents: 0, how: "expired" }],
    ["nothing can be listed or watched", READS, { kind: "refuse", code: 503 }],
    ["the server asks for a second, always", READS, { kind: "refuse", code: 429, retryAfter: 1 }],
  ];

  it.each(LASTING)("is no storm: %s", async (_, match, fault) => {
    await follow();
    const rule = faults.add(match, fault, Number.POSITIVE_INFINITY);
    faults.cutWatches(WATCH, "reset");
    const begun = performance.now();
    const { lists, watches } = await readsDuring(() =>
      vi.waitFor(() => expect(performance.now() - begun).toBeGreaterThan(1_500), {
        interval: 50,
        timeout: 10_000,
      }),
    );
    // Pauses of 50 to 100 ms that double: six attempts in a second and a half, each with at most three pages.
    expect(watches).toBeLessThanOrEqual(8);
    expect(lists).toBeLessThanOrEqual(24);
    rule.remove();
    await agree();
  });
});
