/**
 * The API over objects that tests make by hand: what they are asked is recorded, what they answer is given.
 *
 * @module
 */
import { createApi } from "../../src/api/app.ts";
import type { ApiRegistry } from "../../src/api/env.ts";
import type { IntakeObject, Submitted } from "../../src/engine/intake.ts";
import type {
  BatchEntry,
  BatchView,
  CatalogObject,
  DagObject,
  DagView,
  JobReader,
  Result,
} from "../../src/engine/objects.ts";
import type { PoolObject } from "../../src/engine/permits/objects.ts";
import { dagSpecSchema, type DagSpecInput } from "../../src/engine/spec.ts";
import type { DagRunView, JobSubmission, JobView, TaskInstanceView } from "../../src/engine/work.ts";
import { Service } from "../../src/isolate/service.ts";

export const NOW = Date.UTC(2026, 0, 31, 6, 0, 0);
export const API_KEY = "k".repeat(40);
export const JOB_ID = "01JC6V9XH3ZQ5W8M2T4R7K0NPD";

/** An answer. */
export function ok<T>(value: T): Result<T> {
  return { ok: true, value };
}

/** A job that succeeded, or as the fields say. */
export function jobView(fields: Partial<JobView> = {}): JobView {
  return {
    id: JOB_ID,
    dag_id: null,
    state: "success",
    job_type: "TaskJob",
    start_date: NOW - 2000,
    end_date: NOW - 1000,
    latest_heartbeat: NOW - 1000,
    executor_class: "QueueExecutor",
    hostname: "worker-1",
    unixname: "jobbers",
    heartrate: 5,
    name: "hello",
    run_id: null,
    task_id: null,
    map_index: null,
    try_number: 1,
    max_tries: 0,
    created_at: NOW - 3000,
    run_at: null,
    progress: null,
    result: { answer: 42 },
    error: null,
    late_results: 0,
    ...fields,
  };
}

/** A run that goes on, or as the fields say. */
export function runView(fields: Partial<DagRunView> = {}): DagRunView {
  return {
    dag_id: "etl",
    run_id: "manual__2026-01-31T06:00:00+00:00",
    run_type: "manual",
    state: "running",
    reason: null,
    logical_date: null,
    data_interval_start: null,
    data_interval_end: null,
    run_after: NOW,
    queued_at: NOW,
    start_date: NOW,
    end_date: null,
    triggered_by: "rest_api",
    triggering_user_name: null,
    created_at: NOW,
    updated_at: NOW,
    conf: {},
    note: null,
    dag_version: 1,
    counts: { none: 2 },
    ...fields,
  };
}

/** A batch of these entries that was just submitted. */
export function batchView(batchId: string, entries: BatchEntry[]): BatchView {
  return {
    batch_id: batchId,
    state: "queued",
    total: entries.length,
    counts: { queued: entries.length },
    created_at: NOW,
    end_date: null,
  };
}

/** A task instance that succeeded, or as the fields say. */
export function instanceView(fields: Partial<TaskInstanceView> = {}): TaskInstanceView {
  return {
    dag_id: "etl",
    run_id: "r1",
    task_id: "extract",
    map_index: -1,
    state: "success",
    try_number: 1,
    max_tries: 2,
    logical_date: null,
    run_after: NOW,
    scheduled_when: NOW,
    queued_when: NOW + 10,
    start_date: NOW + 20,
    end_date: NOW + 1520,
    hostname: "worker-1",
    unixname: "jobbers",
    operator: "task",
    job_id: null,
    next_at: null,
    error: null,
    late_results: 0,
    note: null,
    dag_version: 1,
    ...fields,
  };
}

const SPECS: DagSpecInput[] = [
  {
    dag_id: "etl",
    description: "Extract, transform, load",
    tags: ["example", "nightly"],
    owner: "data",
    task_groups: [{ group_id: "per_row", expand: { type: "expand", kwargs: { row: { literal: [1, 2] } } } }],
    tasks: [
      { task_id: "extract", handler: "extract" },
      { task_id: "clean", handler: "clean", expand: { type: "expand", kwargs: { n: { literal: [] } } } },
      { task_id: "per_row.scrub", handler: "clean", task_group_id: "per_row" },
    ],
  },
  { dag_id: "reports", tags: ["example"], owner: "finance", tasks: [] },
  { dag_id: "on_push", tasks: [], webhook: { provider: "github", secret: "GITHUB_SECRET" } },
];

/** The registry the tests use; further definitions may be added. */
export function testRegistry(more: [string, NonNullable<ReturnType<ApiRegistry["dags"]["get"]>>][] = []): ApiRegistry {
  const dags = SPECS.map((spec) => [spec.dag_id, { spec: dagSpecSchema.parse(spec) }] as const);
  const tasks: [string, { operator: "task" | "empty" }][] = [
    ["hello", { operator: "task" }],
    ["resize_image", { operator: "task" }],
    ["send_mail", { operator: "task" }],
    ["join", { operator: "empty" }],
  ];
  return { dags: new Map([...dags, ...more]), tasks: new Map(tasks) };
}

/** One call an object was asked. */
export interface Call {
  object: string;
  method: string;
  args: unknown[];
}

/** The API, what its objects were asked, and a way to send it requests. */
export interface TestApi {
  calls: Call[];
  send(method: string, path: string, options?: SendOptions): Promise<Answer>;
  /** The same, answered as it came: for streams. */
  fetch(method: string, path: string, options?: SendOptions): Promise<Response>;
}

export interface SendOptions {
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as it is. */
  raw?: string | Uint8Array | ReadableStream<Uint8Array>;
  headers?: Record<string, string>;
  /** Null: none. */
  key?: string | null;
}

export interface Answer {
  status: number;
  headers: Headers;
  /** Null if there is none. */
  body: unknown;
}

