/**
 * Airflow's patch of a task instance, or of all instances of a task: first the state, then the note.
 *
 * @module
 */
import type { DagObject } from "../engine/objects.ts";
import type { TaskInstanceView } from "../engine/work.ts";
import { ApiError, notFound, unwrap } from "./errors.ts";
import type { PatchTaskInstance } from "./schemas/task-instance-bodies.ts";
import type { Target } from "./task-instance-address.ts";
import { instancesOf } from "./task-instance-lists.ts";

/** What a patch changes, and how far around its target. */
export interface Patch {
  newState: "success" | "failed" | "skipped" | null;
  /** Undefined leaves the note as it is, null removes it. */
  note: string | null | undefined;
  around: {
    include_upstream: boolean;
    include_downstream: boolean;
    include_future: boolean;
    include_past: boolean;
  };
}

/**
 * What a body changes: of what it gives, what the mask names, if there is one. A note of null counts only if the mask
 * names it.
 */
export function patchOf(body: PatchTaskInstance, mask: readonly string[] | null): Patch {
  const isMasked = mask !== null && mask.length > 0;
  const counts = (field: string) => !isMasked || mask.includes(field);
  const { include_upstream, include_downstream, include_future, include_past } = body;
  const note = counts("note") && (isMasked || body.note !== null) ? body.note : undefined;
  return {
    newState: counts("new_state") ? (body.new_state ?? null) : null,
    note: note === "" ? null : note,
    around: { include_upstream, include_downstream, include_future, include_past },
  };
}

/**
 * Does a patch. Answers the target's instances as they are after it, and not those around it, as Airflow does.
 *
 * @throws ApiError 404 for a target that is not there, 409 if everything has the state already.
 */
export async function patchInstances(dag: DagObject, target: Target, patch: Patch): Promise<TaskInstanceView[]> {
  let { items } = await present(dag, target);
  if (patch.newState !== null) {
    const changed = unwrap(await dag.mark(markRequest(target, patch.newState, patch)));
    if (changed.length === 0) {
      throw new ApiError(409, `Task id ${target.taskId} is already in ${patch.newState} state`);
    }
    ({ items } = await instancesOf(dag, target));
  }
  if (patch.note !== undefined) {
    items = unwrap(await dag.setNote(target.runId, target.taskId, target.mapIndex, patch.note));
  }
  return items;
}

/** What a patch would change, as it is now; without a state the target's own instances. */
export async function previewPatch(dag: DagObject, target: Target, patch: Patch): Promise<TaskInstanceView[]> {
  const { items } = await present(dag, target);
  if (patch.newState === null) {
    return items;
  }
  return unwrap(await dag.mark({ ...markRequest(target, patch.newState, patch), dry_run: true }));
}

function markRequest({ runId, taskId, mapIndex }: Target, newState: "success" | "failed" | "skipped", patch: Patch) {
  return { run_id: runId, task_id: taskId, map_index: mapIndex, new_state: newState, ...patch.around };
}

/** The target's instances. Airflow says first whether the DAG has such a task. */
async function present(dag: DagObject, target: Target) {
  try {
    return await instancesOf(dag, target);
  } catch (error) {
    const isMissing = error instanceof ApiError && error.status === 404;
    if (isMissing && !unwrap(await dag.describe()).spec.tasks.some(({ task_id: id }) => id === target.taskId)) {
      throw notFound(`Task '${target.taskId.slice(0, 250)}' not found in DAG '${target.dagId}'`);
    }
    throw error;
  }
}
