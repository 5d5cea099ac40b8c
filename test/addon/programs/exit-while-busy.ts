/** Exits in the middle of writes and reads that nobody waits for; argument two says how. */
import { openAt, placeFromArguments } from "./open.ts";

const how = process.argv[3];
const token = await openAt(placeFromArguments());
const value = new Uint8Array(1000).fill(1);
let written = 0;
for (let i = 0; i < 200; i += 1) {
  const writing = token.apply([{ kind: "create", label: `busy/${i}`, application: "app", value }]);
  writing.then(
    () => {
      written += 1;
      if (written === 3 && how === "exit") process.exit(7);
      if (written === 3 && how === "throw") throw new Error("in the middle");
    },
    () => undefined,
  );
}
