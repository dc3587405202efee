/**
 * For each endpoint requests that it serves, over the things of a scene. Those that change something do it to things of
 * their own.
 *
 * @module
 */
import { z } from "zod";
import { API, BROKEN, finish, must, ORDERS, REGISTERED, registeredSpec, SLOW, trigger, type Scene } from "./scene.ts";

/** A request that is to succeed. */
export interface Wanted {
  /** Values of the path's parameters. */
  path: Record<string, string | number>;
  /** Query, with `?`. */
  query?: string;
  body?: unknown;
  /** Where it is not the table's. */
  status?: number;
}

const ORDERS_DAG = { dag_id: ORDERS };

/** A run of `orders` of its own, which has succeeded. */
async function own(): Promise<{ dag_id: string; dag_run_id: string }> {
  return { ...ORDERS_DAG, dag_run_id: await finish(ORDERS) };
}

let pools = 0;
/** Pools for lists, made once: a list is asked for several times and compared with itself. */
let listedPools: Promise<unknown> | undefined;

/** A pool of its own. */
async function ownPool(): Promise<{ pool_name: string }> {
  pools += 1;
  const name = `pool-${pools}`;
  await must("POST", `${API}/pools`, { json: { name, slots: 2 } });
  return { pool_name: name };
}

/** Dates of the past, of a DAG of its own that is due every day. */
async function datesOfOwnDag(): Promise<Record<string, unknown>> {
  backfilled += 1;
  const dag_id = `backfilled_${backfilled}`;
  await must("PUT", `${API}/dags/${dag_id}`, { json: { ...registeredSpec("past days"), dag_id, schedule: "@daily" } });
  return { dag_id, from_date: "2026-01-01T00:00:00Z", to_date: "2026-01-03T00:00:00+00:00" };
}

let backfilled = 0;

/** A backfill that is not over, of a DAG of its own; gives its id. */
export async function ownBackfill(): Promise<number> {
  const json = { ...(await datesOfOwnDag()), canary: 1 };
  const { id } = z.object({ id: z.number() }).parse(await must("POST", `${API}/backfills`, { json }));
  return id;
}

const someBackfill: Requests = async () => [{ path: { backfill_id: await ownBackfill() } }];

const askedBackfills: Requests = async () => [
  { path: {}, body: await datesOfOwnDag() },
  {
    path: {},
    body: {
      ...(await datesOfOwnDag()),
      run_backwards: true,
      dag_run_conf: { year: 2026 },
      reprocess_behavior: "completed",
      max_active_runs: 2,
      run_on_latest_version: false,
      stop_on_first_failure: true,
      canary: 1,
    },
  },
];

type Requests = (scene: Scene) => Wanted[] | Promise<Wanted[]>;

function runs({ done, failed, running, byHand }: Scene) {
  return {
    done: { ...ORDERS_DAG, dag_run_id: done[0] },
    failed: { dag_id: BROKEN, dag_run_id: failed },
    running: { dag_id: SLOW, dag_run_id: running },
    byHand: { dag_id: REGISTERED, dag_run_id: byHand },
    anyRun: { ...ORDERS_DAG, dag_run_id: "~" },
    any: { dag_id: "~", dag_run_id: "~" },
  };
}

const DAG = "/dags/{dag_id}";
const RUNS = `${DAG}/dagRuns`;
const RUN = `${RUNS}/{dag_run_id}`;
const INSTANCES = `${RUN}/taskInstances`;
const INSTANCE = `${INSTANCES}/{task_id}`;
const MAPPED = `${INSTANCE}/{map_index}`;
const GROUP = `${RUN}/taskGroupInstances/{group_id}`;
const XCOMS = `${INSTANCE}/xcomEntries`;

