/**
 * Airflow's endpoints that Jobbers serves, as Airflow's reference gives them: method, path, success and answer. What
 * `models.ts` is for fields this is for calls.
 *
 * @module
 */

/** One endpoint. */
export interface Endpoint {
  /** e.g. `GET /dags/{dag_id}`, below `/api/v2`. */
  call: string;
  status: number;
  /** Type of the JSON answer, or null for an empty one. */
  answer: string | null;
  /** For collections: the field with the items. */
  items?: string;
  /** For collections that have pages. */
  paged?: true;
  /** A key that `order_by` takes, and the field of an item that shows its order. */
  sort?: { key: string; field: string };
  /** Jobbers has none of what the list is of. */
  empty?: true;
  /** Needs no key. */
  public?: true;
  /** Takes no body, whatever its method. */
  bodiless?: true;
  /** Not Airflow's but ours. */
  ours?: true;
}

const DAG = "/dags/{dag_id}";
const RUNS = `${DAG}/dagRuns`;
const RUN = `${RUNS}/{dag_run_id}`;
const INSTANCES = `${RUN}/taskInstances`;
const INSTANCE = `${INSTANCES}/{task_id}`;
const MAPPED = `${INSTANCE}/{map_index}`;
const XCOMS = `${INSTANCE}/xcomEntries`;

const GROUP = `${RUN}/taskGroupInstances/{group_id}`;

const instances = { status: 200, answer: "TaskInstanceCollectionResponse", items: "task_instances" };
const instance = { status: 200, answer: "TaskInstanceResponse" };
const run = { status: 200, answer: "DAGRunResponse" };
const dag = { status: 200, answer: "DAGResponse" };
const pool = { status: 200, answer: "PoolResponse" };
// What keeps a finished task instance from running is nothing.
const dependencies = {
  status: 200,
  answer: "TaskDependencyCollectionResponse",
  items: "dependencies",
  empty: true,
} as const;
const tries = { status: 200, answer: "TaskInstanceHistoryCollectionResponse", items: "task_instances" };
const oneTry = { status: 200, answer: "TaskInstanceHistoryResponse" };

