import { ulid } from "ulid";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { batchKey } from "../../src/engine/batch-ids.ts";
import { ledgerName } from "../../src/engine/permits/names.ts";
import { type AnyTaskDefinition, RescheduleError, RetryableError, task } from "../../src/sdk/index.ts";
import { alarmOf, dagOf, jobOf, rowsOf, start, statesOf, stubOf, value, UNTIL_ENDED_MS } from "./lab.ts";
import { mailbox } from "./mailbox.ts";
import { permitCalls } from "./permit-calls.ts";
import { poolOf } from "./pool-support.ts";
import { addDag, addTask, ECHO, fresh, step } from "./registry.ts";

const YEAR_MS = 31_536_000_000;
const DAY_MS = 86_400_000;

beforeEach(() => {
  vi.spyOn(console, "warn").mockReturnValue();
  mailbox.live = true;
});
afterEach(() => {
  mailbox.live = false;
});

async function submit(name: string): Promise<string> {
  const id = fresh("job");
  value(await jobOf(id).submit({ job_id: id, name, payload: null, runAt: null }));
  return id;
}

describe("keys that are hard to name an object by", () => {
  /** Of two jobs the second one is told by the key's object that its turn has come, which must know its own name for it. */
  async function statesOfTwo(key: string): Promise<string[]> {
    const work = addTask(
      task({ id: fresh("work"), concurrency: { limit: 1, key: () => key } }, async () => scheduler.wait(5)),
    );
    const ids = [await submit(work.id), await submit(work.id)];
    return Promise.all(ids.map(async (id) => value(await jobOf(id).get(UNTIL_ENDED_MS)).state));
  }

  it.each([
    ["many bytes", "漢".repeat(320)],
    ["half of a surrogate pair", "tenant-\ud800"],
    ["a zero", "tenant-\u0000"],
    ["odd marks", "../../%2e%2e/\u202e\n"],
  ])("lets who waited for a key of %s go on", async (_what, key) => {
    expect(await statesOfTwo(key)).toEqual(["success", "success"]);
  });

  it("fails who has a key of more bytes than an object's name can have", async () => {
    expect(await statesOfTwo("漢".repeat(400))).toEqual(["failed", "failed"]);
  });
});

describe("a DAG that is deleted while its task instances wait", () => {
  it("leaves nobody in the line of a pool, which can be deleted", async () => {
    const name = fresh("pool");
    const pool = poolOf(ledgerName("pool", name));
    value(await pool.configure({ slots: 0 }));
    const dagId = addDag({}, (d) => void d.run(step("work", { pool: name })));
    await start(dagId);
    await permitCalls.quiet();
    expect(value(await pool.describe()).scheduled_slots).toBe(1);
    value(await dagOf(dagId).deleteDag());
    await permitCalls.quiet();
    expect(value(await pool.describe()).scheduled_slots).toBe(0);
    value(await pool.remove());
  });
});

describe("a pool that was not told of the end of one who waited", () => {
  it("asks who waits when it is to be deleted", async () => {
    const name = fresh("pool");
    const ledger = ledgerName("pool", name);
    const pool = poolOf(ledger);
    value(await pool.configure({ slots: 0 }));
    const work = addTask(step(fresh("work"), { pool: name }));
    const id = await submit(work.id);
    const dagId = addDag({}, (d) => void d.run(work, undefined, { id: "work" }));
    const runId = await start(dagId);
    await permitCalls.quiet();
    permitCalls.lose(ledger, "before");
    value(await jobOf(id).kill("enough"));
    await permitCalls.quiet();
    expect(value(await pool.describe()).scheduled_slots).toBe(2);
    // One who still wants a slot holds it up, one who does not is forgotten.
    expect(await pool.remove()).toMatchObject({ ok: false, refusal: { code: "conflict" } });
    expect(value(await pool.describe()).scheduled_slots).toBe(1);
    permitCalls.lose(ledger, "before");
    value(await dagOf(dagId).patchRun(runId, { state: "failed" }));
    await permitCalls.quiet();
    value(await pool.remove());
  });
});

