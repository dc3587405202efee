/**
 * Airflow's list of jobs. No index over jobs exists, so it lists those that are found without one: the jobs that watch
 * running task instances now, and those that the caller names.
 *
 * @module
 */
import { isInRange } from "../../engine/range.ts";
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { parseMemberId, ULID_PATTERN } from "../../engine/batch-ids.ts";
import type { JobView } from "../../engine/work.ts";
import type { ApiDeps, ApiEnv, ApiRegistry, AppEnv } from "../env.ts";
import { unwrap } from "../errors.ts";
import { compareBy, eachAtMost, type SortValue } from "../gather.ts";
import { knownDagIds } from "../known-dag.ts";
import { batchObject, dagObject, jobObject } from "../objects.ts";
import { hasDescendingTies, booleanQuery, pageQuery, rangeQuery, rangesOf, repeated, sortKeys } from "../query.ts";
import { json, refusals } from "../responses.ts";
import { airflowJobCollectionSchema, airflowJobJson } from "../schemas/airflow-job.ts";
import { jobJson } from "../schemas/job.ts";
import { Unavailable } from "../unavailable.ts";

/** Jobs that one list looks at. */
const MAX_JOBS = 1000;
/** Jobs that one request may name. */
const MAX_NAMED = 100;

const SORTABLE = [
  "id",
  "dag_id",
  "state",
  "job_type",
  "start_date",
  "end_date",
  "latest_heartbeat",
  "executor_class",
  "hostname",
  "unixname",
] as const;

const ULIDS = `expected at most ${MAX_NAMED} ULIDs of jobs`;

const listQuery = z.object({
  ...pageQuery,
  order_by: repeated.openapi({ description: `One of ${SORTABLE.join(", ")}; \`-\` before it for descending` }),
  is_alive: booleanQuery,
  dag_id: z.string().optional(),
  job_state: z.string().optional(),
  job_type: z.string().optional(),
  hostname: z.string().optional(),
  executor_class: z.string().optional(),
  ...rangeQuery("start_date", "end_date"),
  job_id: repeated
    .refine((ids) => ids.length <= MAX_NAMED && ids.every((id) => ULID_PATTERN.test(id)), { error: ULIDS })
    .openapi({
      description: "Ours: jobs to list too, whether or not they are alive; those that are not there are left out",
    }),
});

const listRoute = createRoute({
  method: "get",
  path: "/jobs",
  tags: ["Job"],
  summary: "List the jobs that are alive, and those named",
  description: `Lists the jobs that watch task instances of unfinished runs now, and those named as \`job_id\`. At most ${MAX_JOBS} are looked at, the oldest ones; total_entries counts those among them that fit.`,
  request: { query: listQuery },
  responses: { 200: json(airflowJobCollectionSchema, "A page of jobs"), ...refusals(400, 401, 422) },
});

/** The route of Airflow's list of jobs. */
export function airflowJobRoutes({ registry, now }: ApiDeps) {
  return new OpenAPIHono<AppEnv>().openapi(listRoute, async (c) => {
    const query = c.req.valid("query");
    const order = sortKeys(query.order_by, SORTABLE);
    const unavailable = new Unavailable();
    const ids = await jobIds(registry, c.env, query, unavailable);
    const time = now();
    const end = query.offset + query.limit;
    if (isUnfiltered(query) && order.every((key) => key === "id")) {
      // The ids alone say what stands on the page.
      const wanted = ids.slice(query.offset, end);
      const page = await readJobs(c.env, wanted);
      const total = ids.length - (wanted.length - page.length);
      const jobs = page.map((job) => airflowJobJson(jobJson(job, time)));
      return c.json({ jobs, total_entries: total, ...unavailable.field() }, 200);
    }
    const fitting = (await readJobs(c.env, ids)).filter((job) => fits(job, query, time));
    if (hasDescendingTies(order)) {
      fitting.reverse();
    }
    fitting.sort(compareBy(order, sortValue));
    const jobs = fitting.slice(query.offset, end).map((job) => airflowJobJson(jobJson(job, time)));
    return c.json({ jobs, total_entries: fitting.length, ...unavailable.field() }, 200);
  });
}

type ListQuery = z.output<typeof listQuery>;

function isUnfiltered(query: ListQuery): boolean {
  const given = [query.is_alive, query.job_state, query.job_type, query.hostname, query.executor_class, query.dag_id];
  const ranges = rangesOf(query, "start_date", "end_date");
  return given.every((value) => value === undefined) && Object.keys(ranges).length === 0;
}

/** The jobs that are there. */
async function readJobs(env: ApiEnv, ids: readonly string[]): Promise<JobView[]> {
  const jobs = await eachAtMost(ids, async (id) => readJob(env, id));
  return jobs.filter((job) => job !== null);
}

/** Ids of the jobs to look at, oldest first. */
async function jobIds(
  registry: ApiRegistry,
  env: ApiEnv,
  { dag_id: wanted, job_id: named }: ListQuery,
  unavailable: Unavailable,
): Promise<string[]> {
  const dagIds = await knownDagIds(registry, env);
  const asked = wanted === undefined ? dagIds : dagIds.filter((id) => id === wanted);
  const adopted = await eachAtMost(asked, async (dagId) => {
    const answer = await unavailable.ask(dagId, () => dagObject(env, dagId).listAdopted(), null);
    return answer === null || (!answer.ok && answer.refusal.code === "not_found") ? [] : unwrap(answer);
  });
  const alive = adopted.flat().flatMap(({ job_id: jobId }) => (jobId === null ? [] : [jobId]));
  // ULIDs sort by time.
  const oldest = [...new Set(alive)].toSorted().slice(0, MAX_JOBS - named.length);
  return [...new Set([...named, ...oldest])].toSorted();
}

/** The job, or null if it is not there. A member of a bulk submission lies in its batch. */
async function readJob(env: ApiEnv, jobId: string): Promise<JobView | null> {
  const member = parseMemberId(jobId);
  const inBatch = member === null ? null : await batchObject(env, member.batchKey).getMember(member.index, 0);
  const answer = inBatch?.ok === true ? inBatch : await jobObject(env, jobId).get(0);
  return !answer.ok && answer.refusal.code === "not_found" ? null : unwrap(answer);
}

function fits(job: JobView, query: ListQuery, now: number): boolean {
  const { start_date: start, end_date: end } = rangesOf(query, "start_date", "end_date");
  return (
    isEqual(job.dag_id, query.dag_id) &&
    isEqual(job.state, query.job_state) &&
    isEqual(job.job_type, query.job_type) &&
    isEqual(job.hostname, query.hostname) &&
    isEqual(job.executor_class, query.executor_class) &&
    isEqual(jobJson(job, now).is_alive, query.is_alive) &&
    isInRange(job.start_date, start) &&
    isInRange(job.end_date, end)
  );
}

/** Says whether a field fits a filter, which an absent one does always. */
function isEqual<T>(value: T, wanted: T | undefined): boolean {
  return wanted === undefined || value === wanted;
}

function sortValue(job: JobView, field: string): SortValue {
  switch (field as (typeof SORTABLE)[number]) {
    case "id":
      return job.id;
    case "dag_id":
      return job.dag_id;
    case "state":
      return job.state;
    case "job_type":
      return job.job_type;
    case "start_date":
      return job.start_date;
    case "end_date":
      return job.end_date;
    case "latest_heartbeat":
      return job.latest_heartbeat;
    case "executor_class":
      return job.executor_class;
    case "hostname":
      return job.hostname;
    case "unixname":
      return job.unixname;
  }
}
