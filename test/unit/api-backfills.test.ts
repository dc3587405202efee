import { describe, it } from "vitest";
import type { BackfillReportView, BackfillView } from "../../src/engine/backfill-objects.ts";
import type { CatalogObject, DagObject, Refusal } from "../../src/engine/objects.ts";
import { containing } from "./api-matchers.ts";
import { NOW, ok, testApi } from "./api-support.ts";

const PATH = "/api/v2/backfills";
const BODY = { dag_id: "etl", from_date: "2026-01-01T00:00:00Z", to_date: "2026-01-03T00:00:00+00:00" };
const REQUEST = {
  from_date: Date.UTC(2026, 0, 1),
  to_date: Date.UTC(2026, 0, 3),
  run_backwards: false,
  dag_run_conf: null,
  reprocess_behavior: "none",
  max_active_runs: 10,
  run_on_latest_version: true,
  stop_on_first_failure: false,
  canary: null,
  triggering_user_name: null,
} as const;

const VIEW: BackfillView = {
  ...REQUEST,
  id: 7,
  dag_id: "etl",
  is_paused: false,
  is_waiting_for_canary: false,
  created_at: NOW,
  updated_at: NOW,
  completed_at: null,
  end_reason: null,
  first_failed_run_id: null,
};

const JSON_VIEW = {
  id: 7,
  dag_id: "etl",
  dag_display_name: "etl",
  from_date: "2026-01-01T00:00:00Z",
  to_date: "2026-01-03T00:00:00Z",
  dag_run_conf: {},
  is_paused: false,
  reprocess_behavior: "none",
  max_active_runs: 10,
  created_at: "2026-01-31T06:00:00Z",
  updated_at: "2026-01-31T06:00:00Z",
  completed_at: null,
  run_backwards: false,
  run_on_latest_version: true,
  stop_on_first_failure: false,
  canary: null,
  is_waiting_for_canary: false,
  end_reason: null,
  first_failed_dag_run_id: null,
  triggering_user_name: null,
};

const catalog: Partial<CatalogObject> = {
  newBackfill: async () => 7,
  backfillDag: async (id) => (id === 7 ? "etl" : id === 8 ? "gone" : null),
};

function refused(code: Refusal["code"], message = "no") {
  return { ok: false as const, refusal: { code, message, loc: ["body", "from_date"] } };
}

function dagWith(methods: Partial<DagObject> = {}): Partial<DagObject> {
  return { checkBackfill: async () => ok(null), createBackfill: async () => ok(VIEW), ...methods };
}

describe("making a backfill", () => {
  it("checks it, takes a number, and makes it", async ({ expect }) => {
    const api = testApi({ dag: dagWith(), catalog });
    expect(await api.send("POST", PATH, { json: BODY })).toMatchObject({ status: 200, body: JSON_VIEW });
    expect(api.calls).toEqual([
      { object: "DAG etl", method: "checkBackfill", args: [REQUEST] },
      { object: "DAG etl", method: "createBackfill", args: [7, REQUEST] },
    ]);
  });

  it("takes every field", async ({ expect }) => {
    const api = testApi({ dag: dagWith(), catalog });
    const fields = {
      run_backwards: true,
      dag_run_conf: { year: 2026 },
      reprocess_behavior: "completed",
      max_active_runs: 3,
      run_on_latest_version: false,
      stop_on_first_failure: true,
      canary: 2,
    };
    await api.send("POST", PATH, { json: { ...BODY, ...fields } });
    expect(api.calls[0]?.args).toEqual([{ ...REQUEST, ...fields }]);
  });

  it.for([
    ["conflict", 409],
    ["invalid", 422],
    ["not_found", 404],
    ["too_large", 413],
  ] as const)("takes no number if it is refused: %s", async ([code, status], { expect }) => {
    const dag = dagWith({ checkBackfill: async () => refused(code) });
    const api = testApi({ dag, catalog: { newBackfill: () => expect.fail("no number is needed") } });
    expect((await api.send("POST", PATH, { json: BODY })).status).toBe(status);
  });

  it("is a 404 for a DAG that there is not, and makes no object", async ({ expect }) => {
    const api = testApi({ dag: dagWith(), catalog });
    for (const path of [PATH, `${PATH}/dry_run`, `${PATH}/plan`]) {
      for (const dagId of ["nope", "@batch:1", "~", "__proto__", "a/../b\u0000"]) {
        const answer = await api.send("POST", path, { json: { ...BODY, dag_id: dagId } });
        expect(answer).toMatchObject({ status: 404, body: { detail: `Could not find dag ${dagId}` } });
      }
    }
    expect(api.calls).toEqual([]);
  });

  it.for<[string, Record<string, unknown>]>([
    ["dag_id", { dag_id: 1 }],
    ["from_date", { from_date: "2026-01-01" }],
    ["from_date", { from_date: "2026-01-01T00:00:00" }],
    ["to_date", { to_date: null }],
    ["to_date", { to_date: "9999-01-01T00:00:00Z" }],
    ["run_backwards", { run_backwards: "yes" }],
    ["dag_run_conf", { dag_run_conf: [] }],
    ["reprocess_behavior", { reprocess_behavior: "all" }],
    ["reprocess_behavior", { reprocess_behavior: null }],
    ["max_active_runs", { max_active_runs: 0 }],
    ["max_active_runs", { max_active_runs: 1e9 }],
    ["max_active_runs", { max_active_runs: 1.5 }],
    ["canary", { canary: 0 }],
    ["canary", { canary: -1 }],
    ["stop_on_first_failure", { stop_on_first_failure: 1 }],
    ["colour", { colour: "red" }],
    ["id", { id: 3 }],
  ])("is a 422 about %s: %j", async ([field, fields], { expect }) => {
    const api = testApi({ dag: dagWith(), catalog });
    for (const path of [PATH, `${PATH}/dry_run`, `${PATH}/plan`]) {
      const answer = await api.send("POST", path, { json: { ...BODY, ...fields } });
      expect(answer).toMatchObject({ status: 422, body: { detail: [{ loc: ["body", field] }] } });
    }
    expect(api.calls).toEqual([]);
  });

  it("is told between which numbers it is expected", async ({ expect }) => {
    const api = testApi({ dag: dagWith(), catalog });
    const answer = await api.send("POST", PATH, { json: { ...BODY, max_active_runs: 0, canary: 10_001 } });
    expect(answer.body).toMatchObject({
      detail: [
        { msg: "expected a whole number from 1 to 1000, got 0" },
        { msg: "expected a whole number from 1 to 10000, got 10001" },
      ],
    });
  });

  it("is a 413 for conf that is too large", async ({ expect }) => {
    const api = testApi({ dag: dagWith(), catalog });
    const json = { ...BODY, dag_run_conf: { text: "x".repeat(200_000) } };
    expect((await api.send("POST", PATH, { json })).status).toBe(413);
  });
});

