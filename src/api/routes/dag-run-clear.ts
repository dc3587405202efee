/**
 * Clearing whole DAG runs, one or many: their task instances run again.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { DagObject } from "../../engine/objects.ts";
import type { DagRunView, TaskInstanceView } from "../../engine/work.ts";
import type { ApiDeps, AppEnv } from "../env.ts";
import { ApiError, unwrap } from "../errors.ts";
import { eachAtMost } from "../gather.ts";
import { ALL, knownDag } from "../known-dag.ts";
import { body, json, refusals } from "../responses.ts";
import { dagRunCollectionJson, dagRunCollectionSchema, dagRunJson, dagRunSchema } from "../schemas/dag-run.ts";
import {
  bulkDagRunClearBody,
  clearOptions,
  dagRunClearBody,
  type BulkDagRun,
  type ClearOptions,
} from "../schemas/dag-run-bodies.ts";
import { taskInstanceCollectionSchema, taskInstanceJson } from "../schemas/task-instance.ts";

/** Task instances that one answer may list. */
const MAX_LISTED = 50_000;

const clearRoute = createRoute({
  method: "post",
  path: "/dags/{dag_id}/dagRuns/{dag_run_id}/clear",
  tags: ["DagRun"],
  summary: "Clear a run, or list what that would clear",
  request: {
    params: z.object({ dag_id: z.string(), dag_run_id: z.string() }),
    body: body(dagRunClearBody, "What to clear; without dry_run false it is only listed"),
  },
  responses: {
    200: json(
      z.union([taskInstanceCollectionSchema, dagRunSchema]),
      "With dry_run the task instances, else the run as it is now",
    ),
    ...refusals(400, 401, 404, 409, 413, 415, 422),
  },
});

const clearRunsRoute = createRoute({
  method: "post",
  path: "/dags/{dag_id}/clearDagRuns",
  tags: ["DagRun"],
  summary: "Clear many runs, or list what that would clear",
  description:
    "Every run is looked for first: if one is not there, none is cleared. The runs of one DAG after the other are cleared, not all in one transaction.",
  request: {
    params: z.object({ dag_id: z.string() }),
    body: body(bulkDagRunClearBody, "Which runs; with ~ as the path's DAG each names its own"),
  },
  responses: {
    200: json(
      z.union([taskInstanceCollectionSchema, dagRunCollectionSchema]),
      "With dry_run the task instances, else the runs as they are now",
    ),
    ...refusals(400, 401, 404, 409, 413, 415, 422),
  },
});

/** Routes that clear whole DAG runs. */
export function dagRunClearRoutes({ registry }: ApiDeps) {
  return new OpenAPIHono<AppEnv>()
    .openapi(clearRoute, async (c) => {
      const { dag_id: dagId, dag_run_id: runId } = c.req.valid("param");
      const dag = await knownDag(registry, c.env, dagId);
      const options = clearOptions(c.req.valid("json"));
      const instances = await clear(dag, runId, options);
      return options.dry_run
        ? c.json(instancesJson(instances), 200)
        : c.json(dagRunJson(unwrap(await dag.getRun(runId, 0))), 200);
    })
    .openapi(clearRunsRoute, async (c) => {
      const given = c.req.valid("json");
      const { dag_id: pathId } = c.req.valid("param");
      const options = clearOptions(given);
      const targets = targetsOf(pathId, given.dag_runs);
      const runs = await eachAtMost(targets, async ({ dagId, runId }) => {
        const dag = await knownDag(registry, c.env, dagId);
        unwrap(await dag.getRun(runId, 0));
        return { dag, runId };
      });
      return options.dry_run
        ? c.json(instancesJson(await previewAll(runs, options)), 200)
        : c.json(await clearAll(runs, options), 200);
    });
}

interface Target {
  dag: DagObject;
  runId: string;
}

async function clear(dag: DagObject, runId: string, options: ClearOptions): Promise<TaskInstanceView[]> {
  return unwrap(await dag.clear({ run_id: runId, task_ids: null, ...options }));
}

async function previewAll(runs: readonly Target[], options: ClearOptions): Promise<TaskInstanceView[]> {
  const instances: TaskInstanceView[] = [];
  for (const { dag, runId } of runs) {
    // One after the other, so that no more is read than may be answered.
    for (const instance of await clear(dag, runId, options)) {
      instances.push(instance);
    }
    if (instances.length > MAX_LISTED) {
      throw new ApiError(413, `expected at most ${MAX_LISTED} task instances in one answer, got more; name fewer runs`);
    }
  }
  return instances;
}

async function clearAll(runs: readonly Target[], options: ClearOptions) {
  const cleared: DagRunView[] = [];
  for (const { dag, runId } of runs) {
    await clear(dag, runId, options);
    cleared.push(unwrap(await dag.getRun(runId, 0)));
  }
  return dagRunCollectionJson(cleared, cleared.length);
}

/** The runs a body names, each once. @throws ApiError 400 for one whose DAG is not clear, in Airflow's way. */
function targetsOf(pathId: string, named: readonly BulkDagRun[]): { dagId: string; runId: string }[] {
  const targets = new Map<string, { dagId: string; runId: string }>();
  for (const { dag_id: ownId, dag_run_id: runId } of named) {
    const dagId = ownId ?? pathId;
    if (dagId === ALL || runId === ALL) {
      throw new ApiError(
        400,
        `When using wildcard in path, dag_id must be specified in request body for dag_run_id: ${runId.slice(0, 250)}`,
      );
    }
    if (pathId !== ALL && dagId !== pathId) {
      throw new ApiError(
        400,
        `expected the dag_id of the path, ${pathId.slice(0, 250)}, for dag_run_id ${runId.slice(0, 250)}, got ${dagId.slice(0, 250)}`,
      );
    }
    targets.set(JSON.stringify([dagId, runId]), { dagId, runId });
  }
  return [...targets.values()];
}

function instancesJson(instances: readonly TaskInstanceView[]) {
  return { task_instances: instances.map((instance) => taskInstanceJson(instance)), total_entries: instances.length };
}
