/** The conformance suite on the stub's Pico mode: OpenSC and the card with the hazards of the recordings. */

import { join } from "node:path";
import { openPkcs11Token } from "../../src/hsm/pkcs11/token.ts";
import { createPkcs11Client } from "../../src/hsm/store/record-store.ts";
import { makeStubToken, type StubProfile } from "../stub.ts";
import { hsmClientConformance } from "./conformance.ts";

for (const profile of ["opensc-0.27-pico", "opensc-0.23-pico"] satisfies StubProfile[]) {
  hsmClientConformance(profile, async () => {
    const token = await makeStubToken({ profile, setEnvironment: true });
    const opened = await openPkcs11Token({
      modulePath: token.modulePath,
      select: { serialNumber: token.serialNumber },
      pin: new TextEncoder().encode(token.pin),
      lockDirectory: join(token.folder, "locks"),
      stateDirectory: join(token.folder, "state"),
    });
    return { client: await createPkcs11Client(opened), dispose: token.dispose };
  });
}
