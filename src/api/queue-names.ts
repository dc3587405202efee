/**
 * Names of queues in a spec that comes over HTTP: each must be a queue's or a role's.
 *
 * @module
 */
import { roleMap } from "../engine/queue-roles.ts";
import { readQueues, unknownQueues } from "../engine/queues.ts";
import type { DagSpec } from "../engine/spec.ts";
import type { ApiEnv } from "./env.ts";
import { ApiError, problem } from "./errors.ts";
import { suggestion } from "./nearest.ts";
import { catalogObject } from "./objects.ts";
import { MAX_PROBLEMS } from "./validation.ts";

/**
 * Refuses a spec that names a queue which is not there. Roles are asked for only if a name is not a queue's.
 *
 * @throws ApiError 422 naming the places.
 */
export async function refuseUnknownQueues(env: ApiEnv, spec: DagSpec): Promise<void> {
  const queues = readQueues(env.QUEUES);
  const strange = unknownQueues(spec.tasks, queues);
  if (strange.length === 0) {
    return;
  }
  const roles = roleMap(queues, await catalogObject(env).listRoles());
  const unknown = strange.filter(({ name }) => !roles.has(name)).slice(0, MAX_PROBLEMS);
  if (unknown.length > 0) {
    const names = new Map([...queues.keys(), ...roles.keys()].map((name) => [name, null]));
    throw new ApiError(
      422,
      unknown.map(({ path, name }) =>
        problem(["body", ...path], `expected the name of a queue or of a role${suggestion(name, names)}`, name),
      ),
    );
  }
}
