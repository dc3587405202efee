/**
 * The API as the demo, the benchmark and the end-to-end tests use it: typed answers, an error for anything unexpected.
 *
 * @module
 */
import { z } from "zod";
import { makeHttpClient } from "./http.ts";
import type { Answer, HttpClient } from "./http.ts";

const jobSchema = z.object({
  id: z.string(),
  state: z.string(),
  name: z.string(),
  try_number: z.number(),
  max_tries: z.number(),
  latest_heartbeat: z.string().nullable(),
  hostname: z.string().nullable(),
  progress: z
    .object({ step: z.string().optional(), fraction: z.number().optional(), data: z.unknown().optional() })
    .nullable(),
  start_date: z.string().nullable(),
  result: z.unknown(),
  error: z.object({ type: z.string(), message: z.string() }).nullable(),
  late_results: z.number(),
  is_alive: z.boolean(),
});
export type Job = z.infer<typeof jobSchema>;

const batchSchema = z.object({
  batch_id: z.string(),
  state: z.string(),
  total: z.number(),
  counts: z.record(z.string(), z.number()),
});
export type Batch = z.infer<typeof batchSchema>;

const submittedBatchSchema = batchSchema.extend({ job_ids: z.array(z.string()) });
export type SubmittedBatch = z.infer<typeof submittedBatchSchema>;

const dagRunSchema = z.object({
  dag_run_id: z.string(),
  dag_id: z.string(),
  state: z.enum(["queued", "running", "success", "failed"]),
  reason: z.string().nullable(),
  start_date: z.string().nullable(),
  end_date: z.string().nullable(),
  duration: z.number().nullable(),
  conf: z.record(z.string(), z.unknown()).nullable(),
  task_instance_counts: z.record(z.string(), z.number()),
});
export type DagRun = z.infer<typeof dagRunSchema>;

const taskInstanceSchema = z.object({
  task_id: z.string(),
  map_index: z.number(),
  state: z.string().nullable(),
  try_number: z.number(),
  max_tries: z.number(),
  start_date: z.string().nullable(),
  end_date: z.string().nullable(),
  hostname: z.string().nullable(),
  job_id: z.string().nullable(),
  error: z.object({ type: z.string(), message: z.string() }).nullable(),
  late_results: z.number(),
});
export type TaskInstance = z.infer<typeof taskInstanceSchema>;

const taskInstancesSchema = z.object({ task_instances: z.array(taskInstanceSchema), total_entries: z.number() });
const xcomSchema = z.object({ value: z.unknown() });
const runCountSchema = z.object({ total_entries: z.number() });
const webhookSchema = z.object({ dag_run_id: z.string() });

/** Largest page of a list. */
const PAGE = 100;

/** The calls of one server. Every one throws if the answer is no success or not of the expected shape. */
export interface Client {
  http: HttpClient;
  submitTask(name: string, payload: unknown, more?: Record<string, unknown>): Promise<Job>;
  submitTasks(entries: { name: string; payload: unknown }[]): Promise<SubmittedBatch>;
  getJob(id: string, waitSeconds?: number): Promise<Job>;
  getBatch(id: string, waitSeconds?: number): Promise<Batch>;
  triggerRun(dagId: string, body?: Record<string, unknown>): Promise<DagRun>;
  getRun(dagId: string, runId: string, waitSeconds?: number): Promise<DagRun>;
  /** How many runs a DAG has. */
  countRuns(dagId: string): Promise<number>;
  listTaskInstances(dagId: string, runId: string): Promise<TaskInstance[]>;
  getXCom(dagId: string, runId: string, taskId: string, mapIndex?: number): Promise<unknown>;
  sendWebhook(dagId: string, body: string, headers: Record<string, string>): Promise<{ runId: string; status: number }>;
  close(): void;
}

/** Makes the client of one server. A call that gets no answer in `timeoutMs` throws. */
export function makeClient(url: string, apiKey: string, timeoutMs = 60_000, maxSockets?: number): Client {
  const http = makeHttpClient(url, apiKey, timeoutMs, maxSockets);

  async function get<T>(schema: z.ZodType<T>, path: string): Promise<T> {
    return read(schema, await http.call("GET", path), `GET ${path}`);
  }

  async function post<T>(schema: z.ZodType<T>, path: string, body: unknown): Promise<T> {
    return read(schema, await http.call("POST", path, body), `POST ${path}`);
  }

  return {
    http,
    submitTask: async (name, payload, more = {}) =>
      post(jobSchema, `/tasks/${encodeURIComponent(name)}`, { payload, ...more }),
    submitTasks: async (entries) => post(submittedBatchSchema, "/tasks", { tasks: entries }),
    getJob: async (id, wait) => get(jobSchema, `/jobs/${encodeURIComponent(id)}${waitQuery(wait)}`),
    getBatch: async (id, wait) => get(batchSchema, `/batches/${encodeURIComponent(id)}${waitQuery(wait)}`),
    triggerRun: async (dagId, body = {}) =>
      post(dagRunSchema, `/api/v2/dags/${encodeURIComponent(dagId)}/dagRuns`, { logical_date: null, ...body }),
    getRun: async (dagId, runId, wait) => get(dagRunSchema, `${runPath(dagId, runId)}${waitQuery(wait)}`),
    async countRuns(dagId) {
      return (await get(runCountSchema, `/api/v2/dags/${encodeURIComponent(dagId)}/dagRuns?limit=1`)).total_entries;
    },
    async listTaskInstances(dagId, runId) {
      const all: TaskInstance[] = [];
      let total: number;
      do {
        const path = `${runPath(dagId, runId)}/taskInstances?limit=${PAGE}&offset=${all.length}`;
        const page = await get(taskInstancesSchema, path);
        if (page.task_instances.length === 0) {
          break;
        }
        all.push(...page.task_instances);
        total = page.total_entries;
      } while (all.length < total);
      return all;
    },
    async getXCom(dagId, runId, taskId, mapIndex) {
      const query = mapIndex === undefined ? "" : `?map_index=${mapIndex}`;
      const path = `${runPath(dagId, runId)}/taskInstances/${encodeURIComponent(taskId)}/xcomEntries/return_value${query}`;
      return (await get(xcomSchema, path)).value;
    },
    async sendWebhook(dagId, body, headers) {
      const path = `/webhooks/${encodeURIComponent(dagId)}`;
      const answer = await http.send("POST", path, body, headers);
      return { runId: read(webhookSchema, answer, `POST ${path}`).dag_run_id, status: answer.status };
    },
    close: () => http.close(),
  };
}

function runPath(dagId: string, runId: string): string {
  return `/api/v2/dags/${encodeURIComponent(dagId)}/dagRuns/${encodeURIComponent(runId)}`;
}

function waitQuery(seconds: number | undefined): string {
  return seconds === undefined ? "" : `?wait=${seconds}`;
}

/** The body of a successful answer. */
export function read<T>(schema: z.ZodType<T>, answer: Answer, call: string): T {
  if (answer.status < 200 || answer.status > 299) {
    throw new Error(`${call}: expected success, got ${answer.status} ${JSON.stringify(answer.body)}`);
  }
  const parsed = schema.safeParse(answer.body);
  if (!parsed.success) {
    throw new Error(`${call}: the answer has another shape than expected: ${z.prettifyError(parsed.error)}`);
  }
  return parsed.data;
}
