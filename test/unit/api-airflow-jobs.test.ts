import { describe, it } from "vitest";
import { jobNumber } from "../../src/api/schemas/airflow-job.ts";
import { memberId } from "../../src/engine/batch-ids.ts";
import type { IntakeObject } from "../../src/engine/intake.ts";
import type { DagObject, Result } from "../../src/engine/objects.ts";
import type { JobView, TaskInstanceView } from "../../src/engine/work.ts";
import { listWith } from "./api-matchers.ts";
import { instanceView, jobView, NOW, ok, testApi } from "./api-support.ts";

const JOBS = "/api/v2/jobs";

/** ULIDs of jobs, oldest first. */
const [A, B, C, LOST] = ["A", "B", "C", "D"].map((letter) => `01JC6V9XH3ZQ5W8M2T4R7K0N${letter}0`) as [
  string,
  string,
  string,
  string,
];
const BATCH = "01JC6V9XH3ZQ5W8M2T4R7K0NPD";

const alive = { state: "running", end_date: null, latest_heartbeat: NOW - 1000 } as const;
const VIEWS: Record<string, JobView> = {
  [A]: jobView({ id: A, ...alive, dag_id: "etl", hostname: "worker-2", start_date: NOW - 3000 }),
  [B]: jobView({ id: B, ...alive, dag_id: "etl", latest_heartbeat: NOW - 60_000, start_date: NOW - 2000 }),
  [C]: jobView({ id: C, dag_id: null, hostname: null, executor_class: null, start_date: NOW - 1000 }),
};

const missing = { ok: false, refusal: { code: "not_found", message: "there is no such job" } } as const;

/** An API in which the DAG etl has the adopted jobs, and every job of VIEWS can be asked. */
function jobsApi(adopted: (string | null)[] = [B, A, LOST, null], more: Partial<DagObject> = {}) {
  const asked: string[] = [];
  const env = {
    DAG: {
      getByName: (name: string): Partial<DagObject> => ({
        listAdopted: async (): Promise<Result<TaskInstanceView[]>> =>
          ok(name === "etl" ? adopted.map((id) => instanceView({ job_id: id })) : []),
        ...more,
      }),
    },
    INTAKE: {
      getByName: (): Partial<IntakeObject> => ({
        isLinked: async () => true,
        get: async (jobId) => {
          asked.push(jobId);
          const view = VIEWS[jobId];
          return view === undefined ? missing : ok(view);
        },
      }),
    },
  };
  return { ...testApi({ env }), asked };
}

