/**
 * Task instances over HTTP on real objects: what a client sees of marks, clears, notes and deletions, in one DAG and many.
 */
import { describe, it } from "vitest";
import { z } from "zod";
import { call, must } from "../contract/scene.ts";
import { drive, failure, runOf, start, statesOf, stopClock, success } from "./lab.ts";
import { addDag, inOrder, step } from "./registry.ts";

stopClock();

const collection = z.object({
  task_instances: z.array(
    z.object({
      dag_id: z.string(),
      task_id: z.string(),
      map_index: z.number(),
      state: z.string().nullable(),
      note: z.string().nullable(),
      try_number: z.number(),
    }),
  ),
  total_entries: z.number(),
});

/** The instances of an answer as `task:state`, in its order. */
function statesIn(body: unknown): string[] {
  return collection.parse(body).task_instances.map(({ task_id: id, state }) => `${id}:${state}`);
}

function pathOf(dagId: string, runId: string, rest = ""): string {
  return `/api/v2/dags/${dagId}/dagRuns/${encodeURIComponent(runId)}/taskInstances${rest}`;
}

/** A chain a → b → c whose middle failed, and its run. */
async function broken(): Promise<{ dagId: string; runId: string }> {
  const dagId = addDag({}, (d) => void inOrder(d, "a", "b", "c"));
  const runId = await start(dagId);
  await drive(dagId, runId, ({ task_id: id }) => (id === "b" ? failure("no", false) : success()));
  return { dagId, runId };
}

describe("a patch", () => {
  it("of a failed task lets the run go on, and again is a 409", async ({ expect }) => {
    const { dagId, runId } = await broken();
    const json = { new_state: "success", note: "seen" };
    const preview = await must("PATCH", pathOf(dagId, runId, "/b/dry_run"), { json });
    expect(statesIn(preview)).toEqual(["b:failed"]);
    expect(await runOf(dagId, runId)).toMatchObject({ state: "failed" });

    const { body } = await call("PATCH", pathOf(dagId, runId, "/b"), { json });
    expect(collection.parse(body).task_instances).toMatchObject([{ task_id: "b", state: "success", note: "seen" }]);
    expect(await statesOf(dagId, runId)).toMatchObject({ c: "queued" });
    expect(await call("PATCH", pathOf(dagId, runId, "/b"), { json })).toMatchObject({
      status: 409,
      body: { detail: "Task id b is already in success state" },
    });
  });

  it("of a note removes it again", async ({ expect }) => {
    const { dagId, runId } = await broken();
    await must("PATCH", pathOf(dagId, runId, "/a"), { json: { note: "x" } });
    await must("PATCH", pathOf(dagId, runId, "/a?update_mask=note"), { json: { note: null } });
    expect(await must("GET", pathOf(dagId, runId, "/a"))).toMatchObject({ note: null });
  });

  it("of a group marks what is in it, and nothing starts in between", async ({ expect }) => {
    const dagId = addDag({}, (d) => {
      const work = d.group("work", {}, (group) => void inOrder(group, "one", "two"));
      d.after(work, d.run(step("after")));
    });
    const runId = await start(dagId);
    await drive(dagId, runId, () => failure("no", false));
    const path = `/api/v2/dags/${dagId}/dagRuns/${encodeURIComponent(runId)}/taskGroupInstances/work`;
    const marked = await must("PATCH", path, { json: { new_state: "success", note: "by hand" } });
    expect(statesIn(marked).toSorted()).toEqual(["work.one:success", "work.two:success"]);
    expect(collection.parse(marked).task_instances.map(({ note }) => note)).toEqual(["by hand", "by hand"]);
    expect(await statesOf(dagId, runId)).toEqual({ "work.one": "success", "work.two": "success", after: "queued" });
    expect((await call("PATCH", path, { json: { new_state: "success" } })).status).toBe(409);
  });
});

