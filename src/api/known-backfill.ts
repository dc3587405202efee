/**
 * Which backfills there are: the catalog knows whose a number is, the DAG's object whether there is such a backfill.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { DagObject } from "../engine/objects.ts";
import type { ApiEnv, ApiRegistry } from "./env.ts";
import { notFound } from "./errors.ts";
import { isRegistered } from "./known-dag.ts";
import { catalogObject, dagObject } from "./objects.ts";

/** The number of a backfill in a path. */
export const backfillParams = z.object({
  backfill_id: z
    .string()
    .regex(/^\d{1,15}$/, "expected a whole number, 0 or more")
    .transform(Number)
    .openapi({ type: "integer", minimum: 0 }),
});

/** The object of a DAG that a backfill is asked of, or null if there is no such DAG: to ask an object makes it. */
export async function dagToBackfill(registry: ApiRegistry, env: ApiEnv, dagId: string): Promise<DagObject | null> {
  return registry.dags.has(dagId) || (await isRegistered(env, dagId)) ? dagObject(env, dagId) : null;
}

/** The object of the DAG that a backfill's number was given to. @throws ApiError 404 */
export async function backfillOwner(registry: ApiRegistry, env: ApiEnv, id: number): Promise<DagObject> {
  const dagId = await catalogObject(env).backfillDag(id);
  const dag = dagId === null ? null : await dagToBackfill(registry, env, dagId);
  if (dag === null) {
    throw notFound(`Could not find backfill with id ${id}`);
  }
  return dag;
}
