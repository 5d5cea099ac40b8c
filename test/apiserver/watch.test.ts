/** Lists and watches: pages, selectors, revisions of the past, bookmarks. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Client, startClient, type WatchEvent } from "./client.ts";

let client: Client;
const maps = "/api/v1/namespaces/lab/configmaps";
const merge = { "content-type": "application/merge-patch+json" };
const types = (events: readonly WatchEvent[]): string[] =>
  events.map(({ type, object }) => `${type} ${object.metadata?.name ?? ""}`.trim());

beforeAll(async () => {
  client = await startClient();
  await client.call("POST", "/api/v1/namespaces", { metadata: { name: "lab" } });
});
afterAll(() => client.close());

async function revision(): Promise<string> {
  return (await client.call("GET", maps)).body.metadata?.resourceVersion ?? "";
}

describe("watches", () => {
  test("an object that enters and leaves the selection comes as ADDED and DELETED", async () => {
    const since = await revision();
    await client.call("POST", maps, { metadata: { name: "moving", labels: { app: "y" } } });
    for (const app of ["x", "z"]) {
      await client.call("PATCH", `${maps}/moving`, { metadata: { labels: { app } } }, merge);
    }
    const path = `${maps}?watch=1&labelSelector=app%3Dx&resourceVersion=${since}`;
    const events = await client.watch(path, (seen) => seen.length === 2);
    expect(types(events)).toEqual(["ADDED moving", "DELETED moving"]);
    expect(events[1]?.object.metadata).toMatchObject({ labels: { app: "x" } });
  });

  test("sendInitialEvents ends with the bookmark that says so, then changes follow", async () => {
    await client.call("POST", maps, { metadata: { name: "first" } });
    const path = `${maps}?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan`;
    let asked = false;
    const events = await client.watch(path, (seen) => {
      const marked = seen.some(({ type }) => type === "BOOKMARK");
      if (marked && !asked) {
        asked = true;
        void client.call("POST", maps, { metadata: { name: "second" } });
      }
      return types(seen).includes("ADDED second");
    });
    const bookmark = events.findIndex(({ type }) => type === "BOOKMARK");
    expect(events[bookmark]?.object.metadata).toMatchObject({
      annotations: { "k8s.io/initial-events-end": "true" },
    });
    expect(types(events.slice(0, bookmark))).toContain("ADDED first");
    expect(types(events.slice(bookmark + 1))).toEqual(["ADDED second"]);
  });

  test("a watch from forgotten history is one ERROR event with 410, then the end", async () => {
    const since = await revision();
    await client.call("POST", maps, { metadata: { name: "later" } });
    client.server.forgetHistory();
    const events = await client.watch(`${maps}?watch=1&resourceVersion=${since}`, () => false);
    expect(events).toMatchObject([{ type: "ERROR", object: { code: 410, reason: "Expired" } }]);
  });

  test("taking the last finalizer off is DELETED alone", async () => {
    await client.call("POST", maps, { metadata: { name: "fin", finalizers: ["x.io/f"] } });
    await client.call("DELETE", `${maps}/fin`);
    const since = await revision();
    await client.call("PATCH", `${maps}/fin`, { metadata: { finalizers: null } }, merge);
    const path = `${maps}?watch=1&timeoutSeconds=1&resourceVersion=${since}`;
    expect(types(await client.watch(path, () => false))).toEqual(["DELETED fin"]);
  });
});

describe("lists", () => {
  test("pages show the state of the first page, whatever changes between them", async () => {
    const pods = "/api/v1/namespaces/default/configmaps";
    for (const name of ["p1", "p2", "p3"]) {
      await client.call("POST", pods, { metadata: { name, labels: { page: "yes" } } });
    }
    const first = await client.call("GET", `${pods}?limit=2&labelSelector=page`);
    await client.call("DELETE", `${pods}/p3`);
    await client.call("POST", pods, { metadata: { name: "p4", labels: { page: "yes" } } });
    const token = encodeURIComponent(first.body.metadata?.continue ?? "");
    const second = await client.call("GET", `${pods}?limit=2&labelSelector=page&continue=${token}`);
    const names = [...(first.body.items ?? []), ...(second.body.items ?? [])].map(
      (item) => item.metadata.name,
    );
    expect(names).toEqual(["p1", "p2", "p3"]);
  });

  test("a list at an exact revision shows the past, and 410 when that is forgotten", async () => {
    const path = "/api/v1/namespaces/default/secrets";
    await client.call("POST", path, { metadata: { name: "then" } });
    const past = (await client.call("GET", path)).body.metadata?.resourceVersion;
    await client.call("DELETE", `${path}/then`);
    const exact = `${path}?resourceVersionMatch=Exact&resourceVersion=${past}`;
    expect((await client.call("GET", exact)).body.items?.map((item) => item.metadata.name)).toEqual(["then"]);
    client.server.forgetHistory();
    expect(await client.call("GET", exact)).toMatchObject({ status: 410, body: { reason: "Expired" } });
  });
});
