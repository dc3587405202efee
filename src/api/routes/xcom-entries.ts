/**
 * Values that task instances left, in Airflow's paths and fields.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Json } from "../../engine/spec.ts";
import type { ApiDeps, AppEnv } from "../env.ts";
import { notFound, unwrap } from "../errors.ts";
import { knownDag } from "../known-dag.ts";
import { booleanQuery } from "../query.ts";
import { body, json, refusals } from "../responses.ts";
import { xcomEntryJson, xcomSchema } from "../schemas/xcom.ts";
import { mapIndexNumber, mapIndexQuery, taskParams } from "../task-instance-address.ts";
import { findValue, storeValue, textOf } from "../xcom-values.ts";

const ENTRIES = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/xcomEntries";

const entryParams = taskParams.extend({ xcom_key: z.string() });
const anyJson = z.unknown().refine((value) => value !== undefined, { error: "expected a JSON value" });

const getRoute = createRoute({
  method: "get",
  path: `${ENTRIES}/{xcom_key}` as const,
  tags: ["XCom"],
  summary: "Get a value that a task instance left; what a handler returned is under `return_value`",
  request: {
    params: entryParams,
    query: mapIndexQuery.extend({
      stringify: booleanQuery.openapi({ description: "The value as text: text as it is, anything else as JSON" }),
      deserialize: booleanQuery.openapi({ description: "Changes nothing: values are plain JSON" }),
    }),
  },
  responses: { 200: json(xcomSchema, "The value"), ...refusals(401, 404, 422) },
});

const KEY = "expected a key of 1 to 512 characters, none of them a control character, other than . and ..";
/** Names that an address cannot have as a part: clients take them for directions. */
const NO_KEYS = [".", ".."];

const createBody = z
  .strictObject({
    key: z
      .string({ error: KEY })
      .min(1, KEY)
      .max(512, KEY)
      .refine((key) => key.isWellFormed() && !NO_KEYS.includes(key) && !/\p{Cc}/u.test(key), { error: KEY }),
    value: anyJson.openapi({ description: "Any JSON value" }),
    map_index: mapIndexNumber.default(-1),
  })
  .openapi("XComCreateBody");

const createRoute_ = createRoute({
  method: "post",
  path: ENTRIES,
  tags: ["XCom"],
  summary: "Leave a value in the name of a task instance",
  request: { params: taskParams, body: body(createBody, "The value, under a key that is free") },
  responses: { 201: json(xcomSchema, "The value"), ...refusals(400, 401, 403, 404, 409, 413, 415, 422) },
});

const updateBody = z
  .strictObject({ value: anyJson.openapi({ description: "Any JSON value" }), map_index: mapIndexNumber.default(-1) })
  .openapi("XComUpdateBody");

const updateRoute = createRoute({
  method: "patch",
  path: `${ENTRIES}/{xcom_key}` as const,
  tags: ["XCom"],
  summary: "Replace a value",
  description:
    "Task instances that ran with the old one are not run again. A mapped task that waits fits itself to the length of the new one.",
  request: { params: entryParams, body: body(updateBody, "The value") },
  responses: { 200: json(xcomSchema, "The value"), ...refusals(400, 401, 403, 404, 413, 415, 422) },
});

const deleteRoute = createRoute({
  method: "delete",
  path: `${ENTRIES}/{xcom_key}` as const,
  tags: ["XCom"],
  summary: "Delete a value",
  request: { params: entryParams, query: mapIndexQuery },
  responses: { 204: { description: "It is gone" }, ...refusals(401, 403, 404, 422) },
});

/** Routes of single XCom values. */
export function xcomEntryRoutes({ registry }: ApiDeps) {
  return new OpenAPIHono<AppEnv>()
    .openapi(getRoute, async (c) => {
      const { dag_id: dagId, dag_run_id: runId, task_id: taskId, xcom_key: key } = c.req.valid("param");
      const { map_index: mapIndex, stringify = false } = c.req.valid("query");
      const dag = await knownDag(registry, c.env, dagId);
      const at = { run_id: runId, task_id: taskId, map_index: mapIndex };
      const [value, page] = await Promise.all([
        findValue(c.env, dag, at, key),
        dag.listXComs({ ...at, key, limit: 1, offset: 0 }),
      ]);
      const [view] = unwrap(page).items;
      if (view === undefined) {
        throw notFound(`XCom entry with key: \`${key}\` not found`);
      }
      return c.json({ ...xcomEntryJson(dagId, view), value: stringify ? textOf(value) : value }, 200);
    })
    .openapi(createRoute_, async (c) => {
      const { dag_id: dagId, dag_run_id: runId, task_id: taskId } = c.req.valid("param");
      const { key, map_index: mapIndex, value } = c.req.valid("json");
      const dag = await knownDag(registry, c.env, dagId);
      const at = { run_id: runId, task_id: taskId, map_index: mapIndex };
      // What came as JSON is JSON.
      const view = await storeValue(
        c.env,
        value as Json,
        { dag, key: at, xcom_key: key, mode: "create" },
        (stored, length) => dag.setXCom(at, key, stored, length, "create"),
      );
      return c.json({ ...xcomEntryJson(dagId, view), value }, 201);
    })
    .openapi(updateRoute, async (c) => {
      const { dag_id: dagId, dag_run_id: runId, task_id: taskId, xcom_key: key } = c.req.valid("param");
      const { map_index: mapIndex, value } = c.req.valid("json");
      const dag = await knownDag(registry, c.env, dagId);
      const at = { run_id: runId, task_id: taskId, map_index: mapIndex };
      const view = await storeValue(
        c.env,
        value as Json,
        { dag, key: at, xcom_key: key, mode: "update" },
        (stored, length) => dag.setXCom(at, key, stored, length, "update"),
      );
      return c.json({ ...xcomEntryJson(dagId, view), value }, 200);
    })
    .openapi(deleteRoute, async (c) => {
      const { dag_id: dagId, dag_run_id: runId, task_id: taskId, xcom_key: key } = c.req.valid("param");
      const at = { run_id: runId, task_id: taskId, map_index: c.req.valid("query").map_index };
      const dag = await knownDag(registry, c.env, dagId);
      unwrap(await dag.deleteXCom(at, key));
      return c.body(null, 204);
    });
}
