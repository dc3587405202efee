/**
 * Every operation of our own OpenAPI document under thousands of requests: nothing is answered by a 5xx, what is refused
 * changes nothing, and neither does what only reads. `FUZZ_SEED=1234 npm run test:fuzz` makes other requests.
 */
import fc from "fast-check";
import { beforeAll, describe, it } from "vitest";
import { call } from "../contract/scene.ts";
import { readDocument } from "./document.ts";
import { accepted, freshSource, prepare, requests, seed, send } from "./harness.ts";
import { requestsFor, type FuzzRequest } from "./requests.ts";

/** Requests in all, at least. */
const TOTAL = 20_000;
/** Those of them that go to operations in turn, so that one works on what another left. */
const MIXED = 5000;
const MIXED_ROUNDS = 10;

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
async function fuzz(anyRequest: fc.Arbitrary<FuzzRequest>, numRuns: number): Promise<void> {
  const property = fc.asyncProperty(anyRequest, async (request) => void (await send(request)));
  await fc.assert(property, { numRuns, seed });
}

describe(`with the seed ${seed}`, () => {
  it.for(document.operations.map((operation) => [operation.call, operation] as const))(
    "%s is never answered by a 5xx, and refuses without a trace",
    async ([, operation], { expect }) => {
      const source = { document, ...(await freshSource()) };
      const before = requests.sent;
      await fuzz(requestsFor(operation, source), perOperation);
      expect(requests.sent - before).toBeGreaterThanOrEqual(perOperation);
      expect((accepted.get(operation.call) ?? 0) > 0).toBe(!REFUSED.has(operation.call));
    },
  );

  it("so are all of them in turn", async ({ expect }) => {
    const before = requests.sent;
    for (let round = 0; round < MIXED_ROUNDS; round += 1) {
      const source = { document, ...(await freshSource()) };
      const any = fc.oneof(...document.operations.map((operation) => requestsFor(operation, source)));
      await fuzz(any, MIXED / MIXED_ROUNDS);
    }
    expect(requests.sent - before).toBeGreaterThanOrEqual(MIXED);
  });

  it(`were at least ${TOTAL} requests`, ({ expect }) => {
    expect(requests.sent).toBeGreaterThanOrEqual(TOTAL);
  });
});
