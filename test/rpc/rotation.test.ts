import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  createAuthority,
  issueAgentCertificate,
  issueManagerCertificate,
} from "../../src/rpc/certificates.ts";
import { type TlsMaterial, type TlsSource, tlsFromFiles } from "../../src/rpc/material.ts";
import { agentLeaf, authority, IDENTITY, managerLeaf, material, startPair } from "./harness.ts";
import { INFO, stubClient } from "./stub-client.ts";

const next = await createAuthority();

describe("rotation under load", () => {
  it("of both leaves and the authority refuses no call, and the old authority is out at the end", async () => {
    const { client, agentTls, managerTls, server } = await startPair(stubClient({}));
    let stop = false;
    let calls = 0;
    const refused: unknown[] = [];
    const caller = async (): Promise<void> => {
      while (!stop) {
        await client.info().then(
          () => {
            calls += 1;
          },
          (error: unknown) => refused.push(error),
        );
      }
    };
    const load = Array.from({ length: 16 }, caller);
    const pass = async (): Promise<void> => {
      const until = calls + 60;
      await vi.waitUntil(() => calls >= until, { timeout: 10_000, interval: 5 });
    };
    await pass();
    // New leaves of the same authority.
    agentTls.set(material(await issueAgentCertificate(authority, IDENTITY)));
    await pass();
    managerTls.set(material(await issueManagerCertificate(authority)));
    await pass();
    // A new authority: first both trust both, then the leaves change, then the old one goes.
    agentTls.set({ ...agentTls.current(), ...material(agentLeaf, authority, next) });
    await pass();
    managerTls.set({ ...managerTls.current(), ...material(managerLeaf, next, authority) });
    await pass();
    const newAgentLeaf = await issueAgentCertificate(next, IDENTITY);
    agentTls.set(material(newAgentLeaf, authority, next));
    await pass();
    const newManagerLeaf = await issueManagerCertificate(next);
    managerTls.set(material(newManagerLeaf, authority, next));
    await pass();
    agentTls.set(material(newAgentLeaf, next));
    await pass();
    managerTls.set(material(newManagerLeaf, next));
    await pass();
    stop = true;
    await Promise.all(load);
    expect(refused).toEqual([]);

    managerTls.set(material(managerLeaf, authority, next));
    await expect(client.info()).rejects.toMatchObject({
      class: "AuthFailed",
      message: "The client certificate is signed by an authority that is not trusted here.",
    });
    expect(server.port).toBeGreaterThan(0);
  });

  it("cuts a connection whose authority is no longer trusted", async () => {
    let release: () => void = () => {};
    let entered: () => void = () => {};
    const inside = new Promise<void>((resolve) => {
      entered = resolve;
    });
    const info = async () => {
      entered();
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return INFO;
    };
    const { client, agentTls } = await startPair(stubClient({ info }));
    const call = client.info();
    const outcome = call.catch((error: unknown) => error);
    await inside;
    agentTls.set(material(await issueAgentCertificate(next, IDENTITY), next));
    release();
    // Cut, tried again, and the manager does not know the new authority either.
    expect(await outcome).toMatchObject({ class: "AuthFailed" });
  });
});

describe("certificates in files", () => {
  const opened: TlsSource[] = [];
  const folders: string[] = [];
  afterEach(async () => {
    for (const source of opened.splice(0)) source.close();
    for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
  });

  async function write(folder: string, parts: Partial<TlsMaterial>): Promise<void> {
    for (const [name, text] of Object.entries(parts)) await writeFile(join(folder, `${name}.pem`), text);
  }

  async function open(folder: string, problems: string[] = []): Promise<TlsSource> {
    const files = {
      certificate: join(folder, "certificate.pem"),
      key: join(folder, "key.pem"),
      authorities: join(folder, "authorities.pem"),
    };
    const source = await tlsFromFiles(files, {
      settle: 5,
      rescan: 50,
      onProblem: (sentence) => problems.push(sentence),
    });
    opened.push(source);
    return source;
  }

  it("are taken over when all parts fit together, and not before", async () => {
    const folder = await mkdtemp(join(tmpdir(), "hsm-tls-"));
    folders.push(folder);
    const first = material(agentLeaf);
    await write(folder, first);
    const problems: string[] = [];
    const source = await open(folder, problems);
    const second = material(await issueAgentCertificate(authority, IDENTITY));
    await write(folder, { certificate: second.certificate });
    await vi.waitUntil(() => problems.length > 0);
    expect(problems).toEqual(["The TLS key does not belong to the certificate."]);
    expect(source.current()).toEqual(first);
    const changed = new Promise<TlsMaterial>((resolve) => source.onChange(resolve));
    await write(folder, { key: second.key });
    expect(await changed).toEqual(second);
  });

  it("that are missing are named", async () => {
    const folder = await mkdtemp(join(tmpdir(), "hsm-tls-"));
    folders.push(folder);
    await expect(open(folder)).rejects.toThrow(
      `The file ${join(folder, "certificate.pem")} cannot be read (ENOENT).`,
    );
  });
});
