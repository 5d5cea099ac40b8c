import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { secret } from "../../test/kube/scripted-server.ts";
import type { Secret } from "./resources.ts";
import { ObjectStore, type StoreChange } from "./store.ts";

function setUp(scopes?: readonly string[]) {
  const changes: StoreChange<Secret>[] = [];
  const store = new ObjectStore<Secret>({
    scopes,
    indexes: { byKey: (object) => Object.keys(object.data ?? {}) },
  });
  store.onChange((change) => changes.push(change));
  const shown = (key = "shop/db") => store.get(key)?.metadata.resourceVersion;
  const told = () => changes.splice(0).map((change) => `${change.type} ${change.object.metadata.uid}`);
  return { store, shown, told };
}

describe("store", () => {
  it("tells what a listing changed: new, changed, gone, and replaced under the same name", () => {
    const { store, told } = setUp();
    store.replace("", [secret("a", 1), secret("b", 2), secret("c", 3, "old")], "5");
    told();
    store.replace("", [secret("a", 1), secret("b", 7), secret("c", 8, "new"), secret("d", 9)], "9");
    expect(told()).toEqual(["updated uid-b", "deleted old", "added new", "added uid-d"]);
    store.replace("", [], "10");
    expect(told().sort()).toEqual(["deleted new", "deleted uid-a", "deleted uid-b", "deleted uid-d"]);
    expect(store.size).toBe(0);
  });

  it("hands out objects that nobody can change", () => {
    const { store } = setUp();
    store.upsert("", secret("db", 1, "u", { a: "MQ==" }));
    const object = store.get("shop/db") as unknown as { data: Record<string, string> };
    expect(() => {
      object.data["a"] = "Mg==";
    }).toThrow(TypeError);
  });

  it("finds objects by index, also after they changed or went", () => {
    const { store } = setUp();
    const names = (value: string) => store.byIndex("byKey", value).map((object) => object.metadata.name);
    store.upsert("", secret("a", 1, "a", { x: "", y: "" }));
    store.upsert("", secret("b", 2, "b", { x: "" }));
    expect(names("x")).toEqual(["a", "b"]);
    store.upsert("", secret("a", 3, "a", { y: "" }));
    expect([names("x"), names("y")]).toEqual([["b"], ["a"]]);
    store.remove("", secret("b", 4, "b"));
    expect(names("x")).toEqual([]);
    expect(() => store.byIndex("nothing", "x")).toThrow("no index nothing");
  });

  it("shows an own write at once and takes no older event or listing for it", () => {
    const { store, shown, told } = setUp();
    store.replace("", [secret("db", 5)], "5");
    store.observeWrite(secret("db", 8));
    told();
    store.upsert("", secret("db", 6));
    store.replace("", [secret("db", 7)], "7");
    store.upsert("", secret("db", 8));
    expect([shown(), told()]).toEqual(["8", []]);
    store.upsert("", secret("db", 9));
    expect([shown(), told()]).toEqual(["9", ["updated uid-db"]]);
  });

  it("keeps an own new object that a listing made before cannot have", () => {
    const { store, shown } = setUp();
    store.replace("", [], "5");
    store.observeWrite(secret("db", 8));
    store.replace("", [], "7");
    expect(shown()).toBe("8");
    store.replace("", [], "9");
    expect(shown()).toBeUndefined();
  });

  it("does not bring back what the watch saw go before the answer to our last write came", () => {
    const { store, shown } = setUp();
    store.replace("", [secret("db", 5)], "5");
    store.remove("", secret("db", 9)); // Our patch at version 8 took the last finalizer off.
    store.observeWrite(secret("db", 8));
    expect(shown()).toBeUndefined();
    store.upsert("", secret("db", 12, "next"));
    store.observeWrite(secret("db", 8));
    expect(shown()).toBe("12");
  });

  it("does not show a deleted object again for a late event or listing, but shows its successor", () => {
    const { store, shown, told } = setUp();
    store.replace("", [secret("db", 5)], "5");
    told();
    store.observeDelete(secret("db", 5));
    store.upsert("", secret("db", 6));
    store.replace("", [secret("db", 6)], "6");
    expect([shown(), told()]).toEqual([undefined, ["deleted uid-db"]]);
    store.remove("", secret("db", 7));
    store.upsert("", secret("db", 8, "next"));
    expect([shown(), told()]).toEqual(["8", ["added next"]]);
  });

  it("is synced when every namespace was listed, and a listing of one leaves the others alone", async () => {
    const { store } = setUp(["shop", "web"]);
    const waited: string[] = [];
    const synced = store.waitForSync().then(() => waited.push("synced"));
    store.replace("shop", [secret("db", 1)], "1");
    await Promise.resolve();
    expect([store.synced, waited]).toEqual([false, []]);
    store.replace("web", [], "2");
    await synced;
    expect(store.list()).toHaveLength(1);
    store.replace("shop", [], "3");
    expect(store.list()).toHaveLength(0);
  });

  it("waits until a version was seen: in the object, or because the watch is past it", async () => {
    const { store } = setUp();
    store.replace("", [secret("db", 5)], "5");
    await store.waitFor("shop/db", "5");
    const newer = store.waitFor("shop/db", "7");
    store.upsert("", secret("db", 8));
    await newer;
    const passed = store.waitFor("shop/other", "20");
    store.progress("", "21");
    await passed;
    const stop = new AbortController();
    const never = store.waitFor("shop/db", "99", stop.signal);
    stop.abort(new Error("enough"));
    await expect(never).rejects.toThrow("enough");
  });

  it("goes on when a listener throws", () => {
    const errors: unknown[] = [];
    const store = new ObjectStore<Secret>({ onListenerError: (error) => errors.push(error) });
    const seen: string[] = [];
    store.onChange(() => {
      throw new Error("mine");
    });
    store.onChange((change) => seen.push(change.type));
    store.upsert("", secret("db", 1));
    expect([seen, errors]).toEqual([["added"], [new Error("mine")]]);
  });

  it("ends where the server is, and never goes back, however late answers and events come", () => {
    const names = ["a", "b"] as const;
    const step = fc.oneof(
      fc.record({ do: fc.constant("write" as const), name: fc.constantFrom(...names), ours: fc.boolean() }),
      fc.record({ do: fc.constant("delete" as const), name: fc.constantFrom(...names), ours: fc.boolean() }),
      fc.constant({ do: "event" as const }),
      fc.constant({ do: "answer" as const }),
      fc.constant({ do: "list" as const }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const { store } = setUp();
        const live = new Map<string, Secret>();
        const events: { type: string; object: Secret }[] = [];
        const answers: (() => void)[] = [];
        let version = 1;
        let serial = 0;
        store.replace("", [], "1");
        const newest = new Map<string, number>();
        store.onChange((change) => {
          if (change.type === "deleted") return;
          const { name, resourceVersion } = change.object.metadata;
          expect(Number(resourceVersion)).toBeGreaterThan(newest.get(name) ?? 0);
          newest.set(name, Number(resourceVersion));
        });
        const deliver = () => {
          const event = events.shift();
          if (event?.type === "DELETED") store.remove("", event.object);
          else if (event !== undefined) store.upsert("", event.object);
        };
        for (const action of steps) {
          if (action.do === "write") {
            version += 1;
            const uid = live.get(action.name)?.metadata.uid ?? `u${serial++}`;
            const object = secret(action.name, version, uid);
            events.push({ type: live.has(action.name) ? "MODIFIED" : "ADDED", object });
            live.set(action.name, object);
            if (action.ours) answers.push(() => store.observeWrite(structuredClone(object)));
          } else if (action.do === "delete") {
            const object = live.get(action.name);
            if (object === undefined) continue;
            version += 1;
            live.delete(action.name);
            events.push({ type: "DELETED", object: secret(action.name, version, object.metadata.uid) });
            if (action.ours) answers.push(() => store.observeDelete(object));
          } else if (action.do === "event") deliver();
          else if (action.do === "answer") answers.shift()?.();
          else {
            store.replace(
              "",
              [...live.values()].map((object) => structuredClone(object)),
              String(version),
            );
            events.length = 0;
          }
        }
        // Answers always come before the key is reconciled again; events at some time.
        for (const answer of answers) answer();
        while (events.length > 0) deliver();
        const shown = store
          .list()
          .map((object) => `${object.metadata.uid} ${object.metadata.resourceVersion}`);
        const real = [...live.values()].map(
          (object) => `${object.metadata.uid} ${object.metadata.resourceVersion}`,
        );
        expect(shown.sort()).toEqual(real.sort());
      }),
      { numRuns: 500 },
    );
  });
});
