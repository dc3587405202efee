/**
 * Which DAGs there are.
 *
 * @module
 */
import type { DagObject } from "../engine/objects.ts";
import type { ApiEnv, ApiRegistry } from "./env.ts";
import { notFound } from "./errors.ts";
import { suggestion } from "./nearest.ts";
import { dagObject } from "./objects.ts";

/**
 * The object of a DAG that exists. Asked of the registry first, because to ask an object makes it: a wrong id must
 * leave nothing behind.
 *
 * @throws ApiError 404 naming the nearest ids.
 */
export function knownDag(registry: ApiRegistry, env: ApiEnv, dagId: string): DagObject {
  if (!registry.dags.has(dagId)) {
    throw notFound(`The Dag with ID: \`${dagId.slice(0, 250)}\` was not found${suggestion(dagId, registry.dags)}`);
  }
  return dagObject(env, dagId);
}
