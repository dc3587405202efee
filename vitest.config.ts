/**
 * The layers of the tests, each a project: `vitest run --project unit`.
 *
 * unit: pure code, in Node. workers: inside workerd, with the objects, the queue and alarms. platform: the same under Cloudflare's
 * documented limits, which `platform/` enforces. e2e and chaos: the built
 * bundle on the embedded runtime as `npm start` serves it, over HTTP, one file after the other. fuzz: inside workerd, alone,
 * because it counts what all objects write.
 *
 * @module
 */
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

/** Keys and secrets that tests sign and call with; the e2e layer passes the same to its server. */
const TEST_BINDINGS = { JOBBERS_API_KEY: "test-key", TASK_CONSUMER: "detach" };

/** What the fuzz layer makes its requests from; another one makes others. */
const FUZZ_SEED = Number(process.env["FUZZ_SEED"] ?? 20_261_121);

/** When the chaos layer kills: another one each time unless it is given, and printed. */
const CHAOS_SEED = Number(process.env["CHAOS_SEED"] ?? Math.floor(Math.random() * 2 ** 32));

/** The objects of the tests' Worker. */
const OBJECTS = {
  DAG: "Dag",
  JOB: "Job",
  INTAKE: "Intake",
  CATALOG: "Catalog",
  POOL: "Pool",
  RATE_LIMITER: "RateLimiter",
  LOGIN_GUARD: "LoginGuard",
};

/** What differs between the layers inside workerd. */
interface WorkersOptions {
  evicts: boolean;
  /** The Worker under test. */
  main?: string;
  /** `TASK_CONSUMER`: "hold" as on Cloudflare, "detach" as on the embedded runtime. */
  consumer?: string;
}

/**
 * Inside workerd, with those objects.
 *
 * @param evicts Objects leave memory when they were idle for ten seconds, and when a test evicts them. Without it none does, so
 * that it does not depend on the machine which request wakes one: what it writes then is not that request's doing.
 */
function workers({ evicts, main = "./test/workers/worker.ts", consumer = "detach" }: WorkersOptions) {
  const durableObjects = Object.fromEntries(
    Object.entries(OBJECTS).map(([binding, className]) => [
      binding,
      { className, useSQLite: true, unsafePreventEviction: !evicts },
    ]),
  );
  return cloudflareTest({
    main,
    wrangler: { configPath: "./wrangler.toml" },
    miniflare: { bindings: { ...TEST_BINDINGS, TASK_CONSUMER: consumer }, durableObjects },
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
        plugins: [workers({ evicts: true })],
        test: { name: "workers", include: ["test/workers/**/*.test.ts", "test/contract/**/*.test.ts"], ...HANGS },
      },
      {
        plugins: [workers({ main: "./test/platform/worker.ts", evicts: true, consumer: "hold" })],
        test: { name: "platform", include: ["test/platform/**/*.test.ts"], ...HANGS },
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
          provide: { chaosSeed: CHAOS_SEED },
          sequence: { groupOrder: 2 },
        },
      },
      {
        plugins: [workers({ evicts: false })],
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
