import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { type PhaseFacts, phaseOf } from "./phase.ts";

const COLUMNS = ["expected", "reporting", "failed", "overdue", "devices", "available", "doubts"] as const;

interface DocumentedRow {
  readonly cells: readonly string[];
  readonly phase: string;
  readonly reason: string;
}

function documentedTable(): readonly DocumentedRow[] {
  const text = readFileSync(new URL("../../../docs/pools.md", import.meta.url), "utf8");
  const lines = text.split("\n");
  const start = lines.findIndex((line) => line.startsWith("| expected | reporting |"));
  const rows = lines.slice(start + 2);
  return rows.slice(0, rows.indexOf("")).map((line) => {
    const cells = line.split("|").map((cell) => cell.trim());
    return { cells: cells.slice(1, 8), phase: cells[8] ?? "", reason: cells[9] ?? "" };
  });
}

function fits(cell: string, column: (typeof COLUMNS)[number], facts: PhaseFacts): boolean {
  const value = facts[column];
  switch (cell) {
    case "any":
      return true;
    case "0":
      return value === 0;
    case "1+":
      return value >= 1;
    case "some":
      return value >= 1 && value < facts.expected;
    case "all":
      return value === (column === "available" ? facts.devices : facts.expected);
    default:
      throw new Error(`The table in docs/pools.md has a cell ${cell}.`);
  }
}

function* everything(): Iterable<PhaseFacts> {
  for (let expected = 0; expected <= 3; expected += 1)
    for (let reporting = 0; reporting <= expected; reporting += 1)
      for (let failed = 0; failed <= reporting; failed += 1)
        for (let overdue = 0; overdue <= expected - reporting; overdue += 1)
          for (let devices = 0; devices <= 2; devices += 1)
            for (let available = 0; available <= devices; available += 1)
              for (let doubts = 0; doubts <= 1; doubts += 1)
                yield { expected, reporting, failed, overdue, devices, available, doubts };
}

it("decides every case as the table in docs/pools.md does, and no row of it is idle", () => {
  const table = documentedTable();
  const used = new Set<DocumentedRow>();
  for (const facts of everything()) {
    const row = table.find(({ cells }) =>
      cells.every((cell, i) => fits(cell, COLUMNS[i] ?? "doubts", facts)),
    );
    expect(row, `no row fits ${JSON.stringify(facts)}`).toBeDefined();
    if (row === undefined) return;
    used.add(row);
    const { phase, reason } = phaseOf(facts);
    expect({ facts, phase, reason }).toEqual({ facts, phase: row.phase, reason: row.reason });
  }
  expect(used.size).toBe(table.length);
});
