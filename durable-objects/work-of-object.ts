/**
 * What a `Job` object needs to run an attempt itself.
 *
 * @module
 */
import type { WorkerIdentity } from "../src/engine/work.ts";
import type { Surroundings } from "../src/runner/execute.ts";
import type { Owner } from "../src/runner/owner.ts";
import type { ObjectEnv } from "./env.ts";

/** Gives the owner of an attempt that an object runs itself, and what its handler runs with. */
export type WorkOfObject = (
  env: ObjectEnv,
  dagId: string | null,
  jobId: string,
  worker: WorkerIdentity,
) => { owner: Owner; around: Surroundings };
