/**
 * The Worker under test: the product over the tests' registry, with one change. What the objects send to the queue is
 * kept in `mailbox`, and a test hands it on as often and in which order it wants, unless the mailbox is `live`.
 *
 * @module
 */
import type { ObjectEnv } from "../../durable-objects/env.ts";
import { createJobbers } from "../../src/jobbers.ts";
import { mailbox } from "./mailbox.ts";
import { registry } from "./registry.ts";

export const jobbers = createJobbers(registry);

export default jobbers.handler;

export class Dag extends jobbers.Dag {
  constructor(ctx: DurableObjectState, env: ObjectEnv) {
    super(ctx, { ...env, TASKS: mailbox.over(env.TASKS) });
  }
}

export class Job extends jobbers.Job {
  constructor(ctx: DurableObjectState, env: ObjectEnv) {
    super(ctx, { ...env, TASKS: mailbox.over(env.TASKS) });
  }
}
