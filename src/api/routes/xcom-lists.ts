/**
 * Lists of values that task instances left: of one task instance, or with ~ of many.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { XComQuery, XComView } from "../../engine/objects.ts";
import type { ApiDeps, ApiEnv, AppEnv } from "../env.ts";
import { compareBy, gather, type Part, type SortValue } from "../gather.ts";
import { ALL } from "../known-dag.ts";
import { dagObject } from "../objects.ts";
import {
  integerQuery,
  pageQuery,
  patternQuery,
  rangeQuery,
  rangesOf,
  refuseUnservedFilters,
  repeated,
  sortKeys,
} from "../query.ts";
import { json, refusals } from "../responses.ts";
import { dagIdsOf } from "../run-lists.ts";
import { xcomCollectionSchema, xcomEntryJson } from "../schemas/xcom.ts";
import { Unavailable } from "../unavailable.ts";
import { mapIndexText, taskParams } from "../task-instance-address.ts";

const RANGES = ["logical_date", "run_after"] as const;
const SORTABLE = ["key", "dag_id", "run_id", "task_id", "map_index", "timestamp", "run_after"] as const;
/** Airflow's order. Within a DAG an object needs no other to break ties. */
const DEFAULT_ORDER = ["dag_id", "task_id", "run_id", "map_index", "key"];

const UNSERVED: ReadonlySet<string> = new Set([
  "xcom_key_prefix_pattern",
  "dag_display_name_prefix_pattern",
  "run_id_prefix_pattern",
  "task_id_prefix_pattern",
]);

const listQuery = z.object({
  ...pageQuery,
  order_by: repeated.openapi({ description: `One of ${SORTABLE.join(", ")}; \`-\` before it for descending` }),
  xcom_key: z.string().optional(),
  map_index: mapIndexText.optional(),
  map_index_filter: integerQuery,
  xcom_key_pattern: patternQuery,
  dag_display_name_pattern: patternQuery,
  run_id_pattern: patternQuery,
  task_id_pattern: patternQuery,
  ...rangeQuery(...RANGES),
});

const listRoute = createRoute({
  method: "get",
  path: "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/xcomEntries",
  tags: ["XCom"],
  summary: "List values, without the values; `~` stands for all DAGs, all runs or all tasks",
  request: { params: taskParams, query: listQuery },
  responses: { 200: json(xcomCollectionSchema, "A page of entries"), ...refusals(400, 401, 404, 422) },
});

/** An entry with the DAG it is of. */
type Entry = XComView & { dag_id: string };

/** The route of lists of XCom values. */
export function xcomListRoutes({ registry }: ApiDeps) {
  return new OpenAPIHono<AppEnv>().openapi(listRoute, async (c) => {
    refuseUnservedFilters(c, UNSERVED, RANGES);
    const { dag_id: dagId, dag_run_id: runId, task_id: taskId } = c.req.valid("param");
    const query = c.req.valid("query");
    const keys = sortKeys(query.order_by, SORTABLE);
    const order = [...keys, ...DEFAULT_ORDER];
    const filter = filterOf(runId, taskId, query);
    const dagIds = await dagIdsOf(registry, c.env, dagId, query.dag_display_name_pattern);
    const parts = filter === null ? [] : dagIds.map((id) => partOf(c.env, id, { ...filter, order_by: keys }));
    const unavailable = dagId === ALL ? new Unavailable() : undefined;
    const { items, total } = await gather(parts, compareBy(order, sortValue), query, unavailable);
    return c.json(
      {
        xcom_entries: items.map((entry) => xcomEntryJson(entry.dag_id, entry)),
        total_entries: total,
        ...unavailable?.field(),
      },
      200,
    );
  });
}

type Filter = Omit<XComQuery, "limit" | "offset">;

/** The entries of one DAG. */
function partOf(env: ApiEnv, dagId: string, filter: Filter): Part<Entry> {
  const dag = dagObject(env, dagId);
  return {
    dagId,
    async read(limit, offset) {
      const answer = await dag.listXComs({ ...filter, limit, offset });
      return answer.ok
        ? {
            ok: true,
            value: { ...answer.value, items: answer.value.items.map((view) => ({ ...view, dag_id: dagId })) },
          }
        : answer;
    },
  };
}

/** What the objects are asked; null if nothing can fit, because two map indexes are asked for. */
function filterOf(runId: string, taskId: string, query: z.output<typeof listQuery>): Filter | null {
  const { map_index: mapIndex = query.map_index_filter } = query;
  if (query.map_index_filter !== undefined && mapIndex !== query.map_index_filter) {
    return null;
  }
  return {
    run_id: runId === ALL ? null : runId,
    task_id: taskId === ALL ? null : taskId,
    ...rangesOf(query, ...RANGES),
    ...(query.xcom_key === undefined ? {} : { key: query.xcom_key }),
    ...(mapIndex === undefined ? {} : { map_index: mapIndex }),
    ...(query.xcom_key_pattern === undefined ? {} : { key_pattern: query.xcom_key_pattern }),
    ...(query.run_id_pattern === undefined ? {} : { run_id_pattern: query.run_id_pattern }),
    ...(query.task_id_pattern === undefined ? {} : { task_id_pattern: query.task_id_pattern }),
  };
}

function sortValue(entry: Entry, field: string): SortValue {
  return entry[field as (typeof SORTABLE)[number]];
}
