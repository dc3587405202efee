/**
 * Which DAGs there are: those of the code, and those the catalog knows because they were registered over HTTP.
 *
 * @module
 */
import type { DagObject } from "../engine/objects.ts";
import { dagSpecSchema } from "../engine/spec.ts";
import type { ApiEnv, ApiRegistry } from "./env.ts";
import { notFound, type ApiError } from "./errors.ts";
import { suggestion } from "./nearest.ts";
import { KnownNames } from "./known-names.ts";
import { catalogObject, dagObject } from "./objects.ts";

const dags = new KnownNames();

/** In the place of a DAG's or a run's id: all of them. */
export const ALL = "~";

/**
 * The object of a DAG that exists. Code and catalog are asked first, because to ask an object makes it: a wrong id must
 * leave nothing behind. One that was deleted elsewhere may be taken for known for 30 s, so its object must be asked: it says not_found.
 *
 * @throws ApiError 404 naming the nearest ids.
 */
export async function knownDag(registry: ApiRegistry, env: ApiEnv, dagId: string): Promise<DagObject> {
  if (!registry.dags.has(dagId) && !(await dags.hasLately(env.CATALOG, dagId, () => askCatalog(env, dagId)))) {
    throw await dagNotFound(registry, env, dagId);
  }
  return dagObject(env, dagId);
}

/**
 * For what answers about a DAG without asking its object: whether the catalog has it now.
 *
 * @throws ApiError 404 naming the nearest ids.
 */
export async function requireDag(registry: ApiRegistry, env: ApiEnv, dagId: string): Promise<void> {
  if (!registry.dags.has(dagId) && !(await isRegistered(env, dagId))) {
    throw await dagNotFound(registry, env, dagId);
  }
}

/** Says whether the catalog has a DAG now; its object may still say that it was never stored. */
export async function isRegistered(env: ApiEnv, dagId: string): Promise<boolean> {
  return dags.has(env.CATALOG, dagId, () => askCatalog(env, dagId));
}

/** Takes a DAG out of the catalog. */
export async function unregister(env: ApiEnv, dagId: string): Promise<void> {
  await catalogObject(env).remove(dagId);
  dags.forget(env.CATALOG, dagId);
}

async function askCatalog(env: ApiEnv, dagId: string): Promise<boolean> {
  return dagSpecSchema.shape.dag_id.safeParse(dagId).success && catalogObject(env).has(dagId);
}

async function dagNotFound(registry: ApiRegistry, env: ApiEnv, dagId: string): Promise<ApiError> {
  const known = new Map((await knownDagIds(registry, env)).map((id) => [id, null]));
  return notFound(`The Dag with ID: \`${dagId.slice(0, 250)}\` was not found${suggestion(dagId, known)}`);
}

/** Ids of all DAGs, sorted. */
export async function knownDagIds(registry: ApiRegistry, env: ApiEnv): Promise<string[]> {
  const ids = new Set([...registry.dags.keys(), ...(await catalogObject(env).list())]);
  return [...ids].toSorted();
}
