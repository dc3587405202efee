import { evictAllDurableObjects } from "cloudflare:test";
import { ulid } from "ulid";
import { describe, it } from "vitest";
import { branch, task } from "../../src/sdk/index.ts";
import { batchKey } from "../../src/engine/batch-ids.ts";
import type { Json } from "../../src/engine/spec.ts";
import type { ClaimedTask, Outcome } from "../../src/engine/work.ts";
import {
  adopt,
  claimOne,
  claimQueued,
  clock,
  dagOf,
  drive,
  failure,
  fireAlarm,
  instanceOf,
  instancesOf,
  jobOf,
  nameOf,
  newJobId,
  report,
  reportOf,
  rowsOf,
  runOf,
  start,
  stopClock,
  stubOf,
  success,
  value,
  watchOf,
  NO_LOGS,
  WORKER,
} from "./lab.ts";
import { addDag, addTask, fresh, step } from "./registry.ts";

stopClock();

/** A run with everything in it: setup, branch, a stage mapped at run time, retries, a reschedule, teardown. */
function everything(): string {
  return addDag({}, (d) => {
    const open = d.run(step("open")).asSetup();
    const list = d.run(task({ id: "list", retries: 2, retryDelay: "30s" }, () => [1, 2, 3]));
    const choose = d.run(branch({ id: "choose" }, () => "big"));
    const big = d.run(step("big", { retries: 1, retryDelay: "10s" }));
    const small = d.run(step("small"));
    const each = d.expand(
      task({ id: "each", retries: 1, retryDelay: "5s" }, (_ctx, { n }: { n: number }) => n * 10),
      { n: list },
    );
    const sum = d.run(
      task({ id: "sum", triggerRule: "none_failed" }, (_ctx, { all, of }: { all: number[]; of: Json }) => [all, of]),
      { all: each, of: list },
    );
    const close = d.run(step("close")).asTeardown({ setups: open });
    d.after(open, [list, choose]);
    d.after(choose, [big, small]);
    d.after([big, small], sum);
    d.after(sum, close);
  });
}

/** What a worker answers: from the input and the try alone, so that it is the same in every run. */
function answer({ task_id, map_index, try_number, input }: ClaimedTask): Outcome {
  const fails: Record<string, number> = { list: 2, big: 1, "each[1]": 1 };
  if (try_number <= (fails[nameOf({ task_id, map_index })] ?? 0)) {
    return failure(`try ${try_number} fails`);
  }
  switch (task_id) {
    case "list":
      return success([1, 2, 3]);
    case "choose":
      return { ...success("big"), follow: ["big"] };
    default:
      return success({ from: nameOf({ task_id, map_index }), input });
  }
}

/** Everything of a run that must not depend on when its object was evicted. */
async function traceOf(dagId: string, runId: string): Promise<unknown> {
  const instances = await instancesOf(dagId, runId);
  const values = await Promise.all(
    instances.map((one) =>
      dagOf(dagId).getXCom({ run_id: runId, task_id: one.task_id, map_index: one.map_index }, "return_value"),
    ),
  );
  const { state, reason, counts } = await runOf(dagId, runId);
  const history = await rowsOf(
    stubOf("DAG", dagId),
    "SELECT task_id, map_index, try_number, row ->> 'state' AS state FROM task_instance_history ORDER BY task_id, map_index, try_number",
  );
  return {
    run: { state, reason, counts },
    history,
    instances: instances.map((one, index) => {
      const found = values[index];
      const left = found?.ok === true ? found.value : null;
      return [
        nameOf(one),
        one.state,
        one.try_number,
        one.max_tries,
        one.late_results,
        one.error?.message ?? null,
        left,
      ];
    }),
  };
}

