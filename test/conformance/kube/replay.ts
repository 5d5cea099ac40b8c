/** Plays the stories of a recording against a server and says where the answers differ. */

import { readFileSync } from "node:fs";
import { type Answer, compareAnswer, compareJson } from "./compare.ts";
import { runKubectl } from "./kubectl-run.ts";
import { Bindings } from "./placeholders.ts";
import { type Action, PREPARATIONS } from "./preparations.ts";
import {
  type Exchange,
  type Json,
  keptOf,
  namespacesOf,
  type RecordedRequest,
  type Story,
} from "./recording.ts";
import { type Call, type OpenWatch, send, type Target, watch } from "./server.ts";

export interface ExchangeResult {
  readonly id: string;
  readonly story: string;
  readonly step: string;
  /** Empty when the answer is the recorded one. */
  readonly differences: readonly string[];
}

/** How long a watch waits for events that do not come. */
const QUIET_MS = 400;
const EVENT_WAIT_MS = 3000;
/** How long a read waits for what controllers do. */
const CONTROLLERS_MS = 3000;
/** How long the Deployment controller is waited for after a write: what it does shows in the next answer. */
const DEPLOYMENTS_MS = 80;

const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

export async function replayStory(story: Story, target: Target, crdsFile: string): Promise<ExchangeResult[]> {
  const player = new Player(story, target);
  await player.prepare(crdsFile);
  return player.play();
}

class Player {
  readonly #story: Story;
  readonly #target: Target;
  readonly #bindings = new Bindings();
  readonly #open: Watched[] = [];
  readonly #seen = new Map<string, Json>();
  readonly #etags = new Map<string, string>();
  readonly #results = new Map<string, string[]>();

  constructor(story: Story, target: Target) {
    this.#story = story;
    this.#target = target;
    for (const [name, token] of Object.entries(target.tokens)) this.#bindings.bind(`token:${name}`, token);
  }

