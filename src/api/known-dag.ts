/**
 * Which DAGs there are: those of the code, and those the catalog knows because they were registered over HTTP.
 *
 * @module
 */
import type { DagObject } from "../engine/objects.ts";
import { dagSpecSchema } from "../engine/spec.ts";
import type { ApiEnv, ApiRegistry } from "./env.ts";
import { notFound } from "./errors.ts";
import { suggestion } from "./nearest.ts";
import { catalogObject, dagObject } from "./objects.ts";

/** In the place of a DAG's or a run's id: all of them. */
export const ALL = "~";

/**
 * The object of a DAG that exists. Code and catalog are asked first, because to ask an object makes it: a wrong id must
 * leave nothing behind.
 *
 * @throws ApiError 404 naming the nearest ids.
 */
export async function knownDag(registry: ApiRegistry, env: ApiEnv, dagId: string): Promise<DagObject> {
  if (!registry.dags.has(dagId) && !(await isRegistered(env, dagId))) {
    const known = new Map((await knownDagIds(registry, env)).map((id) => [id, null]));
    throw notFound(`The Dag with ID: \`${dagId.slice(0, 250)}\` was not found${suggestion(dagId, known)}`);
  }
  return dagObject(env, dagId);
}

/** Says whether the catalog has a DAG; its object may still say that it was never stored. */
export async function isRegistered(env: ApiEnv, dagId: string): Promise<boolean> {
  return dagSpecSchema.shape.dag_id.safeParse(dagId).success && catalogObject(env).has(dagId);
}

/** Ids of all DAGs, sorted. */
export async function knownDagIds(registry: ApiRegistry, env: ApiEnv): Promise<string[]> {
  const ids = new Set([...registry.dags.keys(), ...(await catalogObject(env).list())]);
  return [...ids].toSorted();
}
