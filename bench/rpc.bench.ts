/**
 * What a call from manager to agent costs: reading a secret of 1 KiB over mutual TLS, beside a bare node:https server
 * and undici Pool that pass the same bytes over the same TLS, in alternating turns of one run. The servers are a
 * process of their own, the callers this one; processor time is that of both.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Pool } from "undici";
import { createAuthority, issueAgentCertificate, issueManagerCertificate } from "../src/rpc/certificates.ts";
import { AgentClient } from "../src/rpc/client.ts";
import { TlsHolder } from "../src/rpc/material.ts";
import { quantile, round } from "./measure.ts";
import type { RpcServerStart } from "./runners/rpc-server.ts";

const quick = process.env["HSM_BENCH_QUICK"] === "1";
const ROUNDS = quick ? 3 : 9;
const CALLS_A_TURN: Readonly<Record<number, number>> = quick
  ? { 1: 300, 32: 2_000 }
  : { 1: 1_000, 32: 6_000 };
const IDENTITY = { serialNumber: "BENCH", poolUid: "bench" };
const PATH = "secrets/bench/db";
const CONNECTIONS = 8;

interface Turn {
  readonly perSecond: number;
  /** Microseconds of processor time a call. */
  readonly client: number;
  readonly server: number;
}

interface Row {
  readonly through: string;
  readonly callers: number;
  readonly perSecond: number;
  readonly clientMicroseconds: number;
  readonly serverMicroseconds: number;
}

type Call = () => Promise<unknown>;

async function main(): Promise<void> {
  const authority = await createAuthority();
  const authorities = authority.certificate;
  const manager = { ...(await issueManagerCertificate(authority)), authorities };
  const start: RpcServerStart = {
    material: { ...(await issueAgentCertificate(authority, IDENTITY)), authorities },
    serialNumber: IDENTITY.serialNumber,
    path: PATH,
  };
  const server = fork(fileURLToPath(new URL("runners/rpc-server.ts", import.meta.url)), {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const ports = (await ask(server, start)) as { readonly agent: number; readonly bare: number };
  const client = new AgentClient({
    address: `127.0.0.1:${ports.agent}`,
    identity: IDENTITY,
    tls: new TlsHolder(manager),
  });
  const connect = { cert: manager.certificate, key: manager.key, ca: authorities, rejectUnauthorized: true };
  const poolOf = (port: number) =>
    new Pool(`https://127.0.0.1:${port}`, {
      connections: CONNECTIONS,
      pipelining: 1,
      keepAliveTimeout: 60_000,
      connect: { ...connect, checkServerIdentity: () => undefined },
    });
  const toAgent = poolOf(ports.agent);
  const toBare = poolOf(ports.bare);
  try {
    const question = JSON.stringify({ path: PATH });
    await ask(server, { answer: await post(toAgent, "/v1/read", question) });
    const calls: Readonly<Record<string, Call>> = {
      bare: async () => post(toBare, "/echo", question),
      rpc: async () => client.read(PATH),
    };
    const turns = new Map<string, Turn[]>();
    for (let at = 0; at <= ROUNDS; at += 1) {
      for (const callers of [1, 32]) {
        for (const [through, call] of Object.entries(calls)) {
          const turn = await measure(server, call, callers, CALLS_A_TURN[callers] ?? 0);
          const key = `${through} ${callers}`;
          // The first round warms up.
          if (at > 0) turns.set(key, [...(turns.get(key) ?? []), turn]);
        }
      }
    }
    const mock = round((await ask(server, "mock")) as number);
    report(turns, mock);
  } finally {
    await Promise.all([client.close(), toAgent.destroy(), toBare.destroy()]);
    server.send("close");
    await once(server, "exit");
  }
}

async function ask(server: ChildProcess, message: RpcServerStart | { answer: string } | string) {
  const answered = once(server, "message");
  server.send(message);
  const [answer] = (await answered) as [unknown];
  return answer;
}

async function post(pool: Pool, path: string, body: string): Promise<string> {
  const headers = { "content-type": "application/json" };
  const response = await pool.request({ method: "POST", path, headers, body });
  if (response.statusCode !== 200) throw new Error(`answered ${response.statusCode}`);
  return response.body.text();
}

async function measure(server: ChildProcess, call: Call, callers: number, count: number): Promise<Turn> {
  const serverBefore = (await ask(server, "cpu")) as NodeJS.CpuUsage;
  const clientBefore = process.cpuUsage();
  const begun = process.hrtime.bigint();
  let left = count;
  const caller = async (): Promise<void> => {
    for (; left > 0; ) {
      left -= 1;
      await call();
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
  const clientAfter = process.cpuUsage(clientBefore);
  const serverAfter = (await ask(server, "cpu")) as NodeJS.CpuUsage;
  return {
    perSecond: count / seconds,
    client: (clientAfter.user + clientAfter.system) / count,
    server: (serverAfter.user - serverBefore.user + serverAfter.system - serverBefore.system) / count,
  };
}

function report(turns: ReadonlyMap<string, readonly Turn[]>, mock: number): void {
  const rows = [...turns].map(([key, list]): Row => {
    const [through = "", callers = ""] = key.split(" ");
    const median = (pick: (turn: Turn) => number) => quantile(list.map(pick), 0.5);
    return {
      through,
      callers: Number(callers),
      perSecond: Math.round(median((turn) => turn.perSecond)),
      clientMicroseconds: round(median((turn) => turn.client)),
      serverMicroseconds: round(median((turn) => turn.server)),
    };
  });
  for (const row of rows) {
    process.stdout.write(
      `${row.through.padEnd(5)} ${String(row.callers).padStart(3)} callers ${String(row.perSecond).padStart(7)} a second, processor time a call: client ${row.clientMicroseconds} us, server ${row.serverMicroseconds} us\n`,
    );
  }
  process.stdout.write(`the mock alone: ${mock} us a read\n`);
  const ratios = { rpc_vs_bare_32: versus(turns, 32), rpc_vs_bare_1: versus(turns, 1) };
  process.stdout.write(`${JSON.stringify({ bench: "rpc", ratios, mockMicroseconds: mock, rows })}\n`);
}

/** Processor time of a call against that of the bare echo: the median over the turns, each beside the other's. */
function versus(turns: ReadonlyMap<string, readonly Turn[]>, callers: number): number {
  const bare = turns.get(`bare ${callers}`) ?? [];
  const ratios = (turns.get(`rpc ${callers}`) ?? []).map((turn, i) => {
    const beside = bare[i];
    return beside === undefined ? Number.NaN : (turn.client + turn.server) / (beside.client + beside.server);
  });
  return round(quantile(ratios, 0.5));
}

await main();
