/** Through the addon: the bare object by its id, and the secret by its path. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { serve } from "./serve.ts";
import { openStore, placeFrom, secretOperations } from "./store.ts";

const place = placeFrom(process.argv.slice(2));
const { token, client } = await openStore(place);
const secrets = await secretOperations(client, place.serialNumber);
const ids = (await token.list()).objects.map(({ id }) => id);
const value = new Uint8Array(1024).fill(1);
const made: number[] = [];
let at = 0;

async function rawRead(): Promise<void> {
  const [outcome] = await token.read([ids[at++ % ids.length] ?? -1]);
  if (outcome === undefined || "error" in outcome) throw new Error("an object is missing");
}

async function rawCreate(): Promise<void> {
  const label = `bench/raw/${made.length}`;
  const [outcome] = await token.apply([{ kind: "create", label, application: "bench", value }]);
  if (outcome?.kind !== "created") throw new Error("not created");
  made.push(outcome.id);
}

async function rawDestroy(): Promise<void> {
  const [outcome] = await token.apply([{ kind: "destroy", id: made.pop() ?? -1 }]);
  if (outcome?.kind !== "destroyed") throw new Error("not destroyed");
}

/** The event loop's delay at p99.9 in milliseconds, while `work` is repeated for so long. */
async function loopDelay(milliseconds: number, work: () => Promise<unknown>): Promise<number[]> {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  const end = Date.now() + milliseconds;
  histogram.enable();
  while (Date.now() < end) await work();
  histogram.disable();
  return [histogram.percentile(99.9) / 1e6];
}

async function everything(): Promise<void> {
  await Promise.all([...Array.from({ length: 20 }, () => secrets.read()), rawCreate(), secrets.list()]);
  await rawDestroy();
}

await serve(
  { ...secrets, raw_read: rawRead, raw_create: rawCreate, raw_destroy: rawDestroy },
  {
    loop_idle: (milliseconds: number) => loopDelay(milliseconds, () => sleep(20)),
    loop_busy: (milliseconds: number) => loopDelay(milliseconds, everything),
  },
);
await client.close();
