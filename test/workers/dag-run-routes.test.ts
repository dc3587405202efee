import { exports } from "cloudflare:workers";
import { describe, it } from "vitest";
import { z } from "zod";
import { task } from "../../src/sdk/index.ts";
import { adopt, claimOne, drive, failure, report, start, statesOf, stopClock, success } from "./lab.ts";
import { addDag, inOrder, step } from "./registry.ts";

stopClock();

async function fetchRoute(method: string, path: string, json?: unknown): Promise<Response> {
  return exports.default.fetch(`https://jobbers.test/api/v2${path}`, {
    method,
    headers: { authorization: "Bearer test-key", "content-type": "application/json" },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  });
}

async function ask(method: string, path: string, json?: unknown): Promise<{ status: number; body: unknown }> {
  const response = await fetchRoute(method, path, json);
  const text = await response.text();
  return { status: response.status, body: text === "" ? null : JSON.parse(text) };
}

/** The text of a stream, whatever type it says it is. */
async function textOf(response: Response): Promise<string> {
  return new TextDecoder().decode(await response.arrayBuffer());
}

/** Two tasks, one after the other. */
function pair(): string {
  return addDag({}, (d) => void inOrder(d, "a", "b"));
}

const runsSchema = z.object({ dag_runs: z.array(z.object({ dag_id: z.string(), dag_run_id: z.string() })) });

describe("waiting for a run over HTTP", () => {
  it("tells its states and, as soon as it is over, what its tasks returned", async ({ expect }) => {
    const numbers = task({ id: "numbers" }, () => [1, 2]);
    const double = task({ id: "double" }, (_ctx, { n }: { n: number }) => n);
    const dagId = addDag({}, (d) => void d.expand(double, { n: d.run(numbers, {}) }));
    const runId = await start(dagId);
    const response = await fetchRoute(
      "GET",
      `/dags/${dagId}/dagRuns/${runId}/wait?interval=20&result=numbers&result=double`,
    );
    expect(response.headers.get("content-type")).toBe("application/x-ndjson");
    const text = textOf(response);
    await drive(dagId, runId, ({ task_id: id, map_index: index }) => success(id === "numbers" ? [1, 2] : index * 10));
    expect(await text).toBe('{"state":"running"}\n{"state":"success","results":{"numbers":[1,2],"double":[0,10]}}\n');
  });

  it("tells of a mark at once", async ({ expect }) => {
    const dagId = pair();
    const runId = await start(dagId);
    const response = await fetchRoute("GET", `/dags/${dagId}/dagRuns/${runId}/wait?interval=20`);
    const text = textOf(response);
    expect((await ask("PATCH", `/dags/${dagId}/dagRuns/${runId}`, { state: "failed" })).status).toBe(200);
    expect(await text).toMatch(/\{"state":"failed"\}\n$/);
  });
});

