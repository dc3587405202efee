/**
 * What the worked examples of docs/cloudflare.md cost, counted on the real API, objects and consumer. A number that changes is put
 * into scripts/bill/units.json; the failure says what to write.
 */
import { createExecutionContext, evictDurableObject, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, it, vi, type ExpectStatic } from "vitest";
import { wakeLate } from "../../durable-objects/wake.ts";
import { UNITS, type Unit, type UnitName } from "../../scripts/bill/examples.ts";
import { batchKey } from "../../src/engine/batch-ids.ts";
import { intakeName } from "../../src/engine/intake.ts";
import type { WorkMessage } from "../../src/engine/work.ts";
import { task } from "../../src/sdk/index.ts";
import {
  alarmOf,
  clock,
  dagOf,
  deliver,
  instancesOf,
  jobOf,
  newJobId,
  objectEnv,
  runOf,
  stopClock,
  stubOf,
  value,
} from "./lab.ts";
import { mailbox } from "./mailbox.ts";
import { platformMeter } from "./platform-counts.ts";
import { addDag, addTask, ECHO, inOrder, registry } from "./registry.ts";
import { jobbers } from "./worker.ts";

stopClock();
beforeEach(async () => {
  // What is made once for a deployment is no part of a unit: the tables of the catalogs.
  await wakeLate(objectEnv, new Map());
  // Timers too: what waits for others waits for as long as it says, however loaded the machine is.
  const toFake = ["Date", "setTimeout", "clearTimeout", "performance"] as const;
  vi.useFakeTimers({ toFake: [...toFake], now: clock.now() });
});

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const TEN_MINUTES = 10 * MINUTE;
/** `max_batch_size` of the queue `default` in wrangler.toml. */
const BATCH = 20;
/** From the end of the work to when the last timer of it has fired, and the sweeper has come. */
const AFTERWARDS = 2 * MINUTE;

/** From a worker to an object and back, in milliseconds. */
const ROUND_TRIP_MS = 5;
/** Turns of the event loop after which all handlers of a batch have begun: they begin one in a turn. */
const TURNS = BATCH + 5;

/** Bindings of the API, whose calls are counted. */
const atOnce = platformMeter.over({ ...env, ...objectEnv });
/** Bindings of a consumer on the platform, whose calls are counted. */
const bindings = platformMeter.over({ ...env, ...objectEnv, TASK_CONSUMER: "hold" }, ROUND_TRIP_MS);
/** The same with twenty lanes: as many tasks run in one session. */
const wide = { ...bindings, QUEUES: { default: { binding: "TASKS", queue: "jobbers-tasks", lanes: 20 } } };

// ── what is counted ───────────────────────────────────────────────────────────────────────────────────────────────

/** What the Worker is given. */
interface Work {
  workerRequests: number;
  messages: number;
}

const uncounted = (): Work => ({ workerRequests: 0, messages: 0 });

/** Counts what a unit costs. What the minute's sweep asks whether or not there is work is no part of it. */
async function count(tasks: number, something: (work: Work) => Promise<void>): Promise<Unit> {
  const work = uncounted();
  const { objectRequests, rowsWritten, rowsRead } = await platformMeter.during(() => something(work));
  const idle = platformMeter.calls.get("Catalog.toWake") ?? 0;
  return { tasks, ...work, objectRequests: objectRequests - idle, rowsWritten, rowsRead };
}

/** Rows read may be a few more or less, by what happens to come first: a million cost a tenth of a cent. */
const MORE_ROWS_READ = 1.1;

function expectUnit(expect: ExpectStatic, name: UnitName, counted: Unit): void {
  const known = UNITS[name];
  const line = `"${name}": ${JSON.stringify(counted)}`;
  const calls = JSON.stringify([...platformMeter.calls]);
  const how = `put ${line} into scripts/bill/units.json, then run: npm run bill -- --write (calls: ${calls})`;
  expect({ ...counted, rowsRead: known.rowsRead }, how).toEqual(known);
  expect(counted.rowsRead, how).toBeLessThanOrEqual(known.rowsRead * MORE_ROWS_READ);
}

// ── what happens in a unit ────────────────────────────────────────────────────────────────────────────────────────

async function post(path: string, body: unknown, work: Work): Promise<unknown> {
  work.workerRequests += 1;
  const headers = { authorization: "Bearer test-key", "content-type": "application/json" };
  const request: Request<unknown, IncomingRequestCfProperties> = new Request(`https://jobbers.test${path}`, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
  });
  const ctx = createExecutionContext();
  const answer = await jobbers.handler.fetch(request, atOnce, ctx);
  await waitOnExecutionContext(ctx);
  if (!answer.ok) {
    throw new Error(`POST ${path}: expected success, got ${answer.status} ${await answer.text()}`);
  }
  return answer.json();
}

/** Knows whether something has ended. */
function follow(promise: Promise<unknown>): { over: Promise<unknown>; isOver: () => boolean } {
  let isOver = false;
  const over = promise.finally(() => (isOver = true));
  return { over, isOver: () => isOver };
}

