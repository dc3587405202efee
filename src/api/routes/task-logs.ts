/**
 * Logs of tries of task instances, in Airflow's path and fields.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { ApiDeps, AppEnv } from "../env.ts";
import { knownDag } from "../known-dag.ts";
import { answerLog, logQuery, logResponses } from "../log-answer.ts";
import { mapIndexQuery, taskParams } from "../task-instance-address.ts";

const logRoute = createRoute({
  method: "get",
  path: "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/logs/{try_number}",
  tags: ["TaskInstance"],
  summary: "Read the log of a try",
  description:
    "As JSON in pages, or by `Accept` all of it as `text/plain` or `application/x-ndjson`. A try keeps its last megabyte; of one that runs the log is as its last heartbeat brought it.",
  request: {
    params: taskParams.extend({
      try_number: z
        .string()
        .regex(/^[1-9]\d{0,8}$/, "expected a try number: a whole number from 1")
        .transform(Number)
        .openapi({ type: "integer", minimum: 1 }),
    }),
    query: logQuery.extend(mapIndexQuery.shape),
  },
  responses: logResponses,
});

/** The route of task logs. */
export function taskLogRoutes({ registry, now }: ApiDeps) {
  return new OpenAPIHono<AppEnv>().openapi(logRoute, async (c) => {
    const { dag_id: dagId, dag_run_id: runId, task_id: taskId, try_number: tryNumber } = c.req.valid("param");
    const { map_index: mapIndex, ...query } = c.req.valid("query");
    const dag = await knownDag(registry, c.env, dagId);
    const key = { run_id: runId, task_id: taskId, map_index: mapIndex };
    const name = [dagId, runId, taskId, mapIndex, tryNumber];
    return answerLog(c, query, name, (from, waitMs) => dag.readLog(key, tryNumber, from, waitMs), now);
  });
}
