/**
 * Bodies that mean something for the scene, by operation: a schema alone makes few of those. "$dag_run_id" stands for the
 * run that the path names.
 *
 * @module
 */
import { KEY } from "../contract/scene.ts";
import { ECHO } from "../workers/registry.ts";

const DAG = "/api/v2/dags/{dag_id}";
const RUN = `${DAG}/dagRuns/{dag_run_id}`;
const INSTANCE = `${RUN}/taskInstances/{task_id}`;

const marks = [
  { new_state: "success" },
  { new_state: "failed", include_downstream: true },
  { new_state: "skipped", include_upstream: true, note: "marked" },
  { new_state: "failed", include_future: true, include_past: true },
  { note: "a note" },
];
const spec = {
  dag_id: "registered",
  description: "put by the fuzzer",
  tags: ["fuzz"],
  params: { year: { default: 2026, schema: { type: "integer" } } },
  task_groups: [{ group_id: "g" }],
  tasks: [
    { task_id: "first", handler: ECHO, input: { a: { $ref: "params", path: ["year"] } } },
    { task_id: "g.second", handler: ECHO, task_group_id: "g", input: { $ref: "xcom", task_id: "first" }, retries: 2 },
    {
      task_id: "third",
      handler: ECHO,
      expand: { type: "expand", kwargs: { n: { literal: [1, 2] } } },
      trigger_rule: "none_failed",
    },
  ],
};

/** The scene's registered DAG is due once a year; the clock of the fuzzer stands later. */
const dates = { dag_id: "registered", from_date: "2010-01-01T00:00:00Z", to_date: "2020-01-01T00:00:00Z" };
const backfills = [
  dates,
  { ...dates, run_backwards: true, reprocess_behavior: "completed", max_active_runs: 1, canary: 1 },
  { ...dates, reprocess_behavior: "failed", stop_on_first_failure: true, dag_run_conf: { a: 1 } },
  { ...dates, dag_id: "orders" },
];

export const EXAMPLES: Readonly<Record<string, readonly unknown[]>> = {
  "POST /tasks/{name}": [{ payload: { a: 1 } }, { payload: null, delay: 60 }, {}],
  "POST /tasks": [
    {
      tasks: [
        { name: ECHO, payload: 1 },
        { name: ECHO, delay: 5 },
      ],
    },
    { tasks: [{ name: ECHO }, { name: "no_such_task" }] },
  ],
  "POST /jobs/{job_id}/kill": [{}, { reason: "no longer wanted" }],
  "POST /jobs/{job_id}/heartbeat": [{ step: "half", fraction: 0.5, data: { rows: 1 } }, {}],
  [`PUT ${DAG}`]: [
    spec,
    { ...spec, dag_id: "orders" },
    { ...spec, tasks: [] },
    { ...spec, webhook: { provider: "github", secret: "S" } },
  ],
  [`PATCH ${DAG}`]: [{ is_paused: true }, { is_paused: false }],
  "POST /api/v2/pools": [
    { name: "fuzzed", slots: 3 },
    { name: "fuzz/ed", slots: -1, include_deferred: true },
    { name: "default_pool", slots: 1 },
  ],
  "PATCH /api/v2/pools": [
    {
      actions: [
        { action: "create", action_on_existence: "overwrite", entities: [{ name: "fuzzed", slots: 1 }] },
        { action: "update", update_mask: ["slots"], entities: [{ name: "fuzzed", slots: 2 }] },
        { action: "delete", entities: ["fuzzed", { name: "default_pool", slots: 1 }] },
      ],
    },
  ],
  "PATCH /api/v2/pools/{pool_name}": [{ slots: 4 }, { pool: "fuzzed", description: null }, { include_deferred: true }],
  "PATCH /api/v2/dags": [{ is_paused: false }],
  [`POST ${DAG}/dagRuns`]: [
    { logical_date: null },
    { logical_date: null, conf: { year: 2025 }, note: "again" },
    { logical_date: "2026-01-31T06:00:00Z", dag_run_id: "by-hand" },
    {
      logical_date: "2026-01-31T06:00:00+02:00",
      data_interval_start: "2026-01-30T06:00:00Z",
      data_interval_end: "2026-01-31T06:00:00Z",
      run_after: "2026-01-31T07:00:00Z",
    },
  ],
  [`POST ${DAG}/dagRuns/list`]: [
    {},
    { dag_ids: ["orders"], states: ["success"], order_by: "-run_after", page_limit: 5 },
  ],
  [`PATCH ${RUN}`]: [{ note: "noted" }, { state: "failed" }, { state: "success", note: null }, { state: "queued" }],
  [`POST ${RUN}/clear`]: [{}, { dry_run: false }, { dry_run: false, only_failed: true, run_on_latest_version: true }],
  [`POST ${DAG}/clearTaskInstances`]: [
    {},
    { dry_run: false, only_failed: false, dag_run_id: "$dag_run_id", include_downstream: true, note: "again" },
    { dry_run: false, only_failed: false, task_ids: ["total", ["clean", 1]], include_upstream: true },
    { dry_run: false, start_date: "2026-01-01T00:00:00Z", end_date: "2026-12-31T00:00:00Z" },
    { task_ids: [["clean", 99]], include_future: true, include_past: true },
  ],
  [`POST ${RUN}/taskInstances/list`]: [{}, { dag_ids: ["orders"], state: ["success", null], page_limit: 2 }],
  [`PATCH ${DAG}/dagRuns`]: [
    { actions: [{ action: "update", entities: [{ dag_run_id: "$dag_run_id", note: "bulk" }] }] },
    { actions: [{ action: "delete", entities: ["$dag_run_id", "nope"], action_on_non_existence: "skip" }] },
  ],
  "POST /api/v2/backfills": backfills,
  "POST /api/v2/backfills/dry_run": backfills,
  "POST /api/v2/backfills/plan": backfills,
  "PUT /api/v2/queues/roles/{role}": [{ queue: "heavy" }, { queue: "default" }, { queue: "nope" }],
  [`POST ${DAG}/clearDagRuns`]: [
    { dag_runs: [{ dag_run_id: "$dag_run_id" }] },
    { dry_run: false, dag_runs: [{ dag_run_id: "$dag_run_id" }] },
  ],
  [`PATCH ${RUN}/taskGroupInstances/{group_id}`]: marks,
  [`PATCH ${RUN}/taskGroupInstances/{group_id}/dry_run`]: marks,
  [`PATCH ${RUN}/taskInstances`]: [
    {
      actions: [
        {
          action: "update",
          entities: [
            { task_id: "total", new_state: "failed" },
            { task_id: "nope", new_state: "success" },
          ],
          action_on_non_existence: "skip",
        },
        { action: "delete", entities: [{ task_id: "clean", map_index: 1 }, "total"] },
      ],
    },
    { actions: [] },
  ],
  [`PATCH ${INSTANCE}`]: marks,
  [`PATCH ${INSTANCE}/dry_run`]: marks,
  [`PATCH ${INSTANCE}/{map_index}`]: marks,
  [`PATCH ${INSTANCE}/{map_index}/dry_run`]: marks,
  [`POST ${INSTANCE}/xcomEntries`]: [
    { key: "mine", value: { a: 1 } },
    { key: "mine", value: null, map_index: 1 },
  ],
  [`PATCH ${INSTANCE}/xcomEntries/{xcom_key}`]: [{ value: 1 }, { value: [1, "two"], map_index: 0 }],
  "POST /auth/token": [{ username: "ada", password: "wrong" }, { api_key: KEY }, {}],
  "POST /auth/token/cli": [{ api_key: KEY }],
};