/** Hands the consumer all messages that `take` finds, a batch at a time, until there are none. */
async function consume(take: () => readonly WorkMessage[], work: Work): Promise<void> {
  for (let messages = take(); messages.length > 0; messages = take()) {
    work.messages += messages.length;
    for (let first = 0; first < messages.length; first += BATCH) {
      work.workerRequests += 1;
      const delivery = follow(deliver(messages.slice(first, first + BATCH), "default", bindings));
      await platformMeter.quiet(TURNS);
      while (!delivery.isOver()) {
        vi.advanceTimersByTime(1);
        await platformMeter.quiet(TURNS);
      }
      await delivery.over;
    }
  }
}

/** Runs the alarms that are still set, and a sweep. */
async function settle(stubs: readonly DurableObjectStub[]): Promise<void> {
  const until = clock.now() + AFTERWARDS;
  for (const stub of stubs) {
    for (let at = await alarmOf(stub); at !== null && at <= until; at = await alarmOf(stub)) {
      clock.to(Math.max(at, clock.now()));
      await platformMeter.alarm(stub);
    }
  }
  clock.to(until);
  await wakeLate(atOnce, new Map());
}

async function runSingle(id: string, work: Work): Promise<void> {
  await post(`/tasks/${ECHO}`, { id, payload: { n: 1 } }, work);
  await consume(() => mailbox.takeOfJob(id), work);
  await settle([stubOf("INTAKE", id)]);
}

/** An id whose intake object has kept a job before, and sleeps. */
async function idInSleepingIntake(): Promise<string> {
  const id = newJobId();
  await runSingle(newJobId().slice(0, -1) + id.slice(-1), uncounted());
  await evictDurableObject(stubOf("INTAKE", id));
  return id;
}

/** Alarms of objects, run when they are due while a session lives. */
class Alarms {
  readonly #stubs: () => Promise<DurableObjectStub[]>;
  #due: { stub: DurableObjectStub; at: number }[] = [];
  #known = 0;

  /** @param stubs Gives the objects that there are by now. */
  constructor(stubs: () => Promise<DurableObjectStub[]>) {
    this.#stubs = stubs;
  }

