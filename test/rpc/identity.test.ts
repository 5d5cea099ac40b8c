import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:net";
import { connect as tlsConnect } from "node:tls";
import { describe, expect, it } from "vitest";
import {
  createAuthority,
  issueAgentCertificate,
  issueManagerCertificate,
} from "../../src/rpc/certificates.ts";
import { TlsHolder } from "../../src/rpc/material.ts";
import { agentLeaf, authority, connect, IDENTITY, managerLeaf, material, startPair } from "./harness.ts";
import { INFO, stubClient } from "./stub-client.ts";

const DAY = 86_400_000;
const other = await createAuthority();

describe("a manager that proves who it is", () => {
  it("reaches the agent of its token", async () => {
    const { client } = await startPair(stubClient({}));
    expect(await client.info()).toEqual(INFO);
  });
});

describe("a caller that the agent refuses, with its sentence", () => {
  const refused = async (manager: ReturnType<typeof material>, sentence: string) => {
    let served = 0;
    const info = async () => {
      served += 1;
      return INFO;
    };
    const { client } = await startPair(stubClient({ info }), { manager });
    await expect(client.info()).rejects.toMatchObject({ class: "AuthFailed", message: sentence });
    expect(served).toBe(0);
  };

  it("of another authority", async () => {
    const leaf = await issueManagerCertificate(other);
    await refused(
      material(leaf, authority),
      "The client certificate is signed by an authority that is not trusted here.",
    );
  });

  it("whose certificate has expired", async () => {
    const now = () => Date.now() - 2 * DAY;
    const leaf = await issueManagerCertificate(authority, { now, lifetime: DAY });
    await refused(material(leaf), "The client certificate has expired.");
  });

  it("whose certificate is not valid yet", async () => {
    const leaf = await issueManagerCertificate(authority, { now: () => Date.now() + DAY });
    await refused(material(leaf), "The client certificate is not valid yet.");
  });

  it("with an agent's certificate", async () => {
    await refused(material(agentLeaf), "The client certificate was made for another purpose.");
  });

  it("with a client certificate of another name", async () => {
    const leaf = await issueManagerCertificate(authority, { name: "manager-of-others" });
    await refused(material(leaf), "The client certificate is not that of this agent's manager.");
  });

  it("with no certificate", async () => {
    const { server } = await startPair(stubClient({}));
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = tlsConnect({
        port: server.port,
        ca: authority.certificate,
        checkServerIdentity: () => undefined,
      });
      let text = "";
      socket.on("secureConnect", () => socket.write("POST /v1/info HTTP/1.1\r\nhost: x\r\n\r\n"));
      socket.on("data", (chunk) => {
        text += chunk.toString();
      });
      socket.on("error", reject);
      socket.on("close", () => resolve(text));
    });
    expect(answer).toMatch(/^HTTP\/1\.1 403 /);
    expect(answer).toContain("A client certificate is required.");
  });

  it("that speaks TLS 1.2", async () => {
    const { server } = await startPair(stubClient({}));
    const code = await new Promise<string | undefined>((resolve) => {
      const socket = tlsConnect({
        port: server.port,
        ca: authority.certificate,
        cert: managerLeaf.certificate,
        key: managerLeaf.key,
        maxVersion: "TLSv1.2",
        checkServerIdentity: () => undefined,
      });
      socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code));
      socket.on("secureConnect", () => resolve("connected"));
    });
    expect(code).toBe("ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION");
  });
});

describe("an agent that the manager refuses, with its sentence", () => {
  const refused = async (agent: ReturnType<typeof material>, sentence: RegExp) => {
    const { client } = await startPair(stubClient({}), { agent });
    await expect(client.info()).rejects.toMatchObject({
      class: "AuthFailed",
      message: expect.stringMatching(sentence),
    });
  };

  it("of another authority", async () => {
    const leaf = await issueAgentCertificate(other, IDENTITY);
    await refused(material(leaf), /^The certificate of the agent at .* signed by an authority that is not/);
  });

  it("of another token", async () => {
    const leaf = await issueAgentCertificate(authority, { ...IDENTITY, serialNumber: "TOKEN-2" });
    await refused(material(leaf), /^The certificate of the agent at .* is not that of token TOKEN-1/);
  });

  it("of another pool", async () => {
    const leaf = await issueAgentCertificate(authority, { ...IDENTITY, poolUid: "pool-uid-2" });
    await refused(material(leaf), /is not that of token TOKEN-1 in this pool/);
  });

  it("whose certificate has expired", async () => {
    const now = () => Date.now() - 2 * DAY;
    const leaf = await issueAgentCertificate(authority, { ...IDENTITY, now, lifetime: DAY });
    await refused(material(leaf), /^The certificate of the agent at .* has expired\.$/);
  });

  it("with a manager's certificate", async () => {
    await refused(material(managerLeaf), /^The certificate of the agent at .* was made for another purpose/);
  });
});

describe("certificates", () => {
  it("keep serial numbers of any characters apart", async () => {
    const serialNumber = "a:b, URI:urn:x/ö'*";
    const identity = { serialNumber, poolUid: "p:1" };
    const leaf = await issueAgentCertificate(authority, identity);
    const { client } = await startPair(stubClient({}), { agent: material(leaf), client: { identity } });
    expect(await client.info()).toEqual(INFO);
    const { client: wrong } = await startPair(stubClient({}), {
      agent: material(leaf),
      client: { identity: { serialNumber: "a", poolUid: "b, URI:urn:x/ö'*:p:1" } },
    });
    await expect(wrong.info()).rejects.toMatchObject({ class: "AuthFailed" });
  });

  it("are not taken with a key that is not theirs", () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    expect(() => new TlsHolder({ ...material(agentLeaf), key })).toThrow(
      "The TLS key does not belong to the certificate.",
    );
  });
});

describe("an agent that is away", () => {
  it("is gone and retryable, never absent", async () => {
    const probe = createServer();
    await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
    const address = probe.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await new Promise((resolve) => probe.close(resolve));
    const client = connect(port, new TlsHolder(material(managerLeaf)));
    await expect(client.read("secrets/a/b")).rejects.toMatchObject({
      class: "TokenGone",
      retryable: true,
      message: `The agent at 127.0.0.1:${port} cannot be reached (ECONNREFUSED).`,
    });
  });
});
