/**
 * Which queue a try goes to. Pure and repeatable: the message of the same try goes the same way each time it is sent.
 *
 * @module
 */
import { canonicalJson } from "./canonical-json.ts";
import { followPath, type Path } from "./path.ts";
import { DEFAULT_QUEUE } from "./queues.ts";
import type { Json, QueueSpec } from "./spec.ts";
import type { TaskInstanceRow } from "./task-instance.ts";
import type { NodeInstance } from "./task-node.ts";
import type { WorkerIdentity } from "./work.ts";
import { textHash } from "./text-hash.ts";

/** A try of a task instance, as far as it decides where it goes. Of a job the run id is its own. */
export interface Placed {
  runId: string;
  taskId: string;
  mapIndex: number;
  tryNumber: number;
}

/** The try an instance of a run is at. */
export function placeOf(runId: string, { node, mapIndex, tryNumber }: NodeInstance): Placed {
  return { runId, taskId: node.task.id, mapIndex, tryNumber };
}

/** The try that a row is of. */
export function rowPlace(
  runId: string,
  { task_id: taskId, map_index: mapIndex, try_number: tryNumber }: TaskInstanceRow,
): Placed {
  return { runId, taskId, mapIndex, tryNumber };
}

/**
 * The name of the queue, or of the role, that a try goes to. In turn means by map index; what is not mapped, and so has no
 * turn, is dealt by the hash of its run. `input` is needed for what goes by the hash of a value in it; without one, or if there
 * is nothing at that place, it goes in turn.
 */
export function queueOf(queue: QueueSpec | undefined, placed: Placed, input?: Json): string {
  if (queue === undefined) {
    return DEFAULT_QUEUE;
  }
  if (typeof queue === "string") {
    return queue;
  }
  const { spread, by, key } = queue;
  return spread[position(by, key ?? [], placed, input) % spread.length] ?? DEFAULT_QUEUE;
}

function position(by: "round_robin" | "random" | "hash", key: Path, placed: Placed, input: Json | undefined): number {
  const { runId, taskId, mapIndex, tryNumber } = placed;
  if (by === "random") {
    return textHash(JSON.stringify([runId, taskId, mapIndex, tryNumber]));
  }
  const value = by === "hash" && input !== undefined ? followPath(input, key) : null;
  const hash = value === null ? null : valueHash(value);
  return hash ?? (mapIndex >= 0 ? mapIndex : textHash(JSON.stringify([runId, taskId])));
}

function valueHash(value: Json): number | null {
  try {
    return textHash(canonicalJson(value));
  } catch {
    // It is nested too deep to be walked.
    return null;
  }
}

/** Says whether the queue of a try depends on its input. */
export function goesByInput(queue: QueueSpec | undefined): queue is Exclude<QueueSpec, string> {
  return queue !== undefined && typeof queue !== "string" && queue.by === "hash";
}

/** The queue as people are shown it: its name as the task has it, the one of several, or the rule if that needs the input. */
export function queueShown(queue: QueueSpec | undefined, placed: Placed): string {
  return goesByInput(queue) ? JSON.stringify(queue) : queueOf(queue, placed);
}

/**
 * Says whether a worker may be given an instance directly: it is of the queue that the instance's message would go to. What
 * goes by its input goes by message. `roles`: those that are known; a role that is not is another queue.
 */
export function isForWorker(
  instance: NodeInstance,
  runId: string,
  worker: WorkerIdentity,
  roles: ReadonlyMap<string, string>,
): boolean {
  const { queue } = instance.node.task.spec;
  const own = worker.queue ?? DEFAULT_QUEUE;
  if (queue === undefined) {
    return own === DEFAULT_QUEUE;
  }
  if (goesByInput(queue)) {
    return false;
  }
  const name = queueOf(queue, placeOf(runId, instance));
  return name === own || roles.get(name) === own;
}
