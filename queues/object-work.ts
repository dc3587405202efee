/**
 * What a `Job` object needs to run an attempt itself: the owner that it reports to, and what its handler runs with.
 *
 * @module
 */
import type { WorkOfObject } from "../durable-objects/work-of-object.ts";
import { intakeName } from "../src/engine/intake.ts";
import type { Registry } from "../src/sdk/index.ts";
import { dagOwner, intakeOwner } from "./owners.ts";
import { surroundings } from "./surroundings.ts";

/** Gives that for the code of a deployment. */
export function workOfObjects(registry: Registry): WorkOfObject {
  return (env, dagId, jobId, worker) => {
    const around = surroundings(registry, env, true);
    const owner =
      dagId === null ? intakeOwner(env, intakeName(jobId), worker) : dagOwner(env, dagId, worker, around.getPayload);
    return { owner, around };
  };
}
