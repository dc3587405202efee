/**
 * The layers of the tests, each a project: `vitest run --project unit`.
 *
 * unit: pure code, in Node. workers: inside workerd, with the objects, the queue and alarms. e2e and chaos: the built
 * bundle on the embedded runtime as `npm start` serves it, over HTTP, one file after the other. fuzz: inside workerd, alone,
 * because it measures.
 *
 * @module
 */
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

/** Keys and secrets that tests sign and call with; the e2e layer passes the same to its server. */
const TEST_BINDINGS = { JOBBERS_API_KEY: "test-key", TASK_CONSUMER: "detach" };

/** What the fuzz layer makes its requests from; another one makes others. */
const FUZZ_SEED = Number(process.env["FUZZ_SEED"] ?? 20_261_121);

/** Inside workerd, with the objects of the tests' Worker. */
function workers() {
  return cloudflareTest({
    main: "./test/workers/worker.ts",
    wrangler: { configPath: "./wrangler.toml" },
    miniflare: { bindings: TEST_BINDINGS },
  });
}

/** No bound on how fast anything is, in milliseconds: it ends what hangs, however loaded the machine is. */
const HANGS = { testTimeout: 300_000, hookTimeout: 300_000 };

export default defineConfig({
  test: {
    projects: [
      {
        test: { name: "unit", include: ["test/unit/**/*.test.ts"], environment: "node", ...HANGS },
      },
      {
        plugins: [workers()],
        test: { name: "workers", include: ["test/workers/**/*.test.ts", "test/contract/**/*.test.ts"], ...HANGS },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          environment: "node",
          ...HANGS,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "chaos",
          include: ["test/chaos/**/*.test.ts"],
          environment: "node",
          ...HANGS,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
      {
        plugins: [workers()],
        test: {
          name: "fuzz",
          include: ["test/fuzz/**/*.test.ts"],
          fileParallelism: false,
          ...HANGS,
          provide: { fuzzSeed: FUZZ_SEED },
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
