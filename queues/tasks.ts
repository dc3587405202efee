/**
 * The consumer of work: groups a batch by owner, claims once per owner, runs what it was given.
 *
 * @module
 */
import { openDag, openIntakeNamed, type ObjectEnv } from "../durable-objects/env.ts";
import { queuesOf } from "../durable-objects/queues.ts";
import { intakeName } from "../src/engine/intake.ts";
import { DEFAULT_QUEUE, queueOfPlatform } from "../src/engine/queues.ts";
import type { Json } from "../src/engine/spec.ts";
import type { JobMessage, TaskInstanceMessage, WorkerIdentity, WorkMessage } from "../src/engine/work.ts";
import type { Surroundings } from "../src/runner/execute.ts";
import { Pace } from "../src/runner/pace.ts";
import { service } from "../src/isolate/service.ts";
import { Session } from "../src/runner/session.ts";
import type { Registry } from "../src/sdk/index.ts";
import { dagOwner, intakeOwner } from "./owners.ts";

/** Messages being worked on in this isolate up to which a detached consumer takes the next batch at once. */
const IN_FLIGHT_AT_ONCE = 1000;
/** How long it holds the next batch back beyond that: short tasks end in it, and a flood is taken in step. */
const DETACH_AFTER_MS = 25;
const RETRY_DELAY_S = 5;

/** A message as far as the consumer uses it. */
interface DeliveredMessage {
  readonly body: WorkMessage;
  /** Has it delivered again. */
  retry(options?: { delaySeconds?: number }): void;
}

/** A batch of one queue, of the platform or in memory. What is not retried is done with. */
export interface WorkBatch {
  /** The queue's name on the platform. */
  readonly queue: string;
  readonly messages: readonly DeliveredMessage[];
  retryAll(options?: { delaySeconds?: number }): void;
}

let hostname: string | undefined;
let inFlight = 0;
/** Of the jobs that this isolate makes, for whichever owner. */
const pace = new Pace();

/** Who this isolate is, on a queue. Named at first use: the platform allows no randomness before a request. */
function identity(queue: string): WorkerIdentity {
  hostname ??= `worker-${crypto.randomUUID().slice(0, 8)}`;
  return { hostname, unixname: "jobbers", ...(queue === DEFAULT_QUEUE ? {} : { queue }) };
}

/** Handles one batch of work messages, of whichever queue. */
export async function consumeTasks(
  registry: Registry,
  batch: WorkBatch,
  env: ObjectEnv,
  ctx: Pick<ExecutionContext, "waitUntil">,
): Promise<void> {
  if (service.isStopping) {
    // Their owners send them again after the next start; a queue that keeps messages brings them to another isolate.
    batch.retryAll({ delaySeconds: RETRY_DELAY_S });
    return;
  }
  const worker = identity(queueOfPlatform(queuesOf(env), batch.queue));
  const around = surroundings(registry, env);
  const byDag = new Map<string, DeliveredMessage[]>();
  const byIntake = new Map<string, DeliveredMessage[]>();
  for (const message of batch.messages) {
    const { body } = message;
    if ("job_id" in body) {
      addTo(byIntake, intakeName(body.job_id), message);
    } else {
      addTo(byDag, body.dag_id, message);
    }
  }
  const work = [
    ...[...byIntake].map(([name, messages]) => runJobs(env, name, messages, worker, around)),
    ...[...byDag].map(([dagId, messages]) => runTaskInstances(env, dagId, messages, worker, around)),
  ];
  inFlight += batch.messages.length;
  const over = service.begin();
  const all = Promise.all(work).finally(() => {
    over();
    inFlight -= batch.messages.length;
  });
  if (env.TASK_CONSUMER !== "detach") {
    await all;
    return;
  }
  ctx.waitUntil(all);
  if (inFlight > IN_FLIGHT_AT_ONCE) {
    await Promise.race([all, new Promise((resolve) => setTimeout(resolve, DETACH_AFTER_MS))]);
  }
}

function addTo<T>(groups: Map<string, T[]>, name: string, item: T): void {
  const group = groups.get(name);
  if (group === undefined) {
    groups.set(name, [item]);
  } else {
    group.push(item);
  }
}

async function runTaskInstances(
  env: ObjectEnv,
  dagId: string,
  messages: readonly DeliveredMessage[],
  worker: WorkerIdentity,
  around: Surroundings,
): Promise<void> {
  try {
    const requests = messages.map(({ body }) => body as TaskInstanceMessage);
    const since = around.now();
    const claimed = await openDag(env, dagId).claim(requests, worker);
    if (claimed.length > 0) {
      await new Session(dagOwner(env, dagId, worker, around.getPayload), around, pace, service).run(claimed, since);
    }
  } catch (error) {
    retry(messages, error);
  }
}

async function runJobs(
  env: ObjectEnv,
  intake: string,
  messages: readonly DeliveredMessage[],
  worker: WorkerIdentity,
  around: Surroundings,
): Promise<void> {
  try {
    const jobIds = new Set(messages.map(({ body }) => (body as JobMessage).job_id));
    const since = around.now();
    const claimed = await openIntakeNamed(env, intake).claim([...jobIds], worker);
    if (claimed.length > 0) {
      await new Session(intakeOwner(env, intake, worker), around, pace, service).run(claimed, since);
    }
  } catch (error) {
    retry(messages, error);
  }
}

/** A claim that could not be made is asked for again; one that was made is refused then, so nothing runs twice. */
function retry(messages: readonly DeliveredMessage[], error: unknown): void {
  console.error({ event: "claim_failed", messages: messages.length, error: String(error) });
  for (const message of messages) {
    try {
      message.retry({ delaySeconds: RETRY_DELAY_S });
    } catch {
      // A detached consumer has returned already: the owner sends again what nobody claimed.
    }
  }
}

function surroundings(registry: Registry, env: ObjectEnv): Surroundings {
  return {
    find: (handler) => registry.tasks.get(handler),
    env,
    now: () => Date.now(),
    async putPayload(place, json) {
      const key = `${place}${crypto.randomUUID()}`;
      await env.PAYLOADS.put(key, json, { httpMetadata: { contentType: "application/json" } });
      return key;
    },
    async getPayload(key) {
      const object = await env.PAYLOADS.get(key);
      if (object === null) {
        throw new Error(`expected a value under "${key}" in PAYLOADS, there is none`);
      }
      return object.json<Json>();
    },
    deletePayloads: (keys) => env.PAYLOADS.delete(keys),
  };
}
