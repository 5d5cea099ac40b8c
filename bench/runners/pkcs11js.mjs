/** The npm package pkcs11js, as programs use it: a secret is searched by its label, then read. */
import { readFileSync } from "node:fs";
import pkcs11js from "pkcs11js";
import { serve } from "./serve.ts";

const [modulePath, serialNumber, pinFile] = process.argv.slice(2);
const library = new pkcs11js.PKCS11();
library.load(modulePath);
library.C_Initialize();
const slot = library
  .C_GetSlotList(true)
  .find((candidate) => library.C_GetTokenInfo(candidate).serialNumber.trim() === serialNumber);
const session = library.C_OpenSession(slot, pkcs11js.CKF_SERIAL_SESSION | pkcs11js.CKF_RW_SESSION);
library.C_Login(session, pkcs11js.CKU_USER, readFileSync(pinFile, "utf8"));

function find(template) {
  library.C_FindObjectsInit(session, template);
  const found = [];
  for (;;) {
    const batch = library.C_FindObjects(session, 256);
    if (batch.length === 0) break;
    found.push(...batch);
  }
  library.C_FindObjectsFinal(session);
  return found;
}

function names(handle) {
  return library.C_GetAttributeValue(session, handle, [
    { type: pkcs11js.CKA_LABEL },
    { type: pkcs11js.CKA_APPLICATION },
  ]);
}

const labels = find([{ type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_DATA }]).map((handle) =>
  names(handle)[0].value.toString(),
);
const made = [];
let at = 0;

await serve({
  read() {
    const label = labels[at++ % labels.length];
    const [handle] = find([
      { type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_DATA },
      { type: pkcs11js.CKA_LABEL, value: label },
    ]);
    library.C_GetAttributeValue(session, handle, [{ type: pkcs11js.CKA_VALUE }]);
  },
  list() {
    for (const handle of find([{ type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_DATA }])) names(handle);
  },
  create() {
    made.push(
      library.C_CreateObject(session, [
        { type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_DATA },
        { type: pkcs11js.CKA_TOKEN, value: true },
        { type: pkcs11js.CKA_PRIVATE, value: true },
        { type: pkcs11js.CKA_LABEL, value: `bench/js/${made.length}` },
        { type: pkcs11js.CKA_APPLICATION, value: "bench" },
        { type: pkcs11js.CKA_VALUE, value: Buffer.alloc(1024, "v") },
      ]),
    );
  },
  destroy() {
    library.C_DestroyObject(session, made.pop());
  },
});
