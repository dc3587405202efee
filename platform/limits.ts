/**
 * What Cloudflare documents as the limits of a Worker on the paid plan: the one table that the harness reads, and that
 * `docs/platform-limits.md` shows. Figures of the pages as they stood in 2026.
 *
 * @module
 */

/** One limit. */
export interface Limit {
  /** In the unit that the name ends with; a count if it names none. */
  value: number;
  /** What the limit bounds. */
  what: string;
  /** What happens to what exceeds it. */
  beyond: string;
  page: string;
  /** When the page, or the change that it tells of, had this figure. */
  asOf: string;
}

const DOCS = "https://developers.cloudflare.com";

export const LIMITS = {
  subrequests: {
    value: 10_000,
    what: "calls of one invocation to objects, queues, buckets and `fetch`; `[limits] subrequests` sets another figure, up to 10,000,000",
    beyond: "each further call throws `Too many subrequests by single Worker invocation`",
    page: `${DOCS}/workers/platform/limits/#subrequests`,
    asOf: "2026-02-11",
  },
  connections: {
    value: 6,
    what: "connections of one invocation that wait for the head of an answer: `fetch`, buckets, sending to a queue; not calls of objects",
    beyond: "the next one waits until another has its head",
    page: `${DOCS}/workers/platform/limits/#simultaneous-open-connections`,
    asOf: "2026-04-20",
  },
  wall_ms: {
    value: 900_000,
    what: "how long a batch of a queue, a cron trigger or an alarm may take",
    beyond: "the invocation is ended, whatever runs in it; a batch is delivered again",
    page: `${DOCS}/queues/platform/limits/`,
    asOf: "2026-08",
  },
  cpu_ms: {
    value: 30_000,
    what: "computing time of one invocation; `[limits] cpu_ms` sets another figure, up to 300,000",
    beyond: "the invocation is ended with `Worker exceeded CPU time limit.`",
    page: `${DOCS}/workers/platform/limits/#cpu-time`,
    asOf: "2026-08",
  },
  wait_until_ms: {
    value: 30_000,
    what: "how long work in `waitUntil` may go on after the answer to a request, or after the handler of a batch returned",
    beyond: "what is left is ended",
    page: `${DOCS}/workers/runtime-apis/context/#waituntil`,
    asOf: "2026-08",
  },
  queue_messages_per_second: {
    value: 5000,
    what: "messages that one queue takes in a second",
    beyond: "sending throws `Too Many Requests`, and nothing of that call is sent",
    page: `${DOCS}/queues/platform/limits/`,
    asOf: "2026-08",
  },
  message_bytes: {
    value: 128_000,
    what: "one message, of which about 100 bytes are the queue's own",
    beyond: "sending throws",
    page: `${DOCS}/queues/platform/limits/`,
    asOf: "2026-08",
  },
  batch_messages: {
    value: 100,
    what: "messages in one call of `sendBatch`",
    beyond: "sending throws",
    page: `${DOCS}/queues/platform/limits/`,
    asOf: "2026-08",
  },
  batch_bytes: {
    value: 256_000,
    what: "all messages of one call of `sendBatch`",
    beyond: "sending throws",
    page: `${DOCS}/queues/platform/limits/`,
    asOf: "2026-08",
  },
  consumers: {
    value: 250,
    what: "batches of one queue that are handled at a time; one more only after a batch has ended while messages wait",
    beyond: "messages wait",
    page: `${DOCS}/queues/configuration/consumer-concurrency/`,
    asOf: "2026-08",
  },
  object_calls_per_second: {
    value: 1000,
    what: "calls that one object takes in a second (a soft limit: an object that writes takes 200 to 500)",
    beyond: "a call throws an error with `overloaded`, and must not be made again at once",
    page: `${DOCS}/durable-objects/platform/limits/`,
    asOf: "2026-08",
  },
  alarm_retries: {
    value: 6,
    what: "times that an alarm which throws is run again",
    beyond: "the alarm is gone, and nothing wakes the object",
    page: `${DOCS}/durable-objects/api/alarms/`,
    asOf: "2026-08",
  },
  alarm_delay_ms: {
    value: 60_000,
    what: "how late an alarm may come",
    beyond: "drawn by the rate of faults",
    page: `${DOCS}/durable-objects/api/alarms/`,
    asOf: "2026-08",
  },
  // A figure of nothing: how often it happens is drawn by the rate of faults.
  object_reset: {
    value: 0,
    what: "an object may be reset in the middle of any call, as by a deployment; the figure is how many resets are promised not to happen",
    beyond:
      "its calls throw an error with `durableObjectReset` and `retryable`, what was not on disk is lost, and stubs made before stay broken",
    page: `${DOCS}/durable-objects/best-practices/error-handling/`,
    asOf: "2026-08",
  },
} as const satisfies Record<string, Limit>;

/** Name of a limit. */
export type LimitName = keyof typeof LIMITS;

/** Figures by name. `Infinity` switches a limit off. */
export type LimitValues = Record<LimitName, number>;

/** The figures of the table, with others in their place. */
export function limitValues(others: Partial<LimitValues> = {}): LimitValues {
  const documented = Object.fromEntries(Object.entries(LIMITS).map(([name, { value }]) => [name, value]));
  return { ...documented, ...others } as LimitValues;
}

/** No limit at all but those that are given: for tests of one. */
export function only(given: Partial<LimitValues>): LimitValues {
  const off = Object.fromEntries(Object.keys(LIMITS).map((name) => [name, Number.POSITIVE_INFINITY]));
  return { ...off, ...given } as LimitValues;
}
