import { defineConfig } from "vitest/config";

// Long suites carry the suffix .long.test.ts: `npm run test:long` runs those, `npm test` the others.
const long = process.env["HSM_TEST_LONG"] === "1";

export default defineConfig({
  test: {
    include: long
      ? ["src/**/*.long.test.ts", "test/**/*.long.test.ts"]
      : ["src/**/*.test.ts", "test/**/*.test.ts"],
    exclude: long ? ["node_modules/**"] : ["node_modules/**", "**/*.long.test.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: long ? 1_500_000 : 30_000,
    hookTimeout: 60_000,
    reporters: ["default"],
  },
});
