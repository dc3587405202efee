/**
 * Cloudflare's prices on the plan Workers Paid, in US dollars a month.
 *
 * @module
 */

/** When the pages were read. */
export const PRICES_OF = "2026-11-21";

/** What the plan costs, whatever is used. */
export const PLAN_DOLLARS = 5;

const PAGES = "https://developers.cloudflare.com";
const WORKERS = `${PAGES}/workers/platform/pricing/`;
const OBJECTS = `${PAGES}/durable-objects/platform/pricing/`;
const QUEUES = `${PAGES}/queues/platform/pricing/`;
const LOGS = `${PAGES}/workers/observability/logs/workers-logs/`;

/** What one thing costs. */
export interface Price {
  /** How a table calls it. */
  label: string;
  /** Dollars for `per` of it, beyond what is included. */
  dollars: number;
  per: number;
  /** What the plan includes each month. */
  included: number;
  page: string;
}

/** Prices by what is counted: see `Usage` for the units. */
export const PRICES = {
  workerRequests: { label: "Worker requests", dollars: 0.3, per: 1e6, included: 10e6, page: WORKERS },
  cpuMs: { label: "CPU time", dollars: 0.02, per: 1e6, included: 30e6, page: WORKERS },
  objectRequests: { label: "object requests", dollars: 0.15, per: 1e6, included: 1e6, page: OBJECTS },
  gbSeconds: { label: "object duration", dollars: 12.5, per: 1e6, included: 400e3, page: OBJECTS },
  rowsWritten: { label: "rows written", dollars: 1, per: 1e6, included: 50e6, page: OBJECTS },
  rowsRead: { label: "rows read", dollars: 0.001, per: 1e6, included: 25e9, page: OBJECTS },
  storedGb: { label: "storage", dollars: 0.2, per: 1, included: 5, page: OBJECTS },
  queueOperations: { label: "queue operations", dollars: 0.4, per: 1e6, included: 1e6, page: QUEUES },
  logEvents: { label: "log events", dollars: 0.6, per: 1e6, included: 20e6, page: LOGS },
} as const satisfies Record<string, Price>;

/** What is billed. */
export type Billed = keyof typeof PRICES;