describe("a wait that a handler asks for, and that is no whole or no sane number of milliseconds", () => {
  it.each([0.0015, 0.1 + 0.2])("takes %d s for what can be stored", async (retryAfter) => {
    const work = addTask(
      task({ id: fresh("work"), retries: 1, retryDelay: 0 }, () => {
        throw new RetryableError("slow", { retryAfter });
      }),
    );
    const dagId = addDag({}, (d) => void d.run(work, undefined, { id: "work" }));
    const runId = await start(dagId);
    expect(value(await dagOf(dagId).getRun(runId, UNTIL_ENDED_MS)).state).toBe("failed");
    expect(await statesOf(dagId, runId)).toEqual({ work: "failed" });
    const job = value(await jobOf(await submit(work.id)).get(UNTIL_ENDED_MS));
    expect(job).toMatchObject({ state: "failed", try_number: 2 });
  });

  it.each([
    ["retried", "retry", new RetryableError("slow", { retryAfter: 1e300 })],
    ["rescheduled", "reschedule", new RescheduleError({ epochMs: 1e300 })],
  ])("is at most a year until it is %s", async (_what, state, error) => {
    // A task for each: what asks for a wait slows down what shares its rate limit.
    const failing = (): AnyTaskDefinition =>
      addTask(
        task({ id: fresh("work"), retries: 1, rateLimit: { limit: 5, per: "1s" } }, () => {
          throw error;
        }),
      );
    const dagId = addDag({}, (d) => void d.run(failing(), undefined, { id: "work" }));
    const runId = await start(dagId);
    const jobId = await submit(failing().id);
    const latest = (): number => Date.now() + YEAR_MS + 1;
    for (const [stub, waiting] of [
      [stubOf("DAG", dagId), `SELECT next_at FROM task_instance WHERE state = 'up_for_${state}'`],
      [stubOf("INTAKE", jobId), `SELECT next_at FROM job WHERE id = '${jobId}' AND state = 'up_for_${state}'`],
    ] as const) {
      const [row] = await vi.waitFor(async () => {
        const rows = await rowsOf(stub, waiting);
        expect(rows).toHaveLength(1);
        return rows;
      }, UNTIL_ENDED_MS);
      const nextAt = Number(row?.["next_at"]);
      expect(nextAt).toBeGreaterThan(latest() - DAY_MS);
      expect(nextAt).toBeLessThanOrEqual(latest());
      const alarm = await alarmOf(stub);
      expect(alarm).not.toBeNull();
      expect(alarm).toBeLessThanOrEqual(latest());
    }
    const why = value(await dagOf(dagId).why({ run_id: runId, task_id: "work", map_index: -1 }));
    expect(why.reason).not.toBe("");
    expect(value(await jobOf(jobId).why()).reason).not.toBe("");
  });
});

describe("why, while a pool does not answer", () => {
  it("says so", async () => {
    const name = fresh("pool");
    const dagId = addDag({}, (d) => void d.run(step("work", { pool: name })));
    const runId = await start(dagId);
    await permitCalls.quiet();
    permitCalls.lose(ledgerName("pool", name), "before");
    const why = value(await dagOf(dagId).why({ run_id: runId, task_id: "work", map_index: -1 }));
    expect(why.reason).toBe(`Pool \`${name}\` does not answer now, it is asked again.`);
  });

  it("answers without it after a while", async () => {
    const name = fresh("pool");
    const dagId = addDag({}, (d) => void d.run(step("work", { pool: name })));
    const runId = await start(dagId);
    await permitCalls.quiet();
    const release = permitCalls.holdBack(ledgerName("pool", name));
    const why = value(await dagOf(dagId).why({ run_id: runId, task_id: "work", map_index: -1 }));
    release();
    expect(why.causes).toMatchObject([{ name: "Pool Slots Available" }]);
  });
});

describe("why, of a member of a bulk submission", () => {
  it("whose time has not come says when it is", async () => {
    const batch = dagOf(`@batch:${batchKey(ulid())}`);
    const runAt = Date.now() + 90_000;
    value(await batch.submitBatch(ulid(), [{ name: ECHO, payload: null, runAt }]));
    const why = value(await batch.whyMember(0));
    expect(why.reason).toContain(`The next start is at ${new Date(runAt).toISOString()}`);
    expect(why.causes).toMatchObject([{ name: "Run At" }]);
  });
});