describe("a backfill by its number", () => {
  it.for([
    ["GET", "", "getBackfill", [7]],
    ["PUT", "/pause", "setBackfillPaused", [7, true]],
    ["PUT", "/unpause", "setBackfillPaused", [7, false]],
    ["PUT", "/cancel", "cancelBackfill", [7]],
  ] as const)("%s %s asks the DAG that it belongs to", async ([method, path, asked, args], { expect }) => {
    const answers: Partial<DagObject> = {
      getBackfill: async () => ok(VIEW),
      setBackfillPaused: async () => ok(VIEW),
      cancelBackfill: async () => ok(VIEW),
    };
    const api = testApi({ dag: answers, catalog });
    expect(await api.send(method, `${PATH}/7${path}`)).toMatchObject({ status: 200, body: JSON_VIEW });
    expect(api.calls).toEqual([{ object: "DAG etl", method: asked, args }]);
  });

  const all = [
    ["GET", ""],
    ["GET", "/report"],
    ["PUT", "/pause"],
    ["PUT", "/unpause"],
    ["PUT", "/cancel"],
  ] as const;

  it.for(all)(
    "%s %s: none is a 404, no number a 422, and neither makes an object",
    async ([method, path], { expect }) => {
      const api = testApi({ catalog });
      for (const id of ["1", "8", "999999999999999"]) {
        const detail = `Could not find backfill with id ${id}`;
        expect(await api.send(method, `${PATH}/${id}${path}`)).toMatchObject({ status: 404, body: { detail } });
      }
      for (const id of ["-1", "1.5", "seven", "%00", "9".repeat(40)]) {
        const answer = await api.send(method, `${PATH}/${id}${path}`);
        expect(answer).toMatchObject({ status: 422, body: { detail: [{ loc: ["path", "backfill_id"] }] } });
      }
      expect(api.calls).toEqual([]);
    },
  );

  it("that is over is a 409", async ({ expect }) => {
    const over = async () => refused("conflict", "Backfill is already completed.");
    const api = testApi({ dag: { setBackfillPaused: over, cancelBackfill: over }, catalog });
    for (const action of ["pause", "unpause", "cancel"]) {
      expect(await api.send("PUT", `${PATH}/7/${action}`)).toMatchObject({
        status: 409,
        body: { detail: "Backfill is already completed." },
      });
    }
  });
});