  /** When the first is due, epoch milliseconds. */
  get next(): number {
    return Math.min(...this.#due.map(({ at }) => at));
  }

  async run(): Promise<void> {
    const now = clock.now();
    const due = this.#due.filter(({ at }) => at <= now);
    for (const { stub } of due) {
      await platformMeter.alarm(stub);
    }
    if (due.length > 0 || platformMeter.alarmsSet !== this.#known) {
      this.#known = platformMeter.alarmsSet;
      const stubs = await platformMeter.unseen(this.#stubs);
      const times = await Promise.all(stubs.map(async (stub) => ({ stub, at: await alarmOf(stub) })));
      this.#due = times.flatMap(({ stub, at }) => (at === null ? [] : [{ stub, at }]));
    }
  }
}

/** While jobs are made one after the other the clock moves in small steps, as time passes between two of them on the platform. */
const FIRST_MS = 7000;
const SMALL_STEP_MS = 20;
const STEP_MS = 1000;

/** One session, whose handlers end after ten minutes. Timers of the session and alarms come at their time. */
async function live(
  messages: readonly WorkMessage[],
  open: () => void,
  stubs: () => Promise<DurableObjectStub[]>,
  work: Work,
): Promise<void> {
  work.messages += messages.length;
  work.workerRequests += 1;
  const alarms = new Alarms(stubs);
  const since = clock.now();
  const delivery = follow(deliver(messages, "default", wide));
  await platformMeter.quiet();
  while (!delivery.isOver()) {
    const now = clock.now();
    const step = now - since < FIRST_MS ? SMALL_STEP_MS : STEP_MS;
    vi.advanceTimersByTime(Math.max(1, Math.min(step, alarms.next - now)));
    await platformMeter.quiet();
    await alarms.run();
    if (clock.now() - since >= TEN_MINUTES) {
      open();
    }
  }
  await delivery.over;
}

// ── the units ─────────────────────────────────────────────────────────────────────────────────────────────────────

describe("single tasks cost what the document says", () => {
  it("alone, their intake object asleep before", async ({ expect }) => {
    const id = await idInSleepingIntake();
    expectUnit(expect, "single_alone", await count(1, (work) => runSingle(id, work)));
    expect(value(await jobOf(id).get(0)).state).toBe("success");
  });

  it("many at a time, over all intake objects", async ({ expect }) => {
    const some = (): string[] => Array.from({ length: UNITS.single_together.tasks }, newJobId);
    const run = async (ids: readonly string[], work: Work): Promise<void> => {
      await Promise.all(ids.map((id) => post(`/tasks/${ECHO}`, { id, payload: { n: 1 } }, work)));
      await consume(() => ids.flatMap((id) => mailbox.takeOfJob(id)), work);
      await settle([...new Map(ids.map((id) => [intakeName(id), stubOf("INTAKE", id)])).values()]);
    };
    await run(some(), uncounted());
    const ids = some();
    expectUnit(expect, "single_together", await count(ids.length, (work) => run(ids, work)));
    const states = await Promise.all(ids.map(async (id) => value(await jobOf(id).get(0)).state));
    expect(new Set(states)).toEqual(new Set(["success"]));
  });

  it("in one bulk", async ({ expect }) => {
    const tasks = Array.from({ length: UNITS.bulk.tasks }, (_, n) => ({ name: ECHO, payload: { n } }));
    let name = "";
    const counted = await count(tasks.length, async (work) => {
      const { batch_id: id } = (await post("/tasks", { tasks }, work)) as { batch_id: string };
      name = `@batch:${batchKey(id)}`;
      await consume(() => mailbox.takeOf(name), work);
      await settle([stubOf("DAG", name)]);
    });
    expectUnit(expect, "bulk", counted);
    expect(value(await dagOf(name).getBatch(0)).state).toBe("success");
  });
});

describe("runs cost what the document says", () => {
  it("of a hundred mapped instances", async ({ expect }) => {
    const n = Array.from({ length: UNITS.mapped_run.tasks }, (_, index) => index);
    const each = task({ id: "each" }, (_ctx, input: { n: number }) => input.n);
    const dagId = addDag({}, (d) => void d.expand(each, { n }));
    const run = async (runId: string, work: Work): Promise<void> => {
      await post(`/api/v2/dags/${dagId}/dagRuns`, { dag_run_id: runId, logical_date: null }, work);
      await consume(() => mailbox.takeOf(dagId), work);
      await settle([stubOf("DAG", dagId)]);
    };
    await run("first", uncounted());
    await evictDurableObject(stubOf("DAG", dagId));
    expectUnit(expect, "mapped_run", await count(n.length, (work) => run("second", work)));
    expect((await runOf(dagId, "second")).state).toBe("success");
  });

  it("of a schedule, ten tasks in a chain", async ({ expect }) => {
    const begun = clock.now();
    // Long enough after the hour that the first run is the next hour's.
    clock.advance(20 * MINUTE);
    const dagId = addDag({ schedule: "0 * * * *" }, (d) => {
      inOrder(d, ...Array.from({ length: UNITS.scheduled_chain.tasks }, (_, n) => `t${n}`));
    });
    value(await dagOf(dagId).describe());
    const stub = stubOf("DAG", dagId);
    const run = async (hour: number, work: Work): Promise<void> => {
      clock.to(begun + hour * HOUR);
      await platformMeter.alarm(stub);
      await consume(() => mailbox.takeOf(dagId), work);
      await settle([stub]);
    };
    await run(1, uncounted());
    await evictDurableObject(stub);
    expectUnit(expect, "scheduled_chain", await count(UNITS.scheduled_chain.tasks, (work) => run(2, work)));
    const { items } = value(await dagOf(dagId).listRuns({ limit: 10, offset: 0, order_by: ["id"] }));
    expect(items.map(({ state }) => state)).toEqual(["success", "success"]);
  });
});

describe("tasks of ten minutes, watched by heartbeats, cost what the document says", () => {
  it("alone", async ({ expect, onTestFinished }) => {
    const id = await idInSleepingIntake();
    const gate = Promise.withResolvers<null>();
    const echo = registry.tasks.get(ECHO);
    onTestFinished(() => void (echo === undefined ? null : addTask(echo)));
    addTask(task({ id: ECHO }, () => gate.promise));
    const stubs = [stubOf("INTAKE", id), stubOf("JOB", id)];
    const counted = await count(1, async (work) => {
      await post(`/tasks/${ECHO}`, { id, payload: null }, work);
      await live(
        mailbox.takeOfJob(id),
        () => gate.resolve(null),
        async () => stubs,
        work,
      );
      await settle(stubs);
    });
    expectUnit(expect, "long_alone", counted);
    expect(value(await jobOf(id).get(0)).state).toBe("success");
  });

  it("twenty in one session", async ({ expect }) => {
    const gate = Promise.withResolvers<null>();
    const n = Array.from({ length: UNITS.long_together.tasks }, (_, index) => index);
    const each = task({ id: "each" }, (_ctx, _input: { n: number }) => gate.promise);
    const dagId = addDag({}, (d) => void d.expand(each, { n }));
    value(await dagOf(dagId).describe());
    await evictDurableObject(stubOf("DAG", dagId));
    const stubs = async (): Promise<DurableObjectStub[]> => {
      const jobIds = (await instancesOf(dagId, "run")).flatMap(({ job_id: id }) => (id === null ? [] : [id]));
      return [stubOf("DAG", dagId), ...jobIds.map((id) => stubOf("JOB", id))];
    };
    const counted = await count(n.length, async (work) => {
      await post(`/api/v2/dags/${dagId}/dagRuns`, { dag_run_id: "run", logical_date: null }, work);
      await live(mailbox.takeOf(dagId), () => gate.resolve(null), stubs, work);
      await settle(await platformMeter.unseen(stubs));
    });
    expectUnit(expect, "long_together", counted);
    expect((await runOf(dagId, "run")).state).toBe("success");
  });
});
