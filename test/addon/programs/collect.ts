/** Forgets an open token, collects garbage, and opens it again. Needs --expose-gc. */
import { isHsmError } from "../../../src/hsm/errors.ts";
import { openAt, placeFromArguments } from "./open.ts";

const place = placeFromArguments();
const collect = globalThis.gc;
if (collect === undefined) throw new Error("--expose-gc is missing");

async function openAndForget(): Promise<void> {
  const token = await openAt(place);
  await token.list();
}

await openAndForget();
const deadline = Date.now() + 10_000;
for (;;) {
  collect();
  try {
    const again = await openAt(place);
    await again.close();
    process.stdout.write("opened again\n");
    break;
  } catch (error) {
    if (!isHsmError(error, "Busy") || Date.now() > deadline) throw error;
  }
}