describe("the list of backfills", () => {
  const dag: Partial<DagObject> = { listBackfills: async () => ok({ items: [VIEW], total: 12 }) };

  it("is that of one DAG, in pages, by number", async ({ expect }) => {
    const api = testApi({ dag, catalog });
    const answer = await api.send("GET", `${PATH}?dag_id=etl&limit=1&offset=3&order_by=-id`);
    expect(answer).toMatchObject({ status: 200, body: { backfills: [JSON_VIEW], total_entries: 12 } });
    await api.send("GET", `${PATH}?dag_id=etl`);
    expect(api.calls.map(({ args }) => args)).toEqual([
      [1, 3, true],
      [50, 0, false],
    ]);
  });

  it("is empty for a DAG that there is not, as Airflow answers it", async ({ expect }) => {
    const api = testApi({ dag, catalog });
    expect((await api.send("GET", `${PATH}?dag_id=nope`)).body).toEqual({ backfills: [], total_entries: 0 });
    expect(api.calls).toEqual([]);
  });

  it("needs a DAG and a field that there is", async ({ expect }) => {
    const api = testApi({ dag, catalog });
    expect((await api.send("GET", PATH)).status).toBe(422);
    expect(await api.send("GET", `${PATH}?dag_id=etl&order_by=colour`)).toMatchObject({
      status: 400,
      body: { detail: containing("colour") },
    });
  });
});

describe("before and after", () => {
  const date = (day: number) => {
    const at = Date.UTC(2026, 0, day);
    return { logical_date: at, data_interval_start: at, data_interval_end: at, run_after: at };
  };
  const dag: Partial<DagObject> = {
    planBackfill: async () =>
      ok({
        dates: [
          { sort_ordinal: 1, ...date(1), action: "create", reason: null, run_id: null, state: null },
          { sort_ordinal: 2, ...date(2), action: "reprocess", reason: null, run_id: "r2", state: "failed" },
          { sort_ordinal: 3, ...date(3), action: "skip", reason: "in flight", run_id: "r3", state: "running" },
        ],
        estimated_task_instances: 8,
        active_backfill_id: 4,
      }),
  };

  it("a dry run has the dates that would get a run", async ({ expect }) => {
    const api = testApi({ dag, catalog });
    expect(await api.send("POST", `${PATH}/dry_run`, { json: BODY })).toMatchObject({
      status: 200,
      body: {
        backfills: [
          { logical_date: "2026-01-01T00:00:00Z", partition_key: null, partition_date: null },
          { logical_date: "2026-01-02T00:00:00Z", partition_key: null, partition_date: null },
        ],
        total_entries: 2,
      },
    });
  });

  it("a plan has all dates, and what becomes of each", async ({ expect }) => {
    const api = testApi({ dag, catalog });
    const { body } = await api.send("POST", `${PATH}/plan`, { json: BODY });
    expect(body).toMatchObject({
      total_entries: 3,
      created: 1,
      reprocessed: 1,
      skipped: 1,
      estimated_task_instances: 8,
      active_backfill_id: 4,
      dates: [
        { action: "create", dag_run_id: null, logical_date: "2026-01-01T00:00:00Z" },
        { action: "reprocess", dag_run_id: "r2", dag_run_state: "failed" },
        { action: "skip", reason: "in flight", dag_run_id: "r3", sort_ordinal: 3 },
      ],
    });
  });

  it("a report shows lists with their totals, and cuts errors", async ({ expect }) => {
    const where = { run_id: "r1", logical_date: Date.UTC(2026, 0, 1), task_id: "a", map_index: -1, try_number: 1 };
    const report: BackfillReportView = {
      backfill: VIEW,
      dates: 3,
      runs: { queued: 0, running: 0, success: 1, failed: 2 },
      never_started: 0,
      skipped: { "in flight": 0, "already exists": 0 },
      deleted: 0,
      failed_runs: { items: [{ ...where, state: "failed", reason: "task_failure" }], total: 200 },
      failed_task_instances: {
        items: [{ ...where, state: "failed", error: { type: "Error", message: "x".repeat(5000) } }],
        total: 300,
      },
      deadlocked_runs: { items: [], total: 0 },
      deadlocked_task_instances: { items: [{ ...where, state: null, passes_if_past_is_ignored: true }], total: 1 },
    };
    const api = testApi({ dag: { reportBackfill: async () => ok(report) }, catalog });
    const { body, status } = await api.send("GET", `${PATH}/7/report`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      backfill: JSON_VIEW,
      runs: { success: 1, failed: 2 },
      failed_runs: [{ dag_run_id: "r1", state: "failed", reason: "task_failure" }],
      failed_runs_total: 200,
      failed_task_instances: [{ dag_run_id: "r1", task_id: "a", error: containing("Error: xxx") }],
      failed_task_instances_total: 300,
      deadlocked_task_instances: [{ state: null, passes_if_past_is_ignored: true }],
    });
    expect(JSON.stringify(body).length).toBeLessThan(4000);
  });
});
