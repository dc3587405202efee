/**
 * The consumer of work: groups a batch by owner, claims once per owner, runs what it was given.
 *
 * @module
 */
import { openDag, openIntakeNamed, type ObjectEnv } from "../durable-objects/env.ts";
import { queuesOf } from "../durable-objects/queues.ts";
import { intakeName } from "../src/engine/intake.ts";
import { DEFAULT_QUEUE, MOST_LANES, queueOfPlatform } from "../src/engine/queues.ts";
import type { ClaimedTask, JobMessage, TaskInstanceMessage, WorkerIdentity, WorkMessage } from "../src/engine/work.ts";
import { Budget } from "../src/runner/budget.ts";
import { Lanes } from "../src/runner/lanes.ts";
import type { Claims, WorkSource } from "../src/runner/owner.ts";
import { Pace } from "../src/runner/pace.ts";
import { hostnameOfIsolate } from "../src/isolate/identity.ts";
import { service } from "../src/isolate/service.ts";
import { Session } from "../src/runner/session.ts";
import type { Registry } from "../src/sdk/index.ts";
import { dagOwner, intakeOwner } from "./owners.ts";
import { surroundings } from "./surroundings.ts";

/** Messages being worked on in this isolate up to which a detached consumer takes the next batch at once. */
const IN_FLIGHT_AT_ONCE = 1000;
/** How long it holds the next batch back beyond that: short tasks end in it, and a flood is taken in step. */
const DETACH_AFTER_MS = 25;
const RETRY_DELAY_S = 5;
/** Handlers at a time in an invocation that the platform bounds: six of them may wait for a connection, and all share a thread. */
const LANES_WHERE_HELD = 10;

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

let inFlight = 0;
/** Of the jobs that this isolate makes, for whichever owner. */
const pace = new Pace();

/** Who this isolate is, on a queue. */
function identity(queue: string): WorkerIdentity {
  return { hostname: hostnameOfIsolate(), unixname: "jobbers", ...(queue === DEFAULT_QUEUE ? {} : { queue }) };
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
  const queues = queuesOf(env);
  const queue = queueOfPlatform(queues, batch.queue);
  const worker = identity(queue);
  const isHeld = env.TASK_CONSUMER !== "detach";
  const around = surroundings(registry, env, isHeld);
  const shared = {
    lanes: new Lanes(queues.get(queue)?.lanes ?? (isHeld ? LANES_WHERE_HELD : MOST_LANES)),
    budget: new Budget(around.now),
    pace,
    service,
  };
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
    ...[...byIntake].map(async ([name, messages]) => {
      const ids = (bodies: WorkMessage[]): string[] => bodies.map((body) => (body as JobMessage).job_id);
      const claim = (bodies: WorkMessage[]) => openIntakeNamed(env, name).claim([...new Set(ids(bodies))], worker);
      await new Session(intakeOwner(env, name, worker), around, shared).run(new Messages(messages, claim));
    }),
    ...[...byDag].map(async ([dagId, messages]) => {
      const claim = (bodies: WorkMessage[]) => openDag(env, dagId).claim(bodies as TaskInstanceMessage[], worker);
      const owner = dagOwner(env, dagId, worker, around.getPayload);
      await new Session(owner, around, shared).run(new Messages(messages, claim));
    }),
  ];
  inFlight += batch.messages.length;
  const over = service.begin();
  const all = Promise.all(work).finally(() => {
    over();
    inFlight -= batch.messages.length;
  });
  if (isHeld) {
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

/** Messages of one owner, claimed some at a time. */
class Messages implements WorkSource {
  readonly #claim: (bodies: WorkMessage[]) => Promise<ClaimedTask[]>;
  #messages: DeliveredMessage[];

  constructor(messages: readonly DeliveredMessage[], claim: (bodies: WorkMessage[]) => Promise<ClaimedTask[]>) {
    this.#messages = [...messages];
    this.#claim = claim;
  }

  get left(): number {
    return this.#messages.length;
  }

  async claim(most: number): Promise<Claims> {
    const messages = this.#messages.splice(0, most);
    const since = Date.now();
    try {
      return { tasks: await this.#claim(messages.map(({ body }) => body)), since };
    } catch (error) {
      console.error({ event: "claim_failed", messages: messages.length + this.left, error: String(error) });
      retry([...messages, ...this.#messages], RETRY_DELAY_S);
      this.#messages = [];
      return { tasks: [], since };
    }
  }

  giveBack(): void {
    retry(this.#messages, 0);
    this.#messages = [];
  }
}

/** A claim that could not be made is asked for again; one that was made is refused then, so nothing runs twice. */
function retry(messages: readonly DeliveredMessage[], delaySeconds: number): void {
  for (const message of messages) {
    try {
      message.retry({ delaySeconds });
    } catch {
      // A detached consumer has returned already: the owner sends again what nobody claimed.
    }
  }
}
