/** Opens a token and does nothing more: an open token that nobody asks anything keeps no process alive. */
import { openAt, placeFromArguments } from "./open.ts";

await openAt(placeFromArguments());
process.stdout.write("opened\n");
