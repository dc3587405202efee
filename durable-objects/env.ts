/**
 * The bindings the durable objects, the consumer and the runner use.
 *
 * @module
 */
import type { DagObject, JobObject } from "../src/engine/objects.ts";
import type { WorkMessage } from "../src/engine/work.ts";

/** Bindings of the Worker, as far as the objects use them. */
export interface ObjectEnv {
  DAG: DurableObjectNamespace;
  JOB: DurableObjectNamespace;
  TASKS: Queue<WorkMessage>;
  PAYLOADS: R2Bucket;
  /** `hold` on Cloudflare, `detach` on the embedded runtime: see wrangler.toml. */
  TASK_CONSUMER: string;
}

/** The object of a DAG or of a bulk submission, by its name. */
export function openDag(env: ObjectEnv, name: string): DagObject {
  return plain<DagObject>(env.DAG.getByName(name));
}

/** The object of a job, by its id. */
export function openJob(env: ObjectEnv, jobId: string): JobObject {
  return plain<JobObject>(env.JOB.getByName(jobId));
}

/** A stub's generated type rewrites every method for RPC; what arrives is the plain data the interface promises. */
function plain<T>(stub: object): T {
  return stub as T;
}
