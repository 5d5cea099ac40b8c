/**
 * What the embedded API server bears: creations and updates of Secrets, events to ten watchers, and memory at 40,000
 * objects. The server is a process of its own with a data directory; this process is the load. Processor time is
 * that of both, the figure that a busy machine leaves alone.
 */
import { Agent, type RequestOptions, request } from "node:https";
import { round } from "./measure.ts";
import { ApiServerProcess } from "./runners/apiserver-process.ts";

const quick = process.env["HSM_BENCH_QUICK"] === "1";
const OBJECTS = quick ? 4_000 : 40_000;
const ONE_CONNECTION = quick ? 300 : 2_000;
const UPDATES = quick ? 1_000 : 8_000;
const WATCHED = quick ? 300 : 3_000;
const CONNECTIONS = 8;
const WATCHERS = 10;
const WARM_UP = quick ? 200 : 1_000;

interface Row {
  readonly operation: string;
  readonly connections: number;
  readonly count: number;
  readonly perSecond: number;
  /** Processor time of an operation, microseconds. */
  readonly clientMicroseconds: number;
  readonly serverMicroseconds: number;
}

/** A client as light as Node has one: what it costs is in every figure. */
class Client {
  readonly #server: ApiServerProcess;
  readonly #agent: Agent;
  readonly #base: RequestOptions;

  constructor(server: ApiServerProcess, connections: number) {
    this.#server = server;
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections, ca: server.ca });
    const { hostname, port } = new URL(server.url);
    this.#base = { hostname, port, agent: this.#agent };
  }

  send(method: string, path: string, expected: number, body: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const outgoing = request({ ...this.#base, method, path, headers: this.#headers(body) });
      outgoing.once("error", reject);
      outgoing.once("response", (response) => {
        response.resume();
        response.once("end", () => {
          if (response.statusCode === expected) resolve();
          else reject(new Error(`${method} ${path} answered ${response.statusCode}`));
        });
      });
      outgoing.end(body);
    });
  }

  /** Resolves when the watch stands; `onEvents` is told how many events a piece of the stream ended. */
  watch(path: string, onEvents: (count: number) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const outgoing = request({ ...this.#base, path, headers: this.#headers(undefined) });
      outgoing.on("error", reject);
      outgoing.once("response", (response) => {
        response.on("error", () => {});
        response.on("data", (chunk: Buffer) => {
          let count = 0;
          for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) count += 1;
          onEvents(count);
        });
        resolve();
      });
      outgoing.end();
    });
  }

  close(): void {
    this.#agent.destroy();
  }

  #headers(body: string | undefined): Record<string, string | number> {
    return {
      authorization: `Bearer ${this.#server.token}`,
      ...(body === undefined
        ? {}
        : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
    };
  }
}

const SECRETS = "/api/v1/namespaces/default/secrets";

function secret(name: string, round: number): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, labels: { app: "bench", round: String(round) } },
    type: "Opaque",
    data: {
      username: Buffer.from(name).toString("base64"),
      password: Buffer.alloc(300, round + 1).toString("base64"),
    },
  });
}

async function main(): Promise<void> {
  const server = await ApiServerProcess.start();
  const rows: Row[] = [];
  let made = 0;
  const creator = (client: Client) => (): Promise<void> => {
    made += 1;
    return client.send("POST", SECRETS, 201, secret(`s-${made}`, 0));
  };
  try {
    const one = new Client(server, 1);
    const eight = new Client(server, CONNECTIONS);
    await perform(CONNECTIONS, WARM_UP, creator(eight));
    rows.push(await measure(server, "create", 1, ONE_CONNECTION, creator(one)));
    rows.push(await measure(server, "create", CONNECTIONS, OBJECTS - made, creator(eight)));
    const memory = round(await server.residentMemory());
    let updated = 0;
    const update = (): Promise<void> => {
      updated += 1;
      const name = `s-${updated}`;
      return eight.send("PUT", `${SECRETS}/${name}`, 200, secret(name, 1));
    };
    rows.push(await measure(server, "update", CONNECTIONS, UPDATES, update));
    rows.push(await measureWatch(server, creator(eight)));
    for (const client of [one, eight]) client.close();
    report(rows, memory);
  } finally {
    await server.stop();
  }
}

async function perform(callers: number, count: number, operation: () => Promise<void>): Promise<void> {
  let left = count;
  const caller = async (): Promise<void> => {
    for (; left > 0; ) {
      left -= 1;
      await operation();
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
}

async function measure(
  server: ApiServerProcess,
  operation: string,
  connections: number,
  count: number,
  act: () => Promise<void>,
): Promise<Row> {
  return timed(server, operation, connections, count, () => perform(connections, count, act));
}

async function timed(
  server: ApiServerProcess,
  operation: string,
  connections: number,
  count: number,
  run: () => Promise<void>,
): Promise<Row> {
  const serverBefore = await server.cpu();
  const clientBefore = process.cpuUsage();
  const begun = process.hrtime.bigint();
  await run();
  const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
  const { user, system } = process.cpuUsage(clientBefore);
  return {
    operation,
    connections,
    count,
    perSecond: Math.round(count / seconds),
    clientMicroseconds: round((user + system) / count),
    serverMicroseconds: round(((await server.cpu()) - serverBefore) / count),
  };
}

/** Events that reach ten watchers while Secrets are created: the creations are part of the time. */
async function measureWatch(server: ApiServerProcess, create: () => Promise<void>): Promise<Row> {
  const watcher = new Client(server, WATCHERS);
  const events = WATCHED * WATCHERS;
  let seen = 0;
  let all: () => void = () => {};
  const done = new Promise<void>((resolve) => {
    all = resolve;
  });
  const onEvents = (count: number): void => {
    seen += count;
    if (seen >= events) all();
  };
  const path = `${SECRETS}?watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan`;
  await Promise.all(Array.from({ length: WATCHERS }, () => watcher.watch(path, onEvents)));
  const row = await timed(server, "watch events", WATCHERS, events, async () => {
    await Promise.all([perform(CONNECTIONS, WATCHED, create), done]);
  });
  watcher.close();
  return row;
}

function report(rows: readonly Row[], memory: number): void {
  for (const row of rows) {
    const name = `${row.operation}, ${row.connections} connections`.padEnd(32);
    process.stdout.write(
      `${name}${String(row.perSecond).padStart(7)} a second, processor time each: load ${row.clientMicroseconds} us, server ${row.serverMicroseconds} us\n`,
    );
  }
  process.stdout.write(`${memory} MiB resident at ${OBJECTS} objects\n`);
  const ratios = {
    creates_per_s_8: rows.find((row) => row.operation === "create" && row.connections === CONNECTIONS)
      ?.perSecond,
    watch_events_per_s: rows.find((row) => row.operation === "watch events")?.perSecond,
    [`rss_mib_${OBJECTS}`]: memory,
  };
  process.stdout.write(`${JSON.stringify({ bench: "apiserver", ratios, rows })}\n`);
}

await main();