describe("eviction of every object between every two steps", () => {
  it("changes nothing of a run with a branch, a mapped stage, retries, setup and teardown", async ({ expect }) => {
    const calm = everything();
    const calmRun = await start(calm);
    await drive(calm, calmRun, answer);
    const expected = await traceOf(calm, calmRun);
    expect(expected).toMatchObject({
      run: { state: "success", counts: { success: 9, skipped: 1 } },
      history: [
        { task_id: "big", try_number: 1, state: "failed" },
        { task_id: "each", map_index: 1, try_number: 1 },
        { task_id: "list", try_number: 1 },
        { task_id: "list", try_number: 2 },
      ],
    });

    const stormy = everything();
    let evictions = 0;
    const stormyRun = await start(stormy);
    await drive(stormy, stormyRun, answer, async () => {
      evictions += 1;
      await evictAllDurableObjects();
    });

    expect(evictions).toBeGreaterThan(30);
    expect(JSON.parse(JSON.stringify(await traceOf(stormy, stormyRun)).replaceAll(stormy, calm))).toEqual(expected);
  });

  it("changes nothing of a cleared run whose mapped stage becomes longer while another task is still awaited", async ({
    expect,
  }) => {
    const dagId = addDag({}, (d) => {
      const list = d.run(task({ id: "list" }, () => [1, 2]));
      const slow = d.run(step("slow"));
      const each = d.expand(
        task({ id: "each" }, (_ctx, { n }: { n: number }) => n),
        { n: list },
      );
      d.after(slow, each);
    });
    const runId = await start(dagId);
    await drive(dagId, runId, (one) => success(one.task_id === "list" ? [1, 2] : one.input));
    value(await dagOf(dagId).clear({ run_id: runId, task_ids: null, only_failed: false }));

    await report(dagId, await claimOne(dagId, runId, "list"), success([1, 2, 3]));
    await evictAllDurableObjects();
    await report(dagId, await claimOne(dagId, runId, "slow"), success());
    await drive(dagId, runId, (one) => success(one.input));

    const each = await instancesOf(dagId, runId);
    expect(each.map((one) => [nameOf(one), one.state])).toEqual([
      ["list", "success"],
      ["slow", "success"],
      ["each[0]", "success"],
      ["each[1]", "success"],
      ["each[2]", "success"],
    ]);
  });

  it("loses no follow-up work that a worker was given", async ({ expect }) => {
    const dagId = addDag({}, (d) => {
      const [a, b, c] = [d.run(step("a")), d.run(step("b")), d.run(step("c"))];
      d.after(a, b);
      d.after(b, c);
    });
    const runId = await start(dagId);
    let work = await claimQueued(dagId, runId);
    const order: string[] = [];
    while (work.length > 0) {
      order.push(...work.map((one) => one.task_id));
      await evictAllDurableObjects();
      work = (
        await dagOf(dagId).report(
          work.map((one) => reportOf(one, success())),
          WORKER,
          10,
        )
      ).followUps;
    }
    expect(order).toEqual(["a", "b", "c"]);
    expect(await runOf(dagId, runId)).toMatchObject({ state: "success" });
  });

  it("changes nothing of a standalone job that fails, is lost, is rescheduled and ends", async ({ expect }) => {
    const { id } = addTask(step(fresh("job"), { retries: 2, retryDelay: "5s", heartrate: "1s" }));
    const trace = async (between: () => Promise<void>): Promise<unknown> => {
      const jobId = newJobId();
      const job = jobOf(jobId);
      const seen: unknown[] = [];
      const look = async (): Promise<void> => {
        await between();
        const { state, try_number, error, result, progress, late_results } = value(await jobOf(jobId).get(0));
        seen.push([state, try_number, error?.type ?? null, result, progress, late_results]);
        await between();
      };
      /** Runs alarms until one of them changes the state. */
      const elapse = async (): Promise<void> => {
        const { state } = value(await jobOf(jobId).get(0));
        while (value(await jobOf(jobId).get(0)).state === state) {
          await between();
          await fireAlarm(stubOf("INTAKE", jobId));
        }
      };
      const claim = async (): Promise<number> =>
        (await jobOf(jobId).claim(WORKER))?.token ?? expect.fail("expected a claim");
      const runAt = clock.now() + 5000;
      value(await job.submit({ job_id: jobId, name: id, payload: { n: 1 }, runAt }));
      await look();
      while (clock.now() < runAt) {
        expect(await jobOf(jobId).claim(WORKER)).toBeNull();
        // An object that wakes looks at once at what is queued, whose messages may be lost; this one was not sent yet.
        await fireAlarm(stubOf("INTAKE", jobId));
      }
      expect(clock.now()).toBe(runAt);
      await look();
      const first = await claim();
      await look();
      await jobOf(jobId).report(first, failure("first"), NO_LOGS);
      await look();
      await elapse();
      await look();
      const second = await claim();
      await look();
      // The first beat makes the job that watches the try; with the next one its owner hears that there is one.
      await jobOf(jobId).beat(second, { step: "half", fraction: 0.5 });
      await between();
      await jobOf(jobId).beat(second, { step: "half", fraction: 0.5 });
      await look();
      await elapse();
      await look();
      const third = await claim();
      await jobOf(jobId).report(second, success("dead"), NO_LOGS);
      await look();
      await jobOf(jobId).report(third, { state: "up_for_reschedule", at: clock.now() + 7000 }, NO_LOGS);
      await look();
      await elapse();
      await look();
      await jobOf(jobId).report(await claim(), success("done"), NO_LOGS);
      await look();
      return seen;
    };
    const calm = await trace(async () => undefined);
    expect(calm).toEqual([
      ["queued", 1, null, null, null, 0],
      ["queued", 1, null, null, null, 0],
      ["running", 1, null, null, null, 0],
      ["up_for_retry", 1, "Error", null, null, 0],
      ["queued", 2, "Error", null, null, 0],
      ["running", 2, "Error", null, null, 0],
      ["running", 2, "Error", null, { step: "half", fraction: 0.5 }, 0],
      ["queued", 3, "Zombie", null, { step: "half", fraction: 0.5 }, 0],
      ["running", 3, "Zombie", null, null, 1],
      ["up_for_reschedule", 3, null, null, null, 1],
      ["queued", 3, null, null, null, 1],
      ["success", 3, null, "done", null, 1],
    ]);
    expect(await trace(evictAllDurableObjects)).toEqual(calm);
  });

  it("changes nothing of an adopted task instance whose job is killed", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("a", { retries: 1 })));
    const runId = await start(dagId);
    await evictAllDurableObjects();
    const claimed = await claimOne(dagId, runId, "a");
    await evictAllDurableObjects();
    const jobId = ulid();
    expect(await adopt(dagId, jobId, claimed)).toBe("continue");
    await evictAllDurableObjects();
    expect(await watchOf(jobId).beat(claimed.token, null)).toEqual({ verdict: "continue" });
    await evictAllDurableObjects();
    value(await jobOf(jobId).kill("enough"));
    await evictAllDurableObjects();
    expect(await watchOf(jobId).beat(claimed.token, null)).toMatchObject({ verdict: "stop" });
    await evictAllDurableObjects();

    expect(await instanceOf(dagId, runId, "a")).toMatchObject({ state: "failed", error: { type: "Killed" } });
    expect(await runOf(dagId, runId)).toMatchObject({ state: "failed" });
  });

  it("changes nothing of a bulk submission", async ({ expect }) => {
    const { id } = addTask(step(fresh("member")));
    const batchId = ulid();

    const name = `@batch:${batchKey(batchId)}`;
    const entries = [1, 2, 3].map((n) => ({ name: id, payload: { n }, runAt: null }));
    value(await dagOf(name).submitBatch(batchId, entries));
    await evictAllDurableObjects();
    const claimed = await claimQueued(name, "bulk");
    expect(claimed.map(({ input }) => input)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
    for (const one of claimed) {
      await evictAllDurableObjects();
      await report(name, one, success(one.input));
    }
    await evictAllDurableObjects();
    expect(value(await dagOf(name).getBatch(0))).toMatchObject({ state: "success", total: 3, counts: { success: 3 } });
    expect(value(await dagOf(name).getMember(1, 0))).toMatchObject({ state: "success", result: { n: 2 } });
  });
});