  async prepare(crdsFile: string): Promise<void> {
    const list = JSON.parse(readFileSync(crdsFile, "utf8")) as { items?: readonly Json[] } | readonly Json[];
    const crds = (Array.isArray(list) ? list : (list as { items?: readonly Json[] }).items) ?? [];
    for (const body of crds) {
      await this.#request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body, [409]);
    }
    await this.#untilServed("/apis/hsm.j5t.io/v1alpha1/hsmpools");
    for (const name of namespacesOf(this.#story)) {
      const body = { apiVersion: "v1", kind: "Namespace", metadata: { name } };
      await this.#request("POST", "/api/v1/namespaces", body, [409]);
      await this.#untilServed(`/api/v1/namespaces/${name}/configmaps/kube-root-ca.crt`);
      await this.#untilServed(`/api/v1/namespaces/${name}/serviceaccounts/default`);
    }
    await this.#act(PREPARATIONS[this.#story.id]?.start ?? []);
  }

  async play(): Promise<ExchangeResult[]> {
    for (const exchange of this.#story.exchanges) {
      const differences = await this.#act(PREPARATIONS[this.#story.id]?.before?.[exchange.id] ?? [])
        .then(() => this.#playOne(exchange))
        .catch((error: unknown) => [`failed: ${String(error)}`]);
      this.#results.set(exchange.id, differences);
      for (const watched of [...this.#open]) {
        const mayEnd = watched.lastStep === exchange || (await this.#hasAll(watched, exchange));
        if (mayEnd) await this.#finishWatch(watched);
      }
    }
    for (const watched of [...this.#open]) await this.#finishWatch(watched);
    return this.#story.exchanges.map(({ id, story, step }) => {
      return { id, story, step, differences: this.#results.get(id) ?? ["not played"] };
    });
  }

  async #playOne(exchange: Exchange): Promise<string[]> {
    if (exchange.kubectl !== undefined) {
      const during = PREPARATIONS[this.#story.id]?.during?.[exchange.id];
      return runKubectl(exchange, this.#target, this.#bindings, () => this.#act(during ?? []));
    }
    const { request, response } = exchange;
    if (request === undefined || response === undefined) return ["the line has no request"];
    const call = await this.#callFor(request);
    if (exchange.events !== undefined) {
      const opened = { exchange, watch: watch(this.#target, call), lastStep: this.#lastStep(exchange) };
      this.#open.push(opened);
      // Subscribed before the steps that make its events; when it ends by itself is known only there.
      const answered = await opened.watch.answer;
      const differences = compareAnswer(response, answered, this.#bindings);
      this.#results.set(exchange.id, differences);
      if (opened.lastStep === exchange) await this.#finishWatch(opened);
      return this.#results.get(exchange.id) ?? differences;
    }
    await sleep(1000 * Number(/^use (\d+) s later/.exec(exchange.step)?.[1] ?? 0));
    const patience = Date.now() + (request.method === "GET" ? CONTROLLERS_MS : 0);
    for (;;) {
      const answer = await send(this.#target, call);
      this.#etags.set(placeOf(request), String(answer.headers["etag"] ?? ""));
      this.#remember(answer);
      const forget = this.#bindings.save();
      const differences = compareAnswer(response, answer, this.#bindings, {
        kept: keptOf(exchange, this.#story),
      });
      // Controllers work behind the steps: what is read may need a moment.
      if (differences.length === 0 || Date.now() > patience) {
        if (request.method !== "GET" && /\/deployments/.test(request.path)) await sleep(DEPLOYMENTS_MS);
        return differences;
      }
      forget();
      await sleep(100);
    }
  }

  /**
   * The step after which the events of a watch are compared: the last one of that name, or, when the server ends the
   * watch, the last one before later revisions come up if steps make its events, else the watch itself.
   */
  #lastStep(exchange: Exchange): Exchange | undefined {
    const { exchanges } = this.#story;
    const later = exchanges.slice(exchanges.indexOf(exchange) + 1);
    if (exchange.readUntilAfterStep !== undefined) {
      return later.filter(({ step }) => step === exchange.readUntilAfterStep).at(-1);
    }
    if (exchange.response?.status !== 200) return exchange;
    const earlier = exchanges
      .slice(0, exchanges.indexOf(exchange))
      .filter(({ events }) => events === undefined);
    const known = revisionsIn([earlier, exchange.request]);
    const made = revisionsIn(
      later.filter(({ events, request }) => events === undefined && request?.method !== "GET"),
    );
    const news = [...revisionsIn([exchange.events ?? []])].filter((name) => !known.has(name));
    if (!news.some((name) => made.has(name))) return exchange;
    const last = Math.max(...[...revisionsIn(exchange.events)].map(numberOf));
    const next = later.findIndex((step) => [...revisionsIn(step)].some((name) => numberOf(name) > last));
    return next < 0 ? undefined : (later[next - 1] ?? exchange);
  }

  /** An earlier step of the name at which a watch is read, when it has brought all its events already. */
  async #hasAll({ exchange, watch }: Watched, step: Exchange): Promise<boolean> {
    if (exchange.readUntilAfterStep !== step.step || exchange.events === undefined) return false;
    return (await watch.read(exchange.events.length, QUIET_MS)).length >= exchange.events.length;
  }

  async #finishWatch(opened: Watched): Promise<void> {
    this.#open.splice(this.#open.indexOf(opened), 1);
    const { exchange } = opened;
    const events = exchange.events ?? [];
    const differences = this.#results.get(exchange.id) ?? [];
    if (exchange.response?.status === 200) {
      const seconds = Number(/timeoutSeconds=(\d+)/.exec(exchange.request?.path ?? "")?.[1] ?? 0);
      const patience = seconds > 0 ? seconds * 1000 + EVENT_WAIT_MS : EVENT_WAIT_MS;
      await opened.watch.read(events.length, patience);
      const quiet = exchange.closedBy === "server" ? patience : QUIET_MS;
      const lines = await opened.watch.read(events.length + 1, quiet);
      const actual = lines.map((line) => JSON.parse(line) as Json);
      compareJson(events, actual, "events", this.#bindings, differences, {
        kept: keptOf(exchange, this.#story),
      });
    }
    opened.watch.close();
    this.#results.set(exchange.id, differences);
  }

  async #callFor(request: RecordedRequest): Promise<Call> {
    const written = request.body === undefined ? undefined : this.#withKnown(request.body);
    const recorded = request.bodyText ?? (written === undefined ? undefined : generated(written));
    if (/"resourceVersion":"<rv:\d+>"/.test(recorded ?? ""))
      await this.#learnRevision(request.path, recorded ?? "");
    const headers: Record<string, string | readonly string[]> = {};
    for (const [name, value] of Object.entries(request.headers)) {
      headers[name] =
        typeof value === "string"
          ? (await this.#fill(value)).replace("<etag>", this.#etags.get(placeOf(request)) ?? "")
          : await Promise.all(value.map((item) => this.#fill(item)));
    }
    const body = recorded === undefined ? undefined : await this.#fill(recorded);
    if (body !== undefined) headers["Content-Length"] = String(Buffer.byteLength(body));
    const path = (await this.#fill(request.path)).replace("<hash>", await this.#hashOf(request.path));
    return { method: request.method, path, headers, body };
  }

  /** The hash under which the index of /openapi/v3 offers a document. */
  async #hashOf(path: string): Promise<string> {
    if (!path.includes("hash=<hash>")) return "";
    const { text } = await this.#request("GET", "/openapi/v3", undefined, []);
    const { paths } = JSON.parse(text) as { paths: { [name: string]: { serverRelativeURL: string } } };
    const name = path.replace(/^\/openapi\/v3\/|\?.*$/g, "");
    return /hash=(.*)$/.exec(paths[name]?.serverRelativeURL ?? "")?.[1] ?? "";
  }

  /** Keeps the last state of each object that an answer showed. */
  #remember(answer: Answer): void {
    try {
      const body = JSON.parse(answer.text) as { metadata?: { uid?: string } };
      if (body.metadata?.uid !== undefined) this.#seen.set(body.metadata.uid, body as Json);
    } catch {
      // Not JSON: no object.
    }
  }

  /** A body that was made from an earlier answer: what the recording left out (times, random names) comes from there. */
  #withKnown(body: Json): Json {
    const uid = (body as { metadata?: { uid?: string } } | null)?.metadata?.uid ?? "";
    const name = (body as { metadata?: { name?: string } } | null)?.metadata?.name;
    const seen =
      this.#seen.get(this.#bindings.fill(uid).text) ??
      [...this.#seen.values()].find(
        (item) => (item as { metadata?: { name?: string } }).metadata?.name === name,
      );
    return seen === undefined ? body : filledFrom(body, seen);
  }

  /** The revision of an object that others changed since its last answer. */
  async #learnRevision(path: string, body: string): Promise<void> {
    const name = /"resourceVersion":"<(rv:\d+)>"/.exec(body)?.[1] ?? "";
    if (this.#bindings.get(name) !== undefined) return;
    const answer = await this.#try("GET", path.replace(/\?.*$/, ""), undefined);
    if (answer.status !== 200) return;
    const { metadata } = JSON.parse(answer.text) as { metadata?: { resourceVersion?: string } };
    if (metadata?.resourceVersion !== undefined) this.#bindings.bind(name, metadata.resourceVersion);
  }

  /** A revision that no earlier answer fixed is the server's present one. */
  async #fill(text: string): Promise<string> {
    let filled = this.#bindings.fill(text);
    for (const name of filled.missing) {
      if (name.startsWith("rv:")) this.#bindings.bindShared(name, await this.#revision());
      if (name === "token:serviceaccount") this.#bindings.bind(name, this.#bindings.get("token:1") ?? "");
      if (name === "token:podbound") this.#bindings.bind(name, this.#bindings.get("token:4") ?? "");
    }
    if (
      filled.missing.some((name) => name.startsWith("token:")) &&
      this.#bindings.get("token:1") !== undefined
    ) {
      // The one token that no answer gave: a good one with another signature.
      const [head, claims, signature = ""] = (this.#bindings.get("token:1") ?? "").split(".");
      const broken = `${head}.${claims}.${[...signature].reverse().join("")}`;
      for (const name of filled.missing) {
        if (name.startsWith("token:") && this.#bindings.get(name) === undefined)
          this.#bindings.bind(name, broken);
      }
    }
    if (filled.missing.length > 0) filled = this.#bindings.fill(text);
    if (filled.missing.length > 0) throw new Error(`no value is known for <${filled.missing.join(">, <")}>`);
    return filled.text;
  }

  async #revision(): Promise<string> {
    const answer = await this.#request("GET", "/api/v1/namespaces?limit=1", undefined, []);
    return (JSON.parse(answer.text) as { metadata: { resourceVersion: string } }).metadata.resourceVersion;
  }

  async #act(actions: readonly Action[]): Promise<void> {
    for (const action of actions) {
      if (action.kind === "bindRevision") {
        this.#bindings.bind(action.name, await this.#revision());
      } else if (action.kind === "bindContinue") {
        const token = JSON.stringify({ v: "meta.k8s.io/v1", rv: action.revision, start: action.start });
        this.#bindings.bind(action.name, Buffer.from(token).toString("base64url"));
      } else {
        const body =
          action.body === undefined
            ? undefined
            : (JSON.parse(this.#bindings.fill(JSON.stringify(action.body)).text) as Json);
        const answer = await this.#request(action.method, action.path, body, []);
        const made = JSON.parse(answer.text) as { metadata?: { uid?: string } };
        if (action.bindUid !== undefined) this.#bindings.bind(action.bindUid, made.metadata?.uid ?? "");
      }
    }
  }

  async #request(method: string, path: string, body: Json | undefined, tolerated: number[]): Promise<Answer> {
    const answer = await this.#try(method, path, body);
    if (answer.status >= 300 && !tolerated.includes(answer.status)) {
      throw new Error(
        `preparation of ${this.#story.id}: ${method} ${path}: ${answer.status} ${answer.text.slice(0, 300)}`,
      );
    }
    return answer;
  }

  #try(method: string, path: string, body: Json | undefined): Promise<Answer> {
    const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      Authorization: `Bearer ${this.#target.tokens["admin"]}`,
      ...(text === undefined
        ? {}
        : { "Content-Type": type, "Content-Length": String(Buffer.byteLength(text)) }),
    };
    return send(this.#target, { method, path, headers, body: text });
  }

  async #untilServed(path: string): Promise<void> {
    for (let tries = 0; tries < 200; tries += 1) {
      const answer = await this.#try("GET", path, undefined);
      if (answer.status === 200) return;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error(`preparation of ${this.#story.id}: ${path} is not served after 5 s`);
  }
}

interface Watched {
  readonly exchange: Exchange;
  readonly watch: OpenWatch;
  /** Undefined: the end of the story. */
  readonly lastStep: Exchange | undefined;
}

/** What an ETag stands for: a path and a representation. */
function placeOf({ path, headers }: RecordedRequest): string {
  return `${path} ${String(headers["Accept"] ?? "")}`;
}

/** The body with the values of `seen` where it has a placeholder without a number. */
function filledFrom(body: Json, seen: Json | undefined): Json {
  if (typeof body === "string") {
    return /<(time|microtime|rand|clusterIP|nodePort|cert)>/.test(body) && typeof seen === "string"
      ? seen
      : body;
  }
  if (Array.isArray(body)) {
    return body.map((item, index) => filledFrom(item, Array.isArray(seen) ? seen[index] : undefined));
  }
  if (typeof body !== "object" || body === null) return body;
  const from = typeof seen === "object" && seen !== null && !Array.isArray(seen) ? seen : {};
  return Object.fromEntries(
    Object.entries(body).map(([key, value]) => [
      key,
      filledFrom(value as Json, (from as { readonly [key: string]: Json })[key]),
    ]),
  );
}

const numberOf = (revision: string): number => Number(/\d+/.exec(revision)?.[0]);

function revisionsIn(values: unknown): Set<string> {
  return new Set((JSON.stringify(values) ?? "").match(/<rv:\d+>/g) ?? []);
}

/** Large bodies are described in the recording instead of written out. */
function generated(body: Json): string {
  const description = (body as { $generated?: string } | null)?.$generated;
  if (description === undefined) return JSON.stringify(body);
  const count = Number(/(\d+) times/.exec(description)?.[1]);
  if (/add, path/.test(description)) {
    return JSON.stringify(Array.from({ length: count }, () => ({ op: "add", path: "/data/n", value: "x" })));
  }
  const name = /^Secret (\w+)/.exec(description)?.[1];
  const metadata = /annotation a/.test(description)
    ? { name, annotations: { a: "x".repeat(count) } }
    : { name };
  const data = /data\.k/.test(description)
    ? { data: { k: Buffer.alloc(count, "a").toString("base64") } }
    : {};
  return JSON.stringify({ apiVersion: "v1", kind: "Secret", metadata, ...data });
}
