/** Opens a token with the PIN on standard input, says what came of it, and ends. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { HsmError } from "../../src/hsm/errors.ts";
import { openPkcs11Token } from "../../src/hsm/pkcs11/token.ts";

const place = JSON.parse(process.argv[2] ?? "") as Record<"modulePath" | "serialNumber" | "folder", string>;
try {
  const token = await openPkcs11Token({
    modulePath: place.modulePath,
    select: { serialNumber: place.serialNumber },
    pin: readFileSync(0),
    deviceType: "PicoHSM",
    lockDirectory: join(place.folder, "locks"),
    stateDirectory: join(place.folder, "state"),
  });
  await token.close();
  process.stdout.write("open\n");
} catch (error) {
  process.stdout.write(`${error instanceof HsmError ? error.class : String(error)}\n`);
}
