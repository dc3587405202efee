/**
 * What hangs on a task instance: why it is not scheduled, and the links that operators of Airflow offer, of which there
 * are none here.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { DagObject, Result } from "../../engine/objects.ts";
import type { TaskInstanceKey } from "../../engine/work.ts";
import type { ApiDeps, ApiEnv, AppEnv } from "../env.ts";
import { ApiError, notFound, unwrap } from "../errors.ts";
import { knownDag, requireDag } from "../known-dag.ts";
import { json, refusals } from "../responses.ts";
import { whySchema } from "../schemas/why.ts";
import { instanceNotFound, mapIndexQuery, mappedParams, targetOf, taskParams } from "../task-instance-address.ts";

const INSTANCE = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}";

const dependenciesSchema = z
  .object({ dependencies: z.array(z.object({ name: z.string(), reason: z.string() }).openapi("TaskDependency")) })
  .openapi("TaskDependencyCollection");

const linksSchema = z
  .object({ extra_links: z.record(z.string(), z.string()), total_entries: z.number().int() })
  .openapi("ExtraLinkCollection");

const dependencies = {
  200: json(dependenciesSchema, "What keeps it from being scheduled; empty once it is, or if nothing does"),
  ...refusals(401, 404, 422),
};

const dependenciesRoute = createRoute({
  method: "get",
  path: `${INSTANCE}/dependencies` as const,
  tags: ["TaskInstance"],
  summary: "List what keeps a task instance from being scheduled",
  request: { params: taskParams, query: mapIndexQuery },
  responses: dependencies,
});

const mappedDependenciesRoute = createRoute({
  method: "get",
  path: `${INSTANCE}/{map_index}/dependencies` as const,
  tags: ["TaskInstance"],
  summary: "List what keeps one task instance of a mapped task from being scheduled",
  request: { params: mappedParams },
  responses: dependencies,
});

const why = { 200: json(whySchema, "Why it is where it is"), ...refusals(401, 404, 422) };

const whyRoute = createRoute({
  method: "get",
  path: `${INSTANCE}/why` as const,
  tags: ["TaskInstance"],
  summary: "Say in a sentence why a task instance is where it is",
  description:
    "The first of the causes that keep it from running, and all of them: from the functions that decide, and from the pools, rate limits, queues and workers it waits for.",
  request: { params: taskParams, query: mapIndexQuery },
  responses: why,
});

const mappedWhyRoute = createRoute({
  method: "get",
  path: `${INSTANCE}/{map_index}/why` as const,
  tags: ["TaskInstance"],
  summary: "Say in a sentence why one task instance of a mapped task is where it is",
  request: { params: mappedParams },
  responses: why,
});

const linksRoute = createRoute({
  method: "get",
  path: `${INSTANCE}/links` as const,
  tags: ["TaskInstance"],
  summary: "List the extra links of a task instance: there are none",
  request: { params: taskParams, query: mapIndexQuery },
  responses: { 200: json(linksSchema, "No links"), ...refusals(401, 404, 422) },
});

const externalLogRoute = createRoute({
  method: "get",
  path: `${INSTANCE}/externalLogUrl/{try_number}` as const,
  tags: ["TaskInstance"],
  summary: "Get the address of a log that is kept elsewhere: none is, so this is a 400",
  request: {
    params: taskParams.extend({
      try_number: z
        .string()
        .regex(/^[1-9]\d{0,8}$/, "expected a try number: a whole number, 1 or more")
        .transform(Number)
        .openapi({ type: "integer", minimum: 1 }),
    }),
    query: mapIndexQuery,
  },
  responses: refusals(400, 401, 404, 422),
});

/** Routes of dependencies and links of task instances. */
export function taskInstanceDetailRoutes({ registry }: ApiDeps) {
  const ask = async <T>(
    env: ApiEnv,
    key: Key,
    question: (dag: DagObject, key: TaskInstanceKey) => Promise<Result<T>>,
  ) => {
    const dag = await knownDag(registry, env, key.dag_id);
    const answer = await question(dag, { run_id: key.dag_run_id, task_id: key.task_id, map_index: key.map_index });
    if (!answer.ok && answer.refusal.code === "not_found") {
      throw await instanceNotFound(dag, targetOf(key));
    }
    return unwrap(answer);
  };
  const dependenciesOf = async (env: ApiEnv, key: Key) => ({
    dependencies: await ask(env, key, (dag, instance) => dag.dependencies(instance)),
  });
  const whyOf = async (env: ApiEnv, key: Key) => {
    const dag = await knownDag(registry, env, key.dag_id);
    const answer = await dag.why({ run_id: key.dag_run_id, task_id: key.task_id, map_index: key.map_index });
    if (!answer.ok && answer.refusal.code === "not_found") {
      // Of a mapped task it says which index is missing.
      const { loc, message } = answer.refusal;
      throw loc === undefined ? await instanceNotFound(dag, targetOf(key)) : notFound(message);
    }
    return unwrap(answer);
  };
  return new OpenAPIHono<AppEnv>()
    .openapi(dependenciesRoute, async (c) =>
      c.json(await dependenciesOf(c.env, { ...c.req.valid("param"), ...c.req.valid("query") }), 200),
    )
    .openapi(mappedDependenciesRoute, async (c) => c.json(await dependenciesOf(c.env, c.req.valid("param")), 200))
    .openapi(whyRoute, async (c) =>
      c.json(await whyOf(c.env, { ...c.req.valid("param"), ...c.req.valid("query") }), 200),
    )
    .openapi(mappedWhyRoute, async (c) => c.json(await whyOf(c.env, c.req.valid("param")), 200))
    .openapi(linksRoute, async (c) => {
      const key = { ...c.req.valid("param"), ...c.req.valid("query") };
      await ask(c.env, key, (dag, instance) => dag.getTaskInstance(instance));
      return c.json({ extra_links: {}, total_entries: 0 }, 200);
    })
    .openapi(externalLogRoute, async (c) => {
      await requireDag(registry, c.env, c.req.valid("param").dag_id);
      throw new ApiError(400, "Task log handler does not support external logs.");
    });
}

type Key = z.output<typeof mappedParams>;