/** Task instances in every state there is in the scene. */
const someInstances: Requests = (scene) => {
  const { done, failed, running, byHand } = runs(scene);
  return [
    { path: { ...done, task_id: "extract" } },
    { path: { ...failed, task_id: "fail" } },
    { path: { ...failed, task_id: "after" } },
    { path: { ...running, task_id: "wait_for_it" } },
    { path: { ...running, task_id: "after" } },
    { path: { ...byHand, task_id: "second" } },
  ];
};

const mappedInstances: Requests = (scene) =>
  [0, 2].map((index) => ({ path: { ...runs(scene).done, task_id: "clean", map_index: index } }));

function withPath(more: Record<string, string | number>, wanted: Wanted[]): Wanted[] {
  return wanted.map(({ path, ...rest }) => ({ path: { ...path, ...more }, ...rest }));
}

/** The requests by the table's `call`. */
export const REQUESTS: Readonly<Record<string, Requests>> = {
  "GET /monitor/health": () => [{ path: {} }],
  "GET /version": () => [{ path: {} }],
  "GET /dags": () => [{ path: {} }, { path: {}, query: "?dag_id_pattern=e&tags=example" }],
  "PATCH /dags": () => [{ path: {}, query: `?dag_id_pattern=${ORDERS}`, body: { is_paused: false } }],
  [`PUT ${DAG}`]: () => [
    { path: { dag_id: REGISTERED }, body: registeredSpec("put again") },
    { path: { dag_id: "put_anew" }, body: { ...registeredSpec("new"), dag_id: "put_anew" }, status: 201 },
  ],
  [`GET ${DAG}`]: () => [{ path: ORDERS_DAG }, { path: { dag_id: REGISTERED } }],
  [`PATCH ${DAG}`]: () => [
    { path: { dag_id: REGISTERED }, body: { is_paused: true } },
    { path: { dag_id: REGISTERED }, query: "?update_mask=is_paused", body: { is_paused: false } },
  ],
  [`GET ${DAG}/details`]: () => [{ path: ORDERS_DAG }, { path: { dag_id: REGISTERED } }],
  [`GET ${DAG}/tasks`]: () => [{ path: ORDERS_DAG }, { path: { dag_id: REGISTERED } }],
  [`GET ${DAG}/tasks/{task_id}`]: () => [
    { path: { ...ORDERS_DAG, task_id: "extract" } },
    { path: { ...ORDERS_DAG, task_id: "clean" } },
  ],
  [`GET ${DAG}/dagVersions`]: () => [{ path: { dag_id: REGISTERED } }, { path: { dag_id: ORDERS } }],
  [`GET ${DAG}/dagVersions/{version_number}`]: () => [{ path: { dag_id: REGISTERED, version_number: 1 } }],
  [`GET ${DAG}/dagVersions/{version_number}/changes`]: () => [
    { path: { dag_id: REGISTERED, version_number: 2 } },
    { path: { ...ORDERS_DAG, version_number: 1 } },
  ],
  [`GET ${DAG}/nextDagRuns`]: () => [{ path: { dag_id: REGISTERED } }, { path: ORDERS_DAG }],
  "GET /dagStats": () => [{ path: {} }, { path: {}, query: `?dag_ids=${ORDERS}&dag_ids=${BROKEN}` }],

  [`POST ${RUNS}`]: () => [
    { path: ORDERS_DAG, body: { logical_date: null } },
    {
      path: ORDERS_DAG,
      body: {
        dag_run_id: "by-table",
        logical_date: "2026-03-01T06:00:00Z",
        data_interval_start: "2026-02-28T06:00:00+00:00",
        data_interval_end: "2026-03-01T06:00:00Z",
        run_after: "2026-03-01T06:00:00Z",
        conf: { year: 2026 },
        note: "a note",
      },
    },
  ],
  [`GET ${RUNS}`]: () => [
    { path: ORDERS_DAG },
    { path: { dag_id: "~" } },
    { path: { dag_id: "~" }, query: "?state=failed&run_after_gte=2026-01-01T00:00:00Z" },
  ],
  [`PATCH ${RUNS}`]: async () => {
    const { dag_run_id: first } = await own();
    const { dag_run_id: second } = await own();
    return [
      {
        path: ORDERS_DAG,
        body: {
          actions: [
            {
              action: "update",
              entities: [
                { dag_run_id: first, note: "bulk" },
                { dag_run_id: "nope", note: "bulk" },
              ],
            },
            { action: "delete", entities: [second] },
          ],
        },
      },
    ];
  },
  [`POST ${DAG}/clearDagRuns`]: async (scene) => [
    { path: { dag_id: BROKEN }, body: { dag_runs: [{ dag_run_id: scene.failed }] } },
    { path: ORDERS_DAG, body: { dry_run: false, dag_runs: [{ dag_run_id: (await own()).dag_run_id }] } },
  ],
  [`GET ${RUN}/upstreamAssetEvents`]: (scene) => [{ path: runs(scene).done }],
  [`GET ${RUN}/hitlDetails`]: (scene) => [{ path: runs(scene).done }],
  [`POST ${RUNS}/list`]: () => [
    { path: { dag_id: "~" }, body: {} },
    { path: { dag_id: "~" }, body: { dag_ids: [ORDERS], states: ["success"], page_limit: 2, order_by: "-run_after" } },
  ],
  [`GET ${RUN}`]: (scene) => {
    const { done, failed, running, byHand } = runs(scene);
    return [done, failed, running, byHand].map((path) => ({ path }));
  },
  [`PATCH ${RUN}`]: async () => [
    { path: await own(), body: { note: "noted" } },
    { path: await own(), body: { state: "failed" } },
    { path: await own(), query: "?update_mask=note", body: { note: null } },
  ],
  [`POST ${RUN}/clear`]: async (scene) => [
    { path: runs(scene).failed, body: {} },
    { path: await own(), body: { dry_run: false } },
  ],
  [`GET ${RUN}/wait`]: (scene) => [{ path: runs(scene).done, query: "?interval=1" }],

  [`GET ${INSTANCES}`]: (scene) => Object.values(runs(scene)).map((path) => ({ path })),
  [`POST ${INSTANCES}/list`]: (scene) => [
    { path: runs(scene).any, body: {} },
    { path: runs(scene).any, body: { dag_ids: [ORDERS], state: ["success"], page_limit: 2 } },
  ],
  [`PATCH ${INSTANCES}`]: async () => [
    {
      path: await own(),
      body: {
        actions: [
          {
            action: "update",
            entities: [
              { task_id: "total", new_state: "failed", note: "bulk" },
              { task_id: "nope", new_state: "failed" },
            ],
          },
        ],
      },
    },
  ],
  [`GET ${INSTANCE}`]: someInstances,
  [`PATCH ${INSTANCE}`]: async () => [
    { path: { ...(await own()), task_id: "total" }, body: { new_state: "failed", note: "marked" } },
    { path: { ...(await own()), task_id: "total" }, body: { note: "noted" } },
    { path: { ...(await own()), task_id: "clean" }, query: "?map_index=1", body: { new_state: "failed" } },
  ],
  [`PATCH ${INSTANCE}/dry_run`]: (scene) => [
    { path: { ...runs(scene).done, task_id: "total" }, body: { new_state: "failed", include_upstream: true } },
  ],
  [`GET ${INSTANCE}/dependencies`]: someInstances,
  [`GET ${INSTANCE}/why`]: someInstances,
  [`GET ${INSTANCE}/tries`]: someInstances,
  [`GET ${INSTANCE}/tries/{task_try_number}`]: (scene) => [
    { path: { ...runs(scene).done, task_id: "extract", task_try_number: 1 } },
    { path: { ...runs(scene).done, task_id: "extract", task_try_number: 2 } },
    { path: { ...runs(scene).running, task_id: "wait_for_it", task_try_number: 1 } },
  ],
  [`GET ${INSTANCE}/logs/{try_number}`]: (scene) => [
    { path: { ...runs(scene).done, task_id: "extract", try_number: 1 } },
    { path: { ...runs(scene).done, task_id: "extract", try_number: 2 }, query: "?full_content=true" },
    { path: { ...runs(scene).done, task_id: "clean", try_number: 1 }, query: "?map_index=1" },
    { path: { ...runs(scene).running, task_id: "wait_for_it", try_number: 1 } },
  ],
  [`GET ${INSTANCE}/links`]: someInstances,
  [`GET ${INSTANCE}/listMapped`]: (scene) => [{ path: { ...runs(scene).done, task_id: "clean" } }],
  [`GET ${MAPPED}`]: mappedInstances,
  [`PATCH ${MAPPED}`]: async () => [
    { path: { ...(await own()), task_id: "clean", map_index: 1 }, body: { new_state: "skipped" } },
  ],
  [`PATCH ${MAPPED}/dry_run`]: (scene) => [
    { path: { ...runs(scene).done, task_id: "clean", map_index: 1 }, body: { new_state: "failed" } },
  ],
  [`GET ${MAPPED}/dependencies`]: mappedInstances,
  [`GET ${MAPPED}/why`]: mappedInstances,
  [`GET ${MAPPED}/tries`]: mappedInstances,
  [`GET ${MAPPED}/tries/{task_try_number}`]: async (scene) =>
    withPath({ task_try_number: 1 }, await mappedInstances(scene)),
  [`PATCH ${GROUP}`]: async () => [
    { path: { ...(await own()), group_id: "wrap_up" }, body: { new_state: "failed", note: "all of them" } },
  ],
  [`PATCH ${GROUP}/dry_run`]: (scene) => [
    { path: { ...runs(scene).done, group_id: "wrap_up" }, body: { new_state: "failed" } },
  ],
  [`GET ${INSTANCE}/externalLogUrl/{try_number}`]: (scene) => [
    { path: { ...runs(scene).done, task_id: "extract", try_number: 1 } },
  ],
  [`POST ${DAG}/clearTaskInstances`]: async (scene) => [
    { path: { dag_id: BROKEN }, body: { dag_run_id: scene.failed } },
    {
      path: ORDERS_DAG,
      body: {
        dry_run: false,
        only_failed: false,
        dag_run_id: (await own()).dag_run_id,
        task_ids: ["total", ["clean", 1]],
      },
    },
  ],

  [`GET ${XCOMS}`]: (scene) => [
    { path: { ...runs(scene).done, task_id: "extract" } },
    { path: { ...runs(scene).done, task_id: "clean" }, query: "?map_index=1" },
    { path: { ...runs(scene).any, task_id: "~" } },
  ],
  [`POST ${XCOMS}`]: (scene) => [
    { path: { ...runs(scene).done, task_id: "total" }, body: { key: "by_table", value: { a: [1] } } },
    { path: { ...runs(scene).done, task_id: "clean" }, body: { key: "by_table", value: null, map_index: 1 } },
  ],
  [`GET ${XCOMS}/{xcom_key}`]: (scene) => [
    { path: { ...runs(scene).done, task_id: "extract", xcom_key: "return_value" } },
    { path: { ...runs(scene).done, task_id: "extract", xcom_key: "bytes" }, query: "?stringify=true" },
    { path: { ...runs(scene).done, task_id: "clean", xcom_key: "return_value" }, query: "?map_index=2" },
  ],
  [`PATCH ${XCOMS}/{xcom_key}`]: async () => [
    { path: { ...(await own()), task_id: "extract", xcom_key: "bytes" }, body: { value: "changed" } },
  ],
  [`DELETE ${XCOMS}/{xcom_key}`]: async () => [{ path: { ...(await own()), task_id: "extract", xcom_key: "bytes" } }],

  "GET /jobs": () => [{ path: {} }, { path: {}, query: "?is_alive=false" }],
  "GET /pools": async () => {
    listedPools ??= Promise.all([ownPool(), ownPool()]);
    await listedPools;
    return [{ path: {} }, { path: {}, query: "?pool_name_pattern=pool&order_by=-id" }];
  },
  "POST /pools": () => [
    { path: {}, body: { name: "by-table", slots: 3 } },
    { path: {}, body: { name: "by table/2", slots: -1, description: "no limit", include_deferred: true } },
  ],
  "PATCH /pools": async () => [
    {
      path: {},
      body: {
        actions: [
          { action: "create", action_on_existence: "overwrite", entities: [{ name: "bulk-made", slots: 1 }] },
          { action: "update", update_mask: ["slots"], entities: [{ name: (await ownPool()).pool_name, slots: 4 }] },
          { action: "delete", entities: [(await ownPool()).pool_name, "nope"] },
        ],
      },
    },
  ],
  "GET /pools/{pool_name}": async () => [{ path: await ownPool() }, { path: { pool_name: "default_pool" } }],
  "PATCH /pools/{pool_name}": async () => [
    { path: await ownPool(), body: { slots: 5, description: "changed" } },
    { path: { pool_name: "default_pool" }, query: "?update_mask=slots", body: { slots: 128 } },
  ],
  "GET /pools/{pool_name}/permits": async () => [{ path: await ownPool() }],
  "DELETE /pools/{pool_name}": async () => [{ path: await ownPool() }],
  "GET /backfills": async () => {
    const { dag_id } = await datesOfOwnDag();
    const json = { dag_id, from_date: "2026-01-01T00:00:00Z", to_date: "2026-01-01T00:00:00Z" };
    await must("POST", `${API}/backfills`, { json });
    return [{ path: {}, query: `?dag_id=${String(dag_id)}&order_by=-id&limit=5` }];
  },
  "POST /backfills": askedBackfills,
  "POST /backfills/dry_run": askedBackfills,
  "POST /backfills/plan": askedBackfills,
  "GET /backfills/{backfill_id}": someBackfill,
  "GET /backfills/{backfill_id}/report": someBackfill,
  "PUT /backfills/{backfill_id}/pause": someBackfill,
  "PUT /backfills/{backfill_id}/unpause": someBackfill,
  "PUT /backfills/{backfill_id}/cancel": someBackfill,
  "GET /dagTags": () => [{ path: {} }],
  "GET /dagSources/{dag_id}": () => [{ path: ORDERS_DAG }],

  "GET /queues": async () => {
    await must("PUT", `${API}/queues/roles/gpu`, { json: { queue: "heavy" } });
    return [{ path: {} }];
  },
  "PUT /queues/roles/{role}": () => [
    { path: { role: "gpu" }, body: { queue: "heavy" } },
    { path: { role: "Größe.1" }, body: { queue: "default" } },
  ],
  "DELETE /queues/roles/{role}": async () => {
    await must("PUT", `${API}/queues/roles/soon_gone`, { json: { queue: "heavy" } });
    return [{ path: { role: "soon_gone" } }];
  },

  [`DELETE ${INSTANCE}`]: async () => [
    { path: { ...(await own()), task_id: "total" } },
    { path: { ...(await own()), task_id: "clean" }, query: "?map_index=1" },
  ],
  [`DELETE ${RUN}`]: async () => [{ path: await own() }],
  [`DELETE ${DAG}`]: async () => {
    await must("PUT", `${API}/dags/to_delete`, { json: { ...registeredSpec("soon gone"), dag_id: "to_delete" } });
    await trigger("to_delete");
    return [{ path: { dag_id: "to_delete" } }];
  },
};

/** The path of an endpoint with its parameters filled in. */
export function fill(template: string, { path, query = "" }: Wanted): string {
  const filled = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(path[name])));
  return `${API}${filled}${query}`;
}