describe("runs over HTTP", () => {
  it("are marked, noted, cleared and deleted", async ({ expect }) => {
    const dagId = pair();
    const path = `/dags/${dagId}/dagRuns/r1`;
    expect(await ask("POST", `/dags/${dagId}/dagRuns`, { logical_date: null, dag_run_id: "r1" })).toMatchObject({
      status: 200,
      body: { state: "running", partition_date: null, triggering_user_name: null },
    });
    expect(await ask("DELETE", path)).toMatchObject({ status: 409 });
    expect(await ask("PATCH", path, { state: "success", note: "by hand" })).toMatchObject({
      status: 200,
      body: { state: "success", note: "by hand" },
    });
    expect(await ask("POST", `${path}/clear`, {})).toMatchObject({
      status: 200,
      body: { task_instances: [{ task_id: "a", state: "skipped" }, { task_id: "b" }], total_entries: 2 },
    });
    expect(await ask("POST", `${path}/clear`, { dry_run: false, note: "" })).toMatchObject({
      status: 200,
      body: { dag_run_id: "r1", note: null },
    });
    expect(await statesOf(dagId, "r1")).toEqual({ a: "queued", b: "none" });
    await ask("PATCH", path, { state: "failed" });
    expect(await ask("DELETE", path)).toEqual({ status: 204, body: null });
    expect(await ask("GET", path)).toEqual({
      status: 404,
      body: { detail: `The DagRun with dag_id: \`${dagId}\` and run_id: \`r1\` was not found` },
    });
  });

  it("are listed with their ties, and those of their task instances, turned round by a descending key", async ({
    expect,
  }) => {
    const dagId = pair();
    for (const runId of ["t1", "t2"]) {
      await start(dagId, { run_id: runId });
    }
    const runIds = async (orderBy: string) =>
      runsSchema
        .parse((await ask("GET", `/dags/${dagId}/dagRuns?order_by=${orderBy}`)).body)
        .dag_runs.map(({ dag_run_id: id }) => id);
    expect(await runIds("state")).toEqual(["t1", "t2"]);
    expect(await runIds("-state")).toEqual(["t2", "t1"]);
    expect(await runIds("state&order_by=-conf")).toEqual(["t1", "t2"]);
    const instances = async (orderBy: string) =>
      (await ask("GET", `/dags/${dagId}/dagRuns/~/taskInstances?order_by=${orderBy}`)).body;
    const named = (...names: string[][]) => names.map(([dag_run_id, task_id]) => ({ dag_run_id, task_id }));
    expect(await instances("map_index")).toMatchObject({
      task_instances: named(["t1", "a"], ["t1", "b"], ["t2", "a"], ["t2", "b"]),
    });
    expect(await instances("-map_index")).toMatchObject({
      task_instances: named(["t2", "b"], ["t2", "a"], ["t1", "b"], ["t1", "a"]),
    });
  });

  it("of many DAGs are listed, cleared and deleted together", async ({ expect }) => {
    const [first, second] = [pair(), pair()];
    const ids: Record<string, string[]> = { [first]: ["m1", "m2"], [second]: ["m3"] };
    for (const dagId of [first, second]) {
      for (const runId of ids[dagId] ?? []) {
        await start(dagId, { run_id: runId, conf: { mine: "gathered" } });
        await drive(dagId, runId, ({ task_id: id }) => (id === "a" ? success() : failure("no", false)));
      }
    }
    const filter = { conf_contains: "gathered", states: ["failed"], order_by: "-run_id" };
    const listed = await ask("POST", "/dags/~/dagRuns/list", { dag_ids: [first, second, "nothing"], ...filter });
    expect(runsSchema.parse(listed.body).dag_runs.map(({ dag_run_id: id }) => id)).toEqual(["m3", "m2", "m1"]);
    const page = await ask("GET", `/dags/~/dagRuns?conf_contains=gathered&order_by=run_id&limit=1&offset=1`);
    expect(page.body).toMatchObject({ dag_runs: [{ dag_id: first, dag_run_id: "m2" }], total_entries: 3 });

    const named = [
      { dag_id: first, dag_run_id: "m1" },
      { dag_id: second, dag_run_id: "m3" },
    ];
    expect(
      await ask("POST", "/dags/~/clearDagRuns", { dry_run: false, only_failed: true, dag_runs: named }),
    ).toMatchObject({ status: 200, body: { total_entries: 2 } });
    expect(await statesOf(first, "m1")).toEqual({ a: "success", b: "queued" });
    expect(await statesOf(first, "m2")).toEqual({ a: "success", b: "failed" });

    const update = { action: "update", entities: named.map((each) => ({ ...each, state: "success", note: "ok" })) };
    const remove = { action: "delete", entities: [...named, { dag_id: second, dag_run_id: "nothing" }] };
    expect(await ask("PATCH", "/dags/~/dagRuns", { actions: [update, remove] })).toMatchObject({
      status: 200,
      body: {
        create: null,
        update: { success: [`${first}.m1`, `${second}.m3`], errors: [] },
        delete: { success: [`${first}.m1`, `${second}.m3`], errors: [{ status_code: 404 }] },
      },
    });
  });
});

describe("Airflow's list of jobs over HTTP", () => {
  it("has the job that watches a task instance, until it is over", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("long")));
    const runId = await start(dagId);
    const claimed = await claimOne(dagId, runId, "long");
    const jobId = "01JC6V9XH3ZQ5W8M2T4R7K0NQQ";
    await adopt(dagId, jobId, claimed);
    const mine = `/jobs?dag_id=${dagId}`;
    expect(await ask("GET", `${mine}&is_alive=true`)).toMatchObject({
      status: 200,
      body: { jobs: [{ job_id: jobId, dag_id: dagId, state: "running", is_alive: true }], total_entries: 1 },
    });
    await report(dagId, claimed, success());
    expect((await ask("GET", mine)).body).toEqual({ jobs: [], total_entries: 0 });
    expect((await ask("GET", `${mine}&job_id=${jobId}`)).body).toMatchObject({ jobs: [{ job_id: jobId }] });
  });
});
