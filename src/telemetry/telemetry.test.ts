import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { correlationId, withCorrelationId } from "./correlation.ts";
import { createLogger, type LogFields } from "./log.ts";
import { createMetrics } from "./metrics.ts";

function capture(level: "debug" | "info" = "info") {
  const lines: string[] = [];
  const logger = createLogger({ name: "test", level, destination: { write: (line) => lines.push(line) } });
  return { logger, lines, last: () => JSON.parse(lines.at(-1) ?? "null") as Record<string, unknown> };
}

describe("logger", () => {
  it("writes one JSON line with program, level, message and fields", () => {
    const { logger, last } = capture();
    logger.child({ controller: "hsmsecret" }).info("synced", { path: "secrets/shop/db", keys: ["a", "b"] });
    expect(last()).toMatchObject({
      program: "test",
      level: "info",
      msg: "synced",
      controller: "hsmsecret",
      path: "secrets/shop/db",
      keys: ["a", "b"],
    });
  });

  it("changes its level at run time, for children that exist too", () => {
    const { logger, lines } = capture("info");
    const child = logger.child({ part: "x" });
    child.debug("hidden");
    logger.setLevel("debug");
    child.debug("shown");
    logger.setLevel("silent");
    child.error("hidden again");
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual(["shown"]);
    expect(child.isEnabled("error")).toBe(false);
  });

  it("never writes bytes or objects, even when a cast passes them", () => {
    const { logger, lines } = capture();
    const smuggled = { value: Buffer.from("hunter2"), record: { keys: [["password", "hunter2"]] } };
    logger.info("write", smuggled as unknown as LogFields);
    expect(lines.join()).not.toMatch(/hunter2|aHVudGVyMg/);
    expect(JSON.parse(lines[0] ?? "").value).toBe("[not a plain field]");
  });

  it("writes an error with its code and causes and none of its other properties", () => {
    const { logger, lines, last } = capture();
    const error = Object.assign(new Error("the token is gone", { cause: new Error("CKR_DEVICE_REMOVED") }), {
      code: "HSM_TOKEN_GONE",
      request: { pin: "648219" },
    });
    logger.error("read failed", {}, error);
    expect(last()["error"]).toMatchObject({
      message: "the token is gone",
      code: "HSM_TOKEN_GONE",
      cause: { message: "CKR_DEVICE_REMOVED" },
    });
    expect(lines.join()).not.toContain("648219");
  });
});

describe("correlation id", () => {
  it("follows awaits, stands in every line, and two runs at once keep their own", async () => {
    const { logger, lines } = capture();
    await Promise.all(
      ["one", "two"].map((id) =>
        withCorrelationId(id, async () => {
          await turn();
          logger.info(id);
        }),
      ),
    );
    const ids = lines.map((line) => JSON.parse(line)).map((line) => [line.msg, line.correlationId]);
    expect(ids.sort()).toEqual([
      ["one", "one"],
      ["two", "two"],
    ]);
    expect(correlationId()).toBeUndefined();
  });

  it("does not take over an id that could break a log line", () => {
    withCorrelationId('x"\n{"level":"error"}', () => expect(correlationId()).toMatch(/^[0-9a-f]{16}$/));
  });
});

describe("metrics", () => {
  it("renders what was counted, apart for each registry", async () => {
    const metrics = createMetrics();
    createMetrics().counter("syncs_total", "Syncs.").add({}, 7);
    const syncs = metrics.counter("syncs_total", "Syncs.", ["result"]);
    const phase = metrics.gauge("devices", "Devices.", ["phase"]);
    syncs.add({ result: "ok" }, 2);
    phase.set({ phase: "Ready" }, 1);
    phase.set({ phase: "Error" }, 1);
    phase.remove({ phase: "Error" });
    const text = await metrics.render();
    expect(text).toContain('hsm_syncs_total{result="ok"} 2');
    expect(text).toContain('hsm_devices{phase="Ready"} 1');
    expect(text).not.toContain("Error");
  });

  it("refuses a counter that Prometheus would not take for one", () => {
    expect(() => createMetrics().counter("syncs", "Syncs.")).toThrow("_total");
  });
});
