/** A worker thread with an environment of its own: opens, reads, and closes or stays open when it is ended. */
import { parentPort, workerData } from "node:worker_threads";
import { HsmError } from "../../../src/hsm/errors.ts";
import { openAt, type TokenPlace } from "./open.ts";

const { place, thenStay } = workerData as { place: TokenPlace; thenStay: boolean };
try {
  const token = await openAt(place);
  const { objects } = await token.list();
  parentPort?.postMessage({ objects: objects.length });
  if (thenStay) {
    // Ended from outside, with requests under way.
    for (;;) await token.refresh();
  }
  await token.close();
} catch (error) {
  parentPort?.postMessage({ failed: error instanceof HsmError ? error.class : String(error) });
}
