/**
 * Every operation of our own OpenAPI document under thousands of requests: nothing is answered by a 5xx, what is refused
 * changes nothing, and neither does what only reads. `FUZZ_SEED=1234 npm run test:fuzz` makes other requests.
 */
import fc from "fast-check";
import { beforeAll, describe, it } from "vitest";
import { call } from "../contract/scene.ts";
import { readDocument } from "./document.ts";
import { accepted, freshSource, latencies, prepare, seed, send } from "./harness.ts";
import { requestsFor, type FuzzRequest } from "./requests.ts";

/** Requests in all, at least. */
const TOTAL = 20_000;
/** Those of them that go to operations in turn, so that one works on what another left. */
const MIXED = 5000;
const MIXED_ROUNDS = 10;
/** Milliseconds within which 99 of 100 requests are answered. */
const P99_MS = 50;

const document = readDocument((await call("GET", "/openapi.json")).body);
const perOperation = Math.ceil((TOTAL - MIXED) / document.operations.length);

/** Operations that accept nothing, or nothing that is not signed. */
const REFUSED = new Set([
  "GET /auth/token",
  "POST /webhooks/{dag_id}",
  "GET /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/externalLogUrl/{try_number}",
]);

beforeAll(prepare);

/** Sends as many requests as asked for; fails with the smallest that is answered wrongly. */
async function fuzz(requests: fc.Arbitrary<FuzzRequest>, numRuns: number): Promise<void> {
  const property = fc.asyncProperty(requests, async (request) => void (await send(request)));
  await fc.assert(property, { numRuns, seed, interruptAfterTimeLimit: 60_000, markInterruptAsFailure: true });
}

describe(`with the seed ${seed}`, { timeout: 120_000 }, () => {
  it.for(document.operations.map((operation) => [operation.call, operation] as const))(
    "%s is never answered by a 5xx, and refuses without a trace",
    async ([, operation], { expect }) => {
      const source = { document, ...(await freshSource()) };
      const before = latencies.length;
      await fuzz(requestsFor(operation, source), perOperation);
      expect(latencies.length - before).toBeGreaterThanOrEqual(perOperation);
      expect((accepted.get(operation.call) ?? 0) > 0).toBe(!REFUSED.has(operation.call));
    },
  );

  it("so are all of them in turn", async ({ expect }) => {
    const before = latencies.length;
    for (let round = 0; round < MIXED_ROUNDS; round += 1) {
      const source = { document, ...(await freshSource()) };
      const any = fc.oneof(...document.operations.map((operation) => requestsFor(operation, source)));
      await fuzz(any, MIXED / MIXED_ROUNDS);
    }
    expect(latencies.length - before).toBeGreaterThanOrEqual(MIXED);
  });

  it(`took less than ${P99_MS} ms for 99 of 100 requests, of at least ${TOTAL}`, ({ expect }) => {
    const sorted = latencies.toSorted((a, b) => a - b);
    const p99 = sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN;
    const mean = sorted.reduce((sum, ms) => sum + ms, 0) / sorted.length;
    const slowest = sorted.at(-1) ?? Number.NaN;
    console.log(
      `fuzz: ${sorted.length} requests, mean ${mean.toFixed(1)} ms, 99 of 100 within ${p99} ms, slowest ${slowest} ms`,
    );
    expect(sorted.length).toBeGreaterThanOrEqual(TOTAL);
    expect(p99).toBeLessThan(P99_MS);
  });
});
