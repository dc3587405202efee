/**
 * The worked examples of docs/cloudflare.md: what a unit of each costs, as `test/workers/bill.test.ts` counts it, and how many units
 * there are in a month.
 *
 * @module
 */
import type { Usage } from "./bill.ts";
import units from "./units.json" with { type: "json" };

/** Names of what is counted. */
export type UnitName = keyof typeof units;

/** What one unit costs, all tasks of it together. */
export interface Unit {
  /** Tasks in a unit. */
  tasks: number;
  /** HTTP requests, and batches that a consumer was given. */
  workerRequests: number;
  objectRequests: number;
  messages: number;
  rowsWritten: number;
  rowsRead: number;
}

/** The units, as they were counted. */
export const UNITS: Record<UnitName, Unit> = units;

/** An example: a unit, so many times a month. */
export interface Example {
  unit: UnitName;
  /** How a table calls the unit. */
  label: string;
  /** How a table calls a month of it. */
  month: string;
  unitsAMonth: number;
  /** Bytes that a unit leaves in storage: measured once, and kept for the whole month. */
  bytes: number;
}

/** In the order of the tables. */
export const EXAMPLES: readonly Example[] = [
  {
    unit: "single_alone",
    label: "a single task, submitted alone",
    month: "1 M single tasks, each alone",
    unitsAMonth: 1e6,
    bytes: 700,
  },
  {
    unit: "single_together",
    label: "160 single tasks, each by a request of its own, at the same moment",
    month: "1 M single tasks, 160 at a time",
    unitsAMonth: 1e6 / 160,
    bytes: 160 * 700,
  },
  {
    unit: "bulk",
    label: "a bulk of 200 tasks",
    month: "1 M tasks in bulks of 200",
    unitsAMonth: 5000,
    bytes: 200 * 430,
  },
  {
    unit: "mapped_run",
    label: "a run of 100 mapped instances, its DAG asleep before",
    month: "1 M task instances in runs of 100",
    unitsAMonth: 1e4,
    bytes: 22_000,
  },
  {
    unit: "scheduled_chain",
    label: "a scheduled run of 10 tasks in a chain, its DAG asleep before",
    month: "1,000 DAGs, hourly, of 10 tasks",
    unitsAMonth: 720_000,
    bytes: 2200,
  },
  {
    unit: "long_alone",
    label: "a task of 10 minutes, alone",
    month: "100,000 tasks of 10 minutes, each alone",
    unitsAMonth: 1e5,
    bytes: 13_000,
  },
  {
    unit: "long_together",
    label: "20 task instances of 10 minutes in one session",
    month: "100,000 tasks of 10 minutes, 20 in a session",
    unitsAMonth: 5000,
    bytes: 20 * 12_600,
  },
];

/** Assumed, not counted: it depends on the handlers, and on where objects and workers are. */
export const ASSUMED = {
  /** CPU time of a no-op task, milliseconds. */
  cpuMsOfTask: 2,
  /** CPU time of a request or of a batch, milliseconds. */
  cpuMsOfRequest: 3,
  /** How long an object is awake for a call, milliseconds. */
  awakeMs: 30,
  /** Memory that an awake object is billed with. */
  gbOfObject: 0.128,
  /** Operations of a message: written, read and deleted. */
  operationsOfMessage: 3,
  /** `head_sampling_rate` of wrangler.toml. */
  sampled: 0.05,
};

/** What a month of an example uses. */
export function usageOf({ unit, unitsAMonth, bytes }: Example): Usage {
  const { tasks, workerRequests, objectRequests, messages, rowsWritten, rowsRead } = UNITS[unit];
  const { cpuMsOfTask, cpuMsOfRequest, awakeMs, gbOfObject, operationsOfMessage, sampled } = ASSUMED;
  const ofUnit: Usage = {
    workerRequests,
    cpuMs: tasks * cpuMsOfTask + workerRequests * cpuMsOfRequest,
    objectRequests,
    gbSeconds: objectRequests * (awakeMs / 1000) * gbOfObject,
    rowsWritten,
    rowsRead,
    storedGb: bytes / 1e9,
    queueOperations: messages * operationsOfMessage,
    logEvents: (workerRequests + objectRequests) * sampled,
  };
  return Object.fromEntries(Object.entries(ofUnit).map(([item, used]) => [item, used * unitsAMonth])) as Usage;
}