export interface TestApiOptions {
  dag?: Partial<DagObject>;
  job?: JobMethods;
  /** What an intake object says of ids whose objects are others; by default it knows each of them. */
  intake?: Partial<Pick<IntakeObject, "link" | "isLinked">>;
  catalog?: Partial<CatalogObject>;
  pool?: Partial<PoolObject>;
  registry?: ApiRegistry;
  env?: Record<string, unknown>;
  service?: Service;
  /** The API's clock, which stands still at `NOW` by default. */
  now?: () => number;
}

/** What a job can be asked through its intake object, without its id; a call is recorded as one of the job. */
export type JobMethods = Partial<JobReader> & { submit?: (submission: JobSubmission) => Promise<Result<Submitted>> };

const EMPTY_CATALOG: CatalogObject = {
  has: async () => false,
  list: async () => [],
  add: async () => ok(null),
  remove: async () => undefined,
  newBackfill: async () => 1,
  backfillDag: async () => null,
  listPools: async () => [],
  findPool: async () => null,
  addPool: async (name) => ok({ id: 1, name, added_at: NOW }),
  removePool: async () => undefined,
  listRoles: async () => [],
  setRole: async (role, queue) => ok({ role, queue, updated_at: NOW }),
  removeRole: async () => undefined,
  watched: async () => [],
  expect: async () => undefined,
  toWake: async () => [],
  swept: async () => undefined,
};

/** Makes an API whose objects have only the given methods; the default ones describe and pause DAGs. */
export function testApi({
  dag = {},
  job = {},
  intake = {},
  catalog = {},
  pool = {},
  registry = testRegistry(),
  env = {},
  service = new Service(),
  now = () => NOW,
}: TestApiOptions = {}): TestApi {
  const app = createApi({ registry, version: "1.2.3", now, service });
  const calls: Call[] = [];
  const bindings = {
    DAG: { getByName: (name: string) => recording(`DAG ${name}`, { ...describing(registry, name), ...dag }, calls) },
    INTAKE: { getByName: () => ({ ...KNOWING, ...intake, ...intakeOver(job, calls) }) },
    CATALOG: { getByName: (name: string) => recording(`CATALOG ${name}`, { ...EMPTY_CATALOG, ...catalog }, []) },
    POOL: { getByName: (name: string) => recording(`POOL ${name}`, pool, calls) },
    JOBBERS_API_KEY: API_KEY,
    JOBBERS_MAX_WAIT_S: "60",
    ...env,
  };
  async function fetch(
    method: string,
    path: string,
    { json, raw, headers = {}, key = API_KEY }: SendOptions = {},
  ): Promise<Response> {
    return app.request(
      path,
      {
        method,
        headers: {
          ...(key === null ? {} : { authorization: `Bearer ${key}` }),
          ...(json === undefined ? {} : { "content-type": "application/json" }),
          ...headers,
        },
        ...(json === undefined ? {} : { body: JSON.stringify(json) }),
        ...(raw === undefined ? {} : { body: raw instanceof Uint8Array ? new Uint8Array(raw) : raw, duplex: "half" }),
      },
      bindings,
      executionContext,
    );
  }
  return {
    calls,
    fetch,
    async send(method, path, options) {
      const response = await fetch(method, path, options);
      const text = await response.text();
      const body: unknown = text === "" ? null : JSON.parse(text);
      return { status: response.status, headers: response.headers, body };
    },
  };
}

/** Work that goes on after the answer does so by itself in Node. */
const executionContext = { waitUntil: () => undefined, passThroughOnException: () => undefined, props: {} };

const KNOWING: Pick<IntakeObject, "link" | "isLinked"> = { link: async () => undefined, isLinked: async () => true };

/** The methods of an intake object that ask a job. Gives each the job's id, and passes it on without. */
function intakeOver(methods: JobMethods, calls: Call[]): object {
  const { submit, ...reading } = methods;
  const call = (jobId: string, method: string, args: unknown[]): unknown =>
    Reflect.apply(recordingMethod(`JOB ${jobId}`, method, Reflect.get(methods, method), calls), undefined, args);
  return {
    ...(submit && {
      submit: (submissions: readonly JobSubmission[]) =>
        Promise.all(submissions.map((submission) => call(submission.job_id, "submit", [submission]))),
    }),
    ...Object.fromEntries(
      Object.keys(reading).map((method) => [
        method,
        (jobId: string, ...args: unknown[]): unknown => call(jobId, method, args),
      ]),
    ),
  };
}

function describing(registry: ApiRegistry, dagId: string): Partial<DagObject> {
  const view = (isPaused: boolean): Result<DagView> => {
    const definition = registry.dags.get(dagId);
    return definition === undefined
      ? { ok: false, refusal: { code: "not_found", message: `no DAG ${dagId}` } }
      : ok({
          dag_id: dagId,
          is_paused: isPaused,
          is_registered: false,
          version: 1,
          version_created_at: NOW,
          next_dagrun: null,
          spec: definition.spec,
        });
  };
  return {
    describe: async () => view(dagId === "reports"),
    setPaused: async (paused) => view(paused),
  };
}

function recording(
  object: string,
  methods: Partial<DagObject> | Partial<CatalogObject> | Partial<PoolObject>,
  calls: Call[],
): unknown {
  return Object.fromEntries(
    Object.entries<unknown>(methods).map(([method, answer]) => [
      method,
      recordingMethod(object, method, answer, calls),
    ]),
  );
}

function recordingMethod(object: string, method: string, answer: unknown, calls: Call[]) {
  return (...args: unknown[]): unknown => {
    calls.push({ object, method, args });
    return typeof answer === "function" ? Reflect.apply(answer, undefined, args) : undefined;
  };
}