describe("a clear", () => {
  it("lists first, then clears, and puts the note on what it cleared", async ({ expect }) => {
    const { dagId, runId } = await broken();
    const path = `/api/v2/dags/${dagId}/clearTaskInstances`;
    expect(statesIn(await must("POST", path, { json: { dag_run_id: runId } }))).toEqual([
      "b:failed",
      "c:upstream_failed",
    ]);
    expect(await runOf(dagId, runId)).toMatchObject({ state: "failed" });
    const json = { dag_run_id: runId, dry_run: false, note: "again" };
    const { task_instances: cleared } = collection.parse(await must("POST", path, { json }));
    expect(cleared).toMatchObject([
      { task_id: "b", note: "again" },
      { task_id: "c", note: "again" },
    ]);
    expect(await runOf(dagId, runId)).toMatchObject({ state: "running", note: null });
    expect(await drive(dagId, runId, () => success())).toMatchObject({ state: "success" });
    expect(await must("GET", pathOf(dagId, runId, "/b/tries"))).toMatchObject({
      task_instances: [
        { try_number: 1, state: "failed" },
        { try_number: 2, state: "success" },
      ],
      total_entries: 2,
    });
    expect(await must("GET", pathOf(dagId, runId, "/b/tries/1"))).toMatchObject({ state: "failed" });
  });

  it.for([
    [{ dag_run_id: "no_such" }, 404, "Dag Run id no_such not found in dag"],
    [{ include_past: true }, 400, "Cannot use include_past or include_future with no logical_date"],
  ] as const)("of %j is refused with %d", async ([more, status, text], { expect }) => {
    const { dagId, runId } = await broken();
    const json = { dag_run_id: runId, dry_run: false, only_failed: false, ...more };
    const answer = await call("POST", `/api/v2/dags/${dagId}/clearTaskInstances`, { json });
    expect([answer.status, answer.text.includes(text)]).toEqual([status, true]);
    expect(await runOf(dagId, runId)).toMatchObject({ state: "failed" });
  });
});

describe("a list", () => {
  it("over two DAGs is one, sorted and cut", async ({ expect }) => {
    const [first, second] = [await broken(), await broken()];
    const json = { dag_ids: [first.dagId, second.dagId], order_by: "-state", page_limit: 3 };
    const { task_instances: items, total_entries: total } = collection.parse(
      await must("POST", "/api/v2/dags/~/dagRuns/~/taskInstances/list", { json }),
    );
    expect([items.map(({ state }) => state), total]).toEqual([["upstream_failed", "upstream_failed", "success"], 6]);
    expect(items.slice(0, 2).map(({ dag_id: id }) => id)).toEqual([second.dagId, first.dagId]);
  });

  it("of a run that is not there is a 404, and of one without its DAG a 400", async ({ expect }) => {
    const { dagId, runId } = await broken();
    expect((await call("GET", pathOf(dagId, "no_such"))).status).toBe(404);
    expect((await call("GET", pathOf("~", runId))).status).toBe(400);
  });
});

describe("a deletion", () => {
  it("answers null, and the task instance is gone", async ({ expect }) => {
    const { dagId, runId } = await broken();
    expect(await call("DELETE", pathOf(dagId, runId, "/c"))).toMatchObject({ status: 200, body: null });
    expect((await call("GET", pathOf(dagId, runId, "/c"))).status).toBe(404);
    expect((await call("DELETE", pathOf(dagId, runId, "/c"))).status).toBe(404);
    expect(statesIn(await must("GET", pathOf(dagId, runId)))).toEqual(["a:success", "b:failed"]);
  });

  it("in bulk stands beside marks, each with its own end", async ({ expect }) => {
    const { dagId, runId } = await broken();
    const json = {
      actions: [
        {
          action: "update",
          entities: [
            { task_id: "b", new_state: "failed" },
            { task_id: "a", new_state: "failed" },
          ],
        },
        { action: "delete", entities: ["c", "c"] },
      ],
    };
    expect(await must("PATCH", pathOf(dagId, runId), { json })).toMatchObject({
      update: {
        success: [`${dagId}.${runId}.a[-1]`],
        errors: [{ error: "Task id b is already in failed state", status_code: 409 }],
      },
      delete: { success: [`${dagId}.${runId}.c[-1]`], errors: [{ status_code: 404 }] },
    });
  });
});
