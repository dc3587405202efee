/**
 * From what an account used in a month to dollars.
 *
 * @module
 */
import { PLAN_DOLLARS, PRICES, type Billed, type Price } from "./prices.ts";

/**
 * What was used in a month. `workerRequests` are requests and batches of a queue; `cpuMs` that of the Worker, not of objects;
 * `objectRequests` calls and alarms; `gbSeconds` how long objects were awake, at 128 MB each; `rowsWritten` has one for each alarm that
 * was set; `queueOperations` are three for a message of up to 64 KB; `logEvents` those that were sampled.
 */
export type Usage = Record<Billed, number>;

/** Nothing used. */
export const NO_USAGE: Usage = {
  workerRequests: 0,
  cpuMs: 0,
  objectRequests: 0,
  gbSeconds: 0,
  rowsWritten: 0,
  rowsRead: 0,
  storedGb: 0,
  queueOperations: 0,
  logEvents: 0,
};

/** The names of all that is billed, as tables list them. */
export const BILLED = Object.keys(PRICES) as Billed[];

/** Dollars for each thing, when what the plan includes is used up by other work. */
export function marginalByItem(usage: Usage): Record<Billed, number> {
  return byItem(({ dollars, per }, used) => (used / per) * dollars, usage);
}

/** Dollars, when what the plan includes is used up by other work: what more of the same costs. */
export function marginal(usage: Usage): number {
  return total(marginalByItem(usage));
}

/** Dollars on an account that does nothing else: the plan, and what is used beyond what it includes. */
export function bill(usage: Usage): number {
  const beyond = byItem(({ dollars, per, included }, used) => (Math.max(0, used - included) / per) * dollars, usage);
  return PLAN_DOLLARS + total(beyond);
}

function byItem(dollarsOf: (price: Price, used: number) => number, usage: Usage): Record<Billed, number> {
  return Object.fromEntries(BILLED.map((item) => [item, dollarsOf(PRICES[item], usage[item])])) as Record<
    Billed,
    number
  >;
}

function total(dollars: Record<Billed, number>): number {
  return Object.values(dollars).reduce((sum, one) => sum + one, 0);
}
