/** Values that nest too deep: refused where they arise, and harmless where they were stored before. */
import { exports } from "cloudflare:workers";
import { ulid } from "ulid";
import { describe, it } from "vitest";
import { task } from "../../src/sdk/index.ts";
import {
  claimOne,
  claimQueued,
  clock,
  dagOf,
  instanceOf,
  jobOf,
  objectEnv,
  report,
  settle,
  settleJob,
  start,
  statesOf,
  stopClock,
  value,
  WORKER,
} from "./lab.ts";
import { mailbox } from "./mailbox.ts";
import { addDag, addTask, fresh, step } from "./registry.ts";

stopClock();

const DEEP = `${"[".repeat(20_000)}${"]".repeat(20_000)}`;
const NOT_SHOWN = "(not shown: it nests more than 1000 levels)";

async function get(path: string): Promise<{ status: number; body: unknown }> {
  const response = await exports.default.fetch(`https://jobbers.test${path}`, {
    headers: { authorization: "Bearer test-key" },
  });
  return { status: response.status, body: await response.json() };
}

describe("a result that nests too deep", () => {
  it("fails its try for good and says so, in a DAG and by itself", async ({ expect }) => {
    const deep = addTask(task({ id: fresh("deep"), retries: 2 }, () => JSON.parse(DEEP) as null));
    const error = {
      type: "ValueError",
      message: expect.stringMatching(/^result(\[0\]){20}…: expected at most 100 levels/),
    };
    const dagId = addDag({}, (d) => void d.run(deep));
    const runId = await start(dagId);
    expect(await settle(dagId, runId)).toMatchObject({ state: "failed" });
    expect(await instanceOf(dagId, runId, deep.id)).toMatchObject({ state: "failed", try_number: 1, error });

    const jobId = ulid();
    value(await jobOf(jobId).submit({ job_id: jobId, name: deep.id, payload: null, runAt: null }));
    expect(await settleJob(jobId)).toMatchObject({ state: "failed", try_number: 1, error });
  });
});

describe("a value that nests too deep and was stored before", () => {
  it("fails the one task instance that reads it; what is claimed with it is handed out", async ({ expect }) => {
    const lists = task({ id: "list" }, (): number[] => []);
    const innocent = task({ id: "innocent" }, (_ctx, { of }: { of: number }) => of);
    const dagId = addDag({}, (d) => {
      const deep = d.run(step("deep"));
      const list = d.run(lists);
      d.run(
        task({ id: "reads" }, (_ctx, input: { deep: null }) => input.deep),
        { deep },
      );
      d.after(list, deep);
      d.expand(innocent, { of: list });
    });
    const runId = await start(dagId);
    mailbox.takeOf(dagId);
    for (const [taskId, json, length] of [
      ["list", JSON.stringify(Array.from({ length: 30 }, (_, index) => index)), 30],
      ["deep", DEEP, 1],
    ] as const) {
      const claimed = await claimOne(dagId, runId, taskId);
      expect(await report(dagId, claimed, { state: "success", value: { json }, mapLength: length })).toBe("accepted");
    }
    const claimed = await claimQueued(dagId, runId);
    expect(claimed.map(({ task_id }) => task_id)).toEqual(Array.from({ length: 30 }, () => "innocent"));
    expect(await instanceOf(dagId, runId, "reads")).toMatchObject({
      state: "failed",
      error: {
        type: "InputError",
        message: "expected values that nest at most 1000 levels in an input, got a deeper one",
      },
    });
    const { verdicts } = await dagOf(dagId).report(
      claimed.map(({ run, task_id, map_index, token }) => ({
        run_id: run?.run_id ?? "",
        task_id,
        map_index,
        token,
        outcome: { state: "success" },
      })),
      WORKER,
      10,
    );
    expect(new Set(verdicts)).toEqual(new Set(["accepted"]));
    expect(Object.values(await statesOf(dagId, runId)).filter((state) => state === "success")).toHaveLength(32);
  });

  it("is answered by a sentence in its place", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("deep")));
    const runId = await start(dagId);
    const claimed = await claimOne(dagId, runId, "deep");
    await report(dagId, claimed, { state: "success", value: { json: DEEP }, mapLength: 1 });
    const entry = await get(`/api/v2/dags/${dagId}/dagRuns/${runId}/taskInstances/deep/xcomEntries/return_value`);
    expect(entry).toMatchObject({ status: 200, body: { value: expect.stringContaining("not shown") } });

    const { id } = addTask(task({ id: fresh("job") }, () => null));
    const jobId = ulid(clock.now());
    const key = `xcom/${crypto.randomUUID()}`;
    await objectEnv.PAYLOADS.put(key, DEEP);
    for (const [result, at] of [
      [{ json: DEEP }, jobId],
      [{ r2: key, bytes: DEEP.length }, ulid(clock.now())],
    ] as const) {
      value(await jobOf(at).submit({ job_id: at, name: id, payload: null, runAt: null }));
      const token = (await jobOf(at).claim(WORKER))?.token ?? 0;
      await jobOf(at).report(token, { state: "success", value: result }, { from: 0, lines: [] });
      expect(await get(`/jobs/${at}`)).toMatchObject({ status: 200, body: { state: "success", result: NOT_SHOWN } });
    }
  });
});