describe("Airflow's list of jobs", () => {
  it("has its fields, an integer as id, and the job's own id", async ({ expect }) => {
    const { status, body } = await jobsApi([A]).send("GET", JOBS);
    expect(status).toBe(200);
    expect(body).toStrictEqual({
      jobs: [
        {
          id: jobNumber(A),
          dag_id: "etl",
          state: "running",
          job_type: "TaskJob",
          start_date: "2026-01-31T05:59:57Z",
          end_date: null,
          latest_heartbeat: "2026-01-31T05:59:59Z",
          executor_class: "QueueExecutor",
          hostname: "worker-2",
          unixname: "jobbers",
          dag_display_name: "etl",
          job_id: A,
          is_alive: true,
        },
      ],
      total_entries: 1,
    });
  });

  it("numbers jobs by integers that clients can hold, each job by its own", ({ expect }) => {
    const numbers = Array.from({ length: 5000 }, (_, index) => jobNumber(memberId(BATCH, index)));
    expect(numbers.every((number) => Number.isSafeInteger(number) && number > 0)).toBe(true);
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(jobNumber(A)).toBe(jobNumber(A));
  });

  it.for([
    ["", [A, B], 2],
    ["?limit=1", [A], 3],
    ["?limit=1&offset=1", [B], 3],
    ["?order_by=id", [A, B], 2],
    ["?order_by=-id", [B, A], 2],
    ["?order_by=-start_date", [B, A], 2],
    ["?order_by=hostname&order_by=-id", [B, A], 2],
    ["?order_by=-latest_heartbeat&limit=1", [A], 2],
    [`?job_id=${C}`, [A, B, C], 3],
    [`?job_id=${C}&job_id=${A}`, [A, B, C], 3],
    [`?job_id=${C}&order_by=executor_class`, [A, B, C], 3],
    [`?job_id=${C}&order_by=-executor_class`, [C, B, A], 3],
    ["?is_alive=true", [A], 1],
    [`?is_alive=false&job_id=${C}`, [B, C], 2],
    ["?job_state=running", [A, B], 2],
    ["?job_state=success", [], 0],
    [`?job_state=success&job_id=${C}`, [C], 1],
    ["?job_type=TaskJob", [A, B], 2],
    ["?job_type=SchedulerJob", [], 0],
    ["?hostname=worker-2", [A], 1],
    ["?executor_class=QueueExecutor", [A, B], 2],
    ["?dag_id=etl", [A, B], 2],
    ["?dag_id=reports", [], 0],
    ["?start_date_gt=2026-01-31T05:59:57Z", [B], 1],
    ["?start_date_gte=2026-01-31T05:59:57Z&start_date_lt=2026-01-31T05:59:58Z", [A], 1],
    [`?end_date_lte=2026-01-31T06:00:00Z&job_id=${C}`, [C], 1],
    ["?something_airflow_does_not_know=1", [A, B], 2],
  ] as const)("GET %s lists %j of %d", async ([query, ids, total], { expect }) => {
    const { status, body } = await jobsApi().send("GET", `${JOBS}${query}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ jobs: ids.map((id) => ({ job_id: id })), total_entries: total });
    expect(body).toMatchObject({ jobs: { length: ids.length } });
  });

  it("asks only the jobs of the page if the ids alone say which those are", async ({ expect }) => {
    const api = jobsApi();
    await api.send("GET", `${JOBS}?limit=1`);
    expect(api.asked).toEqual([A]);
  });

  it("looks at no more than a thousand jobs, the oldest", async ({ expect }) => {
    const api = jobsApi(Array.from({ length: 1200 }, (_, index) => memberId(BATCH, index)).toReversed(), {
      getMember: async () => missing,
    });
    const { body } = await api.send("GET", `${JOBS}?limit=0&job_id=${A}`);
    expect(body).toMatchObject({ total_entries: 1000 });
  });

  it("finds members of bulk submissions in their batch, and what only looks like one by itself", async ({ expect }) => {
    const member = memberId(BATCH, 3);
    const inBatch = jobsApi([], { getMember: async (index) => ok(jobView({ id: member, try_number: index })) });
    expect((await inBatch.send("GET", `${JOBS}?job_id=${member}`)).body).toMatchObject({ jobs: [{ job_id: member }] });
    expect(inBatch.asked).toEqual([]);
    const alone = jobsApi([], { getMember: async () => missing });
    await alone.send("GET", `${JOBS}?job_id=${member}`);
    expect(alone.asked).toEqual([member]);
  });

  it.for([
    ["job_id=abc", 422, ["query", "job_id"]],
    [`job_id=${A}&job_id=../x`, 422, ["query", "job_id"]],
    ["is_alive=perhaps", 422, ["query", "is_alive"]],
    ["start_date_gte=now", 422, ["query", "start_date_gte"]],
  ] as const)("?%s is refused", async ([query, status, loc], { expect }) => {
    const api = jobsApi();
    const answer = await api.send("GET", `${JOBS}?${query}`);
    expect(answer.status).toBe(status);
    expect(answer.body).toMatchObject({ detail: listWith({ loc }) });
    expect(api.asked).toEqual([]);
  });

  it("is refused for more than a hundred names", async ({ expect }) => {
    const query = Array.from({ length: 101 }, () => `job_id=${A}`).join("&");
    expect((await jobsApi().send("GET", `${JOBS}?${query}`)).status).toBe(422);
  });

  it("is not sorted by what is no field", async ({ expect }) => {
    expect((await jobsApi().send("GET", `${JOBS}?order_by=progress`)).status).toBe(400);
  });

  it("leaves out a DAG that is gone meanwhile", async ({ expect }) => {
    const api = jobsApi([], { listAdopted: async () => missing });
    expect((await api.send("GET", JOBS)).body).toEqual({ jobs: [], total_entries: 0 });
  });
});
