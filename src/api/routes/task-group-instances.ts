/**
 * Marks and notes of all task instances of a task group, those of its sub-groups included.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { tasksOfGroup } from "../../engine/graph.ts";
import type { DagObject } from "../../engine/objects.ts";
import type { TaskInstanceView } from "../../engine/work.ts";
import type { ApiDeps, AppEnv } from "../env.ts";
import { ApiError, notFound, unwrap } from "../errors.ts";
import { knownDag } from "../known-dag.ts";
import { repeated } from "../query.ts";
import { body, json, refusals } from "../responses.ts";
import { taskInstanceCollectionJson, taskInstanceCollectionSchema } from "../schemas/task-instance.ts";
import { patchTaskInstanceBody } from "../schemas/task-instance-bodies.ts";
import { runParams } from "../task-instance-address.ts";
import { patchOf, type Patch } from "../task-instance-patch.ts";

const GROUP = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskGroupInstances/{group_id}";

/** Tasks of a group that one request may change: the note of each costs a call. */
const MAX_TASKS = 500;
/** Task instances that one answer may hold. */
const MAX_LISTED = 20_000;

const groupParams = runParams.extend({ group_id: z.string() });
const patchBody = body(patchTaskInstanceBody, "A state, a note, or both");

const patchRoute = createRoute({
  method: "patch",
  path: GROUP,
  tags: ["TaskInstance"],
  summary: "Mark all task instances of a task group, or set their notes",
  request: {
    params: groupParams,
    query: z.object({ update_mask: repeated.openapi({ description: "Only these fields of the body count" }) }),
    body: patchBody,
  },
  responses: {
    200: json(taskInstanceCollectionSchema, "The task instances that changed"),
    ...refusals(400, 401, 404, 409, 413, 415, 422),
  },
});

const dryRunRoute = createRoute({
  method: "patch",
  path: `${GROUP}/dry_run` as const,
  tags: ["TaskInstance"],
  summary: "List what marking a task group would change",
  request: { params: groupParams, body: patchBody },
  responses: {
    200: json(taskInstanceCollectionSchema, "The task instances that would change, as they are now"),
    ...refusals(400, 401, 404, 413, 415, 422),
  },
});

/** Routes that mark and note task groups. */
export function taskGroupInstanceRoutes({ registry }: ApiDeps) {
  return new OpenAPIHono<AppEnv>()
    .openapi(dryRunRoute, async (c) => {
      const key = c.req.valid("param");
      const dag = await knownDag(registry, c.env, key.dag_id);
      const patch = patchOf(c.req.valid("json"), null);
      const { taskIds, instances } = await groupOf(dag, key);
      const changed = changesState(patch) ? await mark(dag, key.dag_run_id, taskIds, patch, true) : instances;
      return c.json(taskInstanceCollectionJson(changed), 200);
    })
    .openapi(patchRoute, async (c) => {
      const key = c.req.valid("param");
      const dag = await knownDag(registry, c.env, key.dag_id);
      const patch = patchOf(c.req.valid("json"), c.req.valid("query").update_mask);
      const group = await groupOf(dag, key);
      let { instances } = group;
      if (changesState(patch)) {
        instances = await mark(dag, key.dag_run_id, group.taskIds, patch, false);
        if (instances.length === 0) {
          throw new ApiError(409, `All task instances in the group are already in ${patch.newState} state`);
        }
      }
      if (patch.note !== undefined) {
        instances = withNotes(instances, await setNotes(dag, key.dag_run_id, group.taskIds, patch.note));
      }
      return c.json(taskInstanceCollectionJson(instances), 200);
    });
}

/** The tasks of a group that have instances in a run, and these. @throws ApiError 404 if there is no such group, or none. */
async function groupOf(dag: DagObject, key: z.output<typeof groupParams>) {
  const { dag_id: dagId, dag_run_id: runId, group_id: groupId } = key;
  const { spec } = unwrap(await dag.describe());
  if (!spec.task_groups.some(({ group_id: id }) => id === groupId)) {
    throw notFound(`Task group '${groupId.slice(0, 250)}' not found in DAG '${dagId}'`);
  }
  const query = { limit: MAX_LISTED, offset: 0, order_by: ["id", "map_index"], task_group_id: groupId };
  const { items: instances, total } = unwrap(await dag.listTaskInstances(runId, query));
  if (total === 0) {
    throw notFound(`No task instances found for task group '${groupId}' in dag run '${runId.slice(0, 250)}'`);
  }
  const present = new Set(instances.map(({ task_id: id }) => id));
  const taskIds = tasksOfGroup(spec, groupId).filter((id) => present.has(id));
  if (total > MAX_LISTED || taskIds.length > MAX_TASKS) {
    throw new ApiError(
      413,
      `expected a group of at most ${MAX_TASKS} tasks and ${MAX_LISTED} task instances, got ${taskIds.length} and ${total}`,
    );
  }
  return { taskIds, instances };
}

/** Marks all tasks of the group at once, so that none of them is taken for what failed below another. */
async function mark(
  dag: DagObject,
  runId: string,
  taskIds: string[],
  { newState, around }: StatePatch,
  dryRun: boolean,
) {
  const request = { run_id: runId, task_id: taskIds, map_index: null, new_state: newState, ...around };
  return unwrap(await dag.mark({ ...request, dry_run: dryRun }));
}

/** A patch that changes the state. */
type StatePatch = Patch & { newState: "success" | "failed" | "skipped" };

function changesState(patch: Patch): patch is StatePatch {
  return patch.newState !== null;
}

async function setNotes(dag: DagObject, runId: string, taskIds: readonly string[], note: string | null) {
  const noted: TaskInstanceView[] = [];
  for (const taskId of taskIds) {
    noted.push(...unwrap(await dag.setNote(runId, taskId, null, note)));
  }
  return noted;
}

/** Task instances, those that were noted as they are since. */
function withNotes(instances: readonly TaskInstanceView[], noted: readonly TaskInstanceView[]): TaskInstanceView[] {
  const byKey = new Map(noted.map((view) => [keyOf(view), view]));
  return instances.map((view) => byKey.get(keyOf(view)) ?? view);
}

function keyOf({ run_id: runId, task_id: taskId, map_index: mapIndex }: TaskInstanceView): string {
  return JSON.stringify([runId, taskId, mapIndex]);
}
