/**
 * Values that task instances left, in Airflow's path and fields.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { StoredValue } from "../../engine/work.ts";
import type { ApiDeps, ApiEnv, AppEnv } from "../env.ts";
import { unwrap } from "../errors.ts";
import { knownDag } from "../known-dag.ts";
import { readPayload } from "../payloads.ts";
import { json, refusals } from "../responses.ts";
import { dateTime, iso } from "../time.ts";

const xcomSchema = z
  .object({
    key: z.string(),
    timestamp: dateTime,
    logical_date: dateTime.nullable(),
    run_after: dateTime,
    map_index: z.number().int(),
    task_id: z.string(),
    task_display_name: z.string(),
    dag_id: z.string(),
    dag_display_name: z.string(),
    run_id: z.string(),
    value: z.unknown(),
  })
  .openapi("XCom");

const getRoute = createRoute({
  method: "get",
  path: "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/xcomEntries/{xcom_key}",
  tags: ["XCom"],
  summary: "Get a value that a task instance left; what a handler returned is under `return_value`",
  request: {
    params: z.object({ dag_id: z.string(), dag_run_id: z.string(), task_id: z.string(), xcom_key: z.string() }),
    query: z.object({
      map_index: z
        .string()
        .regex(/^(?:-1|\d{1,9})$/, "expected a map index: -1, or a whole number")
        .transform(Number)
        .default(-1)
        .openapi({ type: "integer", minimum: -1, default: -1 }),
    }),
  },
  responses: { 200: json(xcomSchema, "The value"), ...refusals(401, 404, 422) },
});

/** Routes of XCom values. */
export function xcomEntryRoutes({ registry }: ApiDeps) {
  return new OpenAPIHono<AppEnv>().openapi(getRoute, async (c) => {
    const { dag_id: dagId, dag_run_id: runId, task_id: taskId, xcom_key: key } = c.req.valid("param");
    const dag = await knownDag(registry, c.env, dagId);
    const at = { run_id: runId, task_id: taskId, map_index: c.req.valid("query").map_index };
    const [stored, instance] = await Promise.all([dag.getXCom(at, key), dag.getTaskInstance(at)]);
    const { end_date: endDate, run_after: runAfter, logical_date: logicalDate } = unwrap(instance);
    return c.json(
      {
        key,
        timestamp: iso(endDate ?? runAfter),
        logical_date: iso(logicalDate),
        run_after: iso(runAfter),
        map_index: at.map_index,
        task_id: taskId,
        task_display_name: taskId,
        dag_id: dagId,
        dag_display_name: dagId,
        run_id: runId,
        value: await readValue(c.env, unwrap(stored)),
      },
      200,
    );
  });
}

/** A large value lies in the bucket, as JSON text. */
async function readValue(env: ApiEnv, stored: StoredValue): Promise<unknown> {
  if ("json" in stored) {
    const value: unknown = JSON.parse(stored.json);
    return value;
  }
  return readPayload(env, stored.r2);
}
