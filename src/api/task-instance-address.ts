/**
 * How requests name a task instance, and what is said if there is none under that name.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { DagObject } from "../engine/objects.ts";
import { notFound, unwrap, type ApiError } from "./errors.ts";

const MAP_INDEX = /^(?:-1|\d{1,9})$/;
const EXPECTED = "expected a map index: -1, or a whole number";

/** A map index in a path or a query. */
export const mapIndexText = z
  .string()
  .regex(MAP_INDEX, EXPECTED)
  .transform(Number)
  .openapi({ type: "integer", minimum: -1 });

/** A map index in a body. */
export const mapIndexNumber = z.int(EXPECTED).min(-1, EXPECTED).max(999_999_999, EXPECTED);

export const runParams = z.object({ dag_id: z.string(), dag_run_id: z.string() });
export const taskParams = runParams.extend({ task_id: z.string() });
export const mappedParams = taskParams.extend({ map_index: mapIndexText });

/** `?map_index=`, of a task that is not mapped unless it is given. */
export const mapIndexQuery = z.object({
  map_index: mapIndexText.default(-1).openapi({ type: "integer", minimum: -1, default: -1 }),
});

/** A task instance, or with a map index of null all instances of a task. */
export interface Target {
  dagId: string;
  runId: string;
  taskId: string;
  mapIndex: number | null;
}

/** What a path names. */
export function targetOf(params: {
  dag_id: string;
  dag_run_id: string;
  task_id: string;
  map_index: number | null;
}): Target {
  return { dagId: params.dag_id, runId: params.dag_run_id, taskId: params.task_id, mapIndex: params.map_index };
}

/**
 * The 404 for a task instance that is not there; of a run that is not there either it says that.
 *
 * @param kind What Airflow calls it.
 * @param tryNumber Which of its tries was asked for.
 */
export async function instanceNotFound(
  dag: DagObject,
  { dagId, runId, taskId, mapIndex }: Target,
  kind: "Task Instance" | "Mapped Task Instance" = "Task Instance",
  tryNumber?: number,
): Promise<ApiError> {
  unwrap(await dag.getRun(runId, 0));
  const parts = [`dag_id: ${quote(dagId)}`, `run_id: ${quote(runId)}`, `task_id: ${quote(taskId)}`];
  if (tryNumber !== undefined) {
    parts.push(`try_number: \`${tryNumber}\``);
  }
  if (mapIndex !== null) {
    parts.push(`map_index: \`${mapIndex}\``);
  }
  return notFound(`The ${kind} with ${parts.slice(0, -1).join(", ")} and ${parts.at(-1)} was not found`);
}

/** A name in an error text, not longer than names may be. */
function quote(name: string): string {
  return `\`${name.slice(0, 250)}\``;
}