export const ENDPOINTS: readonly Endpoint[] = [
  { call: "GET /monitor/health", status: 200, answer: "HealthInfoResponse", public: true },
  { call: "GET /version", status: 200, answer: "VersionInfo", public: true },

  {
    call: "GET /dags",
    status: 200,
    answer: "DAGCollectionResponse",
    items: "dags",
    paged: true,
    sort: { key: "dag_id", field: "dag_id" },
  },
  { call: "PATCH /dags", status: 200, answer: "DAGCollectionResponse", items: "dags", paged: true },
  { call: `PUT ${DAG}`, status: 200, answer: "DAGResponse", ours: true },
  { call: `GET ${DAG}`, ...dag },
  { call: `PATCH ${DAG}`, ...dag },
  { call: `GET ${DAG}/details`, status: 200, answer: "DAGDetailsResponse" },
  {
    call: `GET ${DAG}/tasks`,
    status: 200,
    answer: "TaskCollectionResponse",
    items: "tasks",
    sort: { key: "task_id", field: "task_id" },
  },
  { call: `GET ${DAG}/tasks/{task_id}`, status: 200, answer: "TaskResponse" },
  {
    call: `GET ${DAG}/dagVersions`,
    status: 200,
    answer: "DAGVersionCollectionResponse",
    items: "dag_versions",
    paged: true,
    sort: { key: "version_number", field: "version_number" },
  },
  { call: `GET ${DAG}/dagVersions/{version_number}`, status: 200, answer: "DagVersionResponse" },
  { call: `GET ${DAG}/dagVersions/{version_number}/changes`, status: 200, answer: "DagVersionChanges", ours: true },
  { call: `GET ${DAG}/nextDagRuns`, status: 200, answer: "NextDagRunCollection", items: "next_dag_runs", ours: true },
  { call: "GET /dagStats", status: 200, answer: "DagStatsCollectionResponse", items: "dags" },

  { call: `POST ${RUNS}`, ...run },
  {
    call: `GET ${RUNS}`,
    status: 200,
    answer: "DAGRunCollectionResponse",
    items: "dag_runs",
    paged: true,
    sort: { key: "run_id", field: "dag_run_id" },
  },
  { call: `PATCH ${RUNS}`, status: 200, answer: "BulkResponse" },
  {
    call: `POST ${DAG}/clearDagRuns`,
    status: 200,
    answer: "TaskInstanceCollectionResponse|DAGRunCollectionResponse",
  },
  {
    call: `GET ${RUN}/upstreamAssetEvents`,
    status: 200,
    answer: "AssetEventCollectionResponse",
    items: "asset_events",
    empty: true,
  },
  { call: `GET ${RUN}/hitlDetails`, status: 200, answer: "HITLDetailCollection", items: "hitl_details", empty: true },
  { call: `POST ${RUNS}/list`, status: 200, answer: "DAGRunCollectionResponse", items: "dag_runs" },
  { call: `GET ${RUN}`, ...run },
  { call: `PATCH ${RUN}`, ...run },
  { call: `POST ${RUN}/clear`, status: 200, answer: "TaskInstanceCollectionResponse|DAGRunResponse" },
  { call: `GET ${RUN}/wait`, status: 200, answer: "WaitLine" },

  { call: `GET ${INSTANCES}`, ...instances, paged: true, sort: { key: "map_index", field: "map_index" } },
  { call: `POST ${INSTANCES}/list`, ...instances },
  { call: `PATCH ${INSTANCES}`, status: 200, answer: "BulkResponse" },
  { call: `GET ${INSTANCE}`, ...instance },
  { call: `PATCH ${INSTANCE}`, ...instances },
  { call: `PATCH ${INSTANCE}/dry_run`, ...instances },
  { call: `GET ${INSTANCE}/dependencies`, ...dependencies },
  { call: `GET ${INSTANCE}/why`, status: 200, answer: "Why", ours: true },
  { call: `GET ${INSTANCE}/tries`, ...tries },
  { call: `GET ${INSTANCE}/tries/{task_try_number}`, ...oneTry },
  { call: `GET ${INSTANCE}/logs/{try_number}`, status: 200, answer: "TaskInstancesLogResponse" },
  { call: `GET ${INSTANCE}/links`, status: 200, answer: "ExtraLinkCollectionResponse" },
  {
    call: `GET ${INSTANCE}/listMapped`,
    ...instances,
    paged: true,
    sort: { key: "map_index", field: "map_index" },
  },
  { call: `GET ${MAPPED}`, ...instance },
  { call: `PATCH ${MAPPED}`, ...instances },
  { call: `PATCH ${MAPPED}/dry_run`, ...instances },
  { call: `GET ${MAPPED}/dependencies`, ...dependencies },
  { call: `GET ${MAPPED}/why`, status: 200, answer: "Why", ours: true },
  { call: `GET ${MAPPED}/tries`, ...tries },
  { call: `GET ${MAPPED}/tries/{task_try_number}`, ...oneTry },
  { call: `PATCH ${GROUP}`, ...instances },
  { call: `PATCH ${GROUP}/dry_run`, ...instances },
  // No log is kept elsewhere, which Airflow answers so.
  { call: `GET ${INSTANCE}/externalLogUrl/{try_number}`, status: 400, answer: "HTTPExceptionResponse" },
  { call: `POST ${DAG}/clearTaskInstances`, ...instances },

  { call: `GET ${XCOMS}`, status: 200, answer: "XComCollectionResponse", items: "xcom_entries", paged: true },
  { call: `POST ${XCOMS}`, status: 201, answer: "XComResponseNative" },
  { call: `GET ${XCOMS}/{xcom_key}`, status: 200, answer: "XComResponseNative|XComResponseString" },
  { call: `PATCH ${XCOMS}/{xcom_key}`, status: 200, answer: "XComResponseNative" },
  { call: `DELETE ${XCOMS}/{xcom_key}`, status: 204, answer: null },

  {
    call: "GET /jobs",
    status: 200,
    answer: "JobCollectionResponse",
    items: "jobs",
    paged: true,
    sort: { key: "id", field: "id" },
  },
  {
    call: "GET /pools",
    status: 200,
    answer: "PoolCollectionResponse",
    items: "pools",
    paged: true,
    sort: { key: "name", field: "name" },
  },
  { call: "POST /pools", status: 201, answer: "PoolResponse" },
  { call: "PATCH /pools", status: 200, answer: "BulkResponse" },
  { call: "GET /pools/{pool_name}", ...pool },
  { call: "PATCH /pools/{pool_name}", ...pool },
  {
    call: "GET /pools/{pool_name}/permits",
    status: 200,
    answer: "PermitCollection",
    items: "permits",
    empty: true,
    ours: true,
  },
  { call: "DELETE /pools/{pool_name}", status: 204, answer: null },
  { call: "GET /backfills", status: 200, answer: "BackfillCollectionResponse", items: "backfills" },
  { call: "POST /backfills", status: 200, answer: "BackfillResponse" },
  {
    call: "POST /backfills/dry_run",
    status: 200,
    answer: "DryRunBackfillCollectionResponse",
    items: "backfills",
  },
  { call: "POST /backfills/plan", status: 200, answer: "BackfillPlan", items: "dates", ours: true },
  { call: "GET /backfills/{backfill_id}", status: 200, answer: "BackfillResponse" },
  { call: "GET /backfills/{backfill_id}/report", status: 200, answer: "BackfillReport", ours: true },
  { call: "PUT /backfills/{backfill_id}/pause", status: 200, answer: "BackfillResponse", bodiless: true },
  { call: "PUT /backfills/{backfill_id}/unpause", status: 200, answer: "BackfillResponse", bodiless: true },
  { call: "PUT /backfills/{backfill_id}/cancel", status: 200, answer: "BackfillResponse", bodiless: true },

  { call: "GET /dagTags", status: 200, answer: "DAGTagCollectionResponse", items: "tags", paged: true },
  { call: "GET /dagSources/{dag_id}", status: 200, answer: "DAGSourceResponse" },

  { call: "GET /queues", status: 200, answer: "QueueCollection", items: "queues", ours: true },
  { call: "PUT /queues/roles/{role}", status: 200, answer: "QueueRole", ours: true },
  { call: "DELETE /queues/roles/{role}", status: 204, answer: null, ours: true },

  { call: `DELETE ${INSTANCE}`, status: 200, answer: "any" },
  { call: `DELETE ${RUN}`, status: 204, answer: null },
  { call: `DELETE ${DAG}`, status: 204, answer: null },
];
