/**
 * Which queues there are, by configuration: their bindings and the rate limits of what is sent through them.
 *
 * @module
 */
import { z } from "zod";
import { ruleIssue, type RateRule } from "./permits/gcra.ts";
import { queueName, type QueueSpec, type TaskSpec } from "./spec.ts";
import { describeIssue, findUnsafe, isRecord } from "./validate-spec/issues.ts";

/** Says whether any queue has a rate limit. */
export function hasRates(queues: Queues): boolean {
  return [...queues.values()].some(({ rate_limit, task_rate_limit }) => (rate_limit ?? task_rate_limit) !== undefined);
}

/** Where the messages of tasks go that name no queue. */
export const DEFAULT_QUEUE = "default";

/** As many as a batch of messages may have. */
export const MOST_LANES = 100;

const rateSchema = z.strictObject({
  limit: z.number(),
  per_seconds: z.number(),
  /** How many may start at once after idleness; 1 if left out. */
  burst: z.number().optional(),
});
/** So many starts in so many seconds. */
export type QueueRate = z.infer<typeof rateSchema>;

const queueSchema = z.strictObject({
  /** Name of the producer's binding in `wrangler.toml`. */
  binding: z.string().min(1),
  /** Name of the queue there, by which a consumer knows it. */
  queue: z.string().min(1),
  /**
   * Handlers that one consumer invocation runs at a time. Left out: 10 where the invocation stays open while its tasks run, as many as a
   * batch has on the embedded runtime.
   */
  lanes: z.int().min(1).max(MOST_LANES).optional(),
  /** Of all that goes through the queue. */
  rate_limit: rateSchema.optional(),
  /** Of each task that goes through it, by itself. */
  task_rate_limit: rateSchema.optional(),
});
export type QueueSettings = z.infer<typeof queueSchema>;

/** Queues by the name that tasks use. */
export type Queues = ReadonlyMap<string, QueueSettings>;

const queuesSchema = z.record(queueName, queueSchema);

/** What is there without configuration. */
const ONLY_DEFAULT: Queues = new Map([[DEFAULT_QUEUE, { binding: "TASKS", queue: "jobbers-tasks" }]]);

let last: { raw: unknown; queues: Queues } | undefined;

/**
 * The queues that the variable `QUEUES` configures: an object, or one as JSON text. Without it there is the default queue alone.
 * Read once for as long as it is the same.
 *
 * @throws Error that lists everything wrong with it.
 */
export function readQueues(raw: unknown): Queues {
  if (raw === undefined || raw === "") {
    return ONLY_DEFAULT;
  }
  if (last === undefined || last.raw !== raw) {
    last = { raw, queues: parseQueues(raw) };
  }
  return last.queues;
}

function parseQueues(raw: unknown): Queues {
  const input = typeof raw === "string" ? parseJson(raw) : raw;
  const unsafe = findUnsafe(input);
  const parsed = queuesSchema.safeParse(input);
  if (unsafe.length > 0 || !parsed.success) {
    const issues = parsed.error?.issues.flatMap((issue) => describeIssue(issue, input)) ?? [];
    throw unusable([...unsafe, ...issues].map(({ path, message }) => `${["QUEUES", ...path].join(".")}: ${message}`));
  }
  const queues = new Map(Object.entries(parsed.data));
  const problems = queues.has(DEFAULT_QUEUE) ? [] : [`QUEUES: expected a queue of the name "${DEFAULT_QUEUE}"`];
  for (const field of ["binding", "queue"] as const) {
    const owners = new Map<string, string>();
    for (const [name, { [field]: used }] of queues) {
      const owner = owners.get(used);
      if (owner !== undefined) {
        problems.push(`QUEUES.${name}.${field}: expected another one than that of "${owner}", got "${used}"`);
      }
      owners.set(used, name);
    }
  }
  for (const [name, settings] of queues) {
    for (const field of ["rate_limit", "task_rate_limit"] as const) {
      const rate = settings[field];
      const issue = rate === undefined ? null : ruleIssue(ruleOf(rate));
      if (issue !== null) {
        problems.push(`QUEUES.${name}.${field}: ${issue.replace("perMs", "the milliseconds of per_seconds")}`);
      }
    }
  }
  if (problems.length > 0) {
    throw unusable(problems);
  }
  return queues;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw unusable([`QUEUES: expected JSON: ${error instanceof Error ? error.message : String(error)}`]);
  }
}

function unusable(problems: readonly string[]): Error {
  return new Error(["the configuration of queues cannot be used", ...problems].join("\n  "));
}

function ruleOf({ limit, per_seconds: seconds, burst }: QueueRate): RateRule {
  return { limit, perMs: Math.round(seconds * 1000), ...(burst === undefined ? {} : { burst }) };
}

/** The name of the queue that the platform calls so; the default one if it is not configured. */
export function queueOfPlatform(queues: Queues, platformName: string): string {
  for (const [name, { queue }] of queues) {
    if (queue === platformName) {
      return name;
    }
  }
  return DEFAULT_QUEUE;
}

/**
 * The rate limits that a start of a handler on a queue is under, by the names of their limiters. A queue that is not configured
 * has none.
 */
export function queueRates(queues: Queues, queue: string, handler: string): { limiter: string; rule: RateRule }[] {
  const { rate_limit: whole, task_rate_limit: each } = queues.get(queue) ?? {};
  return [
    ...(whole === undefined ? [] : [{ limiter: `queue:${queue}`, rule: ruleOf(whole) }]),
    ...(each === undefined ? [] : [{ limiter: `queue:${queue}:${handler}`, rule: ruleOf(each) }]),
  ];
}

/** A name of a queue in a spec that is neither a queue nor a role. */
export interface UnknownQueue {
  /** Path into the spec, e.g. `["tasks", 3, "queue"]`. */
  path: (string | number)[];
  name: string;
}

/** The names in tasks that no queue has; some of them may be roles. */
export function unknownQueues(tasks: readonly TaskSpec[], queues: Queues): UnknownQueue[] {
  return tasks
    .flatMap(({ queue }, index) => namesOf(queue, ["tasks", index, "queue"]))
    .filter(({ name }) => !queues.has(name));
}

function namesOf(queue: QueueSpec | undefined, path: (string | number)[]): UnknownQueue[] {
  if (queue === undefined) {
    return [];
  }
  return isRecord(queue)
    ? queue.spread.map((name, index) => ({ path: [...path, "spread", index], name }))
    : [{ path, name: queue }];
}

/** The queue that a name stands for, be it a queue's or a role's; null if nothing has it. */
export function resolveQueue(queues: Queues, roles: ReadonlyMap<string, string>, name: string): string | null {
  if (queues.has(name)) {
    return name;
  }
  const queue = roles.get(name);
  return queue !== undefined && queues.has(queue) ? queue : null;
}
