import { createScheduledController, evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { specHash } from "../../src/engine/canonical-hash.ts";
import { dagSpecSchema } from "../../src/engine/spec.ts";
import { WATCH_BOOK_NAMES, watchBookOf } from "../../src/engine/watch.ts";
import { openCatalog, openWatchBook } from "../../durable-objects/env.ts";
import { wakeLate } from "../../durable-objects/wake.ts";
import {
  alarmOf,
  claimOne,
  clock,
  dagOf,
  drive,
  fireAlarm,
  objectEnv,
  report,
  runOf,
  start,
  stopClock,
  stubOf,
  success,
  value,
  watchedOf,
} from "./lab.ts";
import { addDag, deploy, fresh, inOrder, registry } from "./registry.ts";
import { touched } from "./touched.ts";
import { jobbers } from "./worker.ts";

stopClock();

/** A minute's sweep of a Worker whose code has these DAGs; gives whom it woke. */
async function sweep(...dagIds: string[]): Promise<string[]> {
  touched.length = 0;
  const hashes = dagIds.map((dagId) => [dagId, specHash(registry.dags.get(dagId)?.spec ?? fail(dagId))] as const);
  await wakeLate(objectEnv, new Map(hashes));
  return touched.filter((name) => dagIds.includes(name));
}

function fail(dagId: string): never {
  throw new Error(`expected the DAG ${dagId}`);
}

async function evictAll(...dagIds: string[]): Promise<void> {
  for (const dagId of dagIds) {
    await evictDurableObject(stubOf("DAG", dagId));
  }
}

async function loseAlarm(dagId: string): Promise<void> {
  await runInDurableObject(stubOf("DAG", dagId), (_dag, state) => state.storage.deleteAlarm());
  await evictAll(dagId);
}

const DAILY = { schedule: "0 6 * * *", startDate: "2100-01-01T00:00:00Z" };

describe("a DAG that was deleted while it had something to do", () => {
  it("is woken once more and then forgotten", async () => {
    const id = fresh("registered");
    const tasks = [{ task_id: "a", handler: "nobody" }];
    value(await dagOf(id).register(dagSpecSchema.parse({ dag_id: id, tasks })));
    await start(id);
    await sweep();
    value(await dagOf(id).deleteDag());
    await sweep();
    expect(await watchedOf(id)).toBeUndefined();
  });
});

describe("a DAG that is asleep", () => {
  it("is not touched in a minute in which it has nothing to do, with a schedule or without", async () => {
    const dags = [addDag(DAILY, (d) => void inOrder(d, "a")), addDag({}, (d) => void inOrder(d, "a"))];
    const [scheduled = "", plain = ""] = dags;
    // The first sweep after a deployment shows every DAG its spec.
    expect(await sweep(...dags)).toEqual(dags);
    const runId = await start(plain);
    await drive(plain, runId, () => success());
    await sweep(...dags);
    await evictAll(...dags);
    for (let minute = 0; minute < 3; minute += 1) {
      clock.advance(60_000);
      expect(await sweep(...dags)).toEqual([]);
    }
    // Its own alarm is all that it has, and far away.
    expect(await alarmOf(stubOf("DAG", scheduled))).toBe(Date.UTC(2100, 0, 1, 6));
  });

  it("is not touched either while it is paused with a task instance that waits for that to end", async () => {
    const dagId = addDag({}, (d) => void inOrder(d, "a", "b"));
    await sweep(dagId);
    const runId = await start(dagId);
    const claimed = await claimOne(dagId, runId, "a");
    value(await dagOf(dagId).setPaused(true));
    await report(dagId, claimed, success());
    await sweep(dagId);
    clock.advance(60_000);
    await sweep(dagId);
    await evictAll(dagId);
    clock.advance(60_000);
    expect(await sweep(dagId)).toEqual([]);
  });

  it("is woken once for a new spec, as it may have a new schedule", async () => {
    const dagId = addDag({}, (d) => void inOrder(d, "a"));
    await sweep(dagId);
    await evictAll(dagId);
    deploy(dagId, DAILY, (d) => void inOrder(d, "a"));
    expect(await sweep(dagId)).toEqual([dagId]);
    await evictAll(dagId);
    expect(await sweep(dagId)).toEqual([]);
  });
});

describe("an alarm that was lost", () => {
  it("of a schedule is made up for within a minute", async () => {
    const dagId = addDag(DAILY, (d) => void inOrder(d, "a"));
    await sweep(dagId);
    await loseAlarm(dagId);
    clock.to(Date.UTC(2100, 0, 1, 6, 0, 30));
    expect(await sweep(dagId)).toEqual([dagId]);
    const runs = value(await dagOf(dagId).listRuns({ limit: 10, offset: 0, order_by: [] }));
    expect(runs.items.map(({ run_id }) => run_id)).toContain("scheduled__2100-01-01T06:00:00+00:00");
  });

  it("of a DAG that slept until somebody triggered it is made up for too", async () => {
    const dagId = addDag({}, (d) => void inOrder(d, "a"));
    await sweep(dagId);
    const runId = await start(dagId, { run_after: clock.now() + 5000 });
    await loseAlarm(dagId);
    clock.advance(60_000);
    expect(await sweep(dagId)).toEqual([dagId]);
    expect((await runOf(dagId, runId)).state).toBe("running");
    expect(await alarmOf(stubOf("DAG", dagId))).not.toBeNull();
  });
});

describe("a sweep over more than it may wake", () => {
  /** DAGs with a run each that is due a second after that of the one before, and no alarm. */
  async function lateDags(count: number): Promise<string[]> {
    const dagIds: string[] = [];
    for (let made = 0; made < count; made += 1) {
      const dagId = addDag({}, (d) => void inOrder(d, "a"));
      dagIds.push(dagId);
      await start(dagId, { run_after: clock.now() + 1000 * (made + 1) });
      await loseAlarm(dagId);
    }
    clock.advance(60_000);
    return dagIds;
  }

  async function sweepUpTo(most: number, dagIds: readonly string[]): Promise<string[]> {
    touched.length = 0;
    await wakeLate(objectEnv, new Map(), most);
    return touched
      .filter((name) => dagIds.includes(name))
      .toSorted((one, other) => dagIds.indexOf(one) - dagIds.indexOf(other));
  }

  it("wakes the latest first, and the others in the next ones", async () => {
    await wakeLate(objectEnv, new Map());
    const dagIds = await lateDags(5);
    expect(await sweepUpTo(3, dagIds)).toEqual(dagIds.slice(0, 3));
    // Those have something to do, and said so while they were woken: the next sweep asks them once more.
    expect(await sweepUpTo(3, dagIds)).toEqual([]);
    expect(await sweepUpTo(3, dagIds)).toEqual(dagIds.slice(3));
  });

  it("is not held up by those that cannot answer", async () => {
    await wakeLate(objectEnv, new Map());
    const dagIds = await lateDags(3);
    const [broken = ""] = dagIds;
    await runInDurableObject(stubOf("DAG", broken), (_dag, state) => {
      state.storage.sql.exec("INSERT INTO schema_migrations (version) VALUES (9999)");
    });
    await evictAll(broken);
    expect(await sweepUpTo(1, dagIds)).toEqual([broken]);
    expect(await sweepUpTo(1, dagIds)).toEqual(dagIds.slice(1, 2));
    expect(await sweepUpTo(1, dagIds)).toEqual([]);
    expect(await sweepUpTo(1, dagIds)).toEqual(dagIds.slice(2));
    expect((await watchedOf(broken))?.due_at).toBe(clock.now() + 60_000);
  });
});

describe("what is known of who has something to do", () => {
  it("keeps what an object says while it is being swept", async () => {
    const catalog = openCatalog(objectEnv);
    await catalog.expect("d", 100);
    const [entry] = (await catalog.watched()).filter(({ name }) => name === "d");
    await catalog.expect("d", 50);
    await catalog.swept([{ name: "d", due_at: null, spec_hash: null, told: entry?.told ?? 0 }]);
    expect((await catalog.watched()).find(({ name }) => name === "d")).toMatchObject({ due_at: 50 });
    await catalog.swept([{ name: "d", due_at: null, spec_hash: null, told: 2 }]);
    expect((await catalog.watched()).find(({ name }) => name === "d")).toBeUndefined();
  });

  it("is told once while a DAG is at work, not at every step", async () => {
    const dagId = addDag({}, (d) => void inOrder(d, "a", "b", "c"));
    await drive(dagId, await start(dagId), () => success());
    expect(await watchedOf(dagId)).toMatchObject({ told: 1 });
    await fireAlarm(stubOf("DAG", dagId)).catch(() => 0);
  });
});

describe("who has something to do", () => {
  it("is dealt over sixteen objects, evenly, and the one catalog hears of none", async () => {
    const before = (await openCatalog(objectEnv).watched()).length;
    const dagIds = Array.from({ length: 10 }, () => addDag({}, (d) => void inOrder(d, "a")));
    for (const dagId of dagIds) {
      await start(dagId);
      expect(await watchedOf(dagId)).toMatchObject({ told: 1 });
    }
    expect(await openCatalog(objectEnv).watched()).toHaveLength(before);
    const counts = new Map(WATCH_BOOK_NAMES.map((name) => [name, 0]));
    for (let index = 0; index < 16_000; index += 1) {
      const book = watchBookOf(`dag_${index}`);
      counts.set(book, (counts.get(book) ?? Number.NaN) + 1);
    }
    expect(counts.size).toBe(16);
    expect(Math.min(...counts.values())).toBeGreaterThan(850);
    expect(Math.max(...counts.values())).toBeLessThan(1150);
  });

  it("that the one catalog knows from before is woken, and moves to where it belongs", async () => {
    const dagId = addDag({}, (d) => void inOrder(d, "a"));
    await start(dagId, { run_after: clock.now() + 5000 });
    await loseAlarm(dagId);
    const [catalog, book] = [openCatalog(objectEnv), openWatchBook(objectEnv, watchBookOf(dagId))];
    await book.swept([{ name: dagId, due_at: null, spec_hash: null, told: (await watchedOf(dagId))?.told ?? 0 }]);
    expect(await watchedOf(dagId)).toBeUndefined();
    await catalog.expect(dagId, clock.now() + 5000);
    clock.advance(60_000);
    touched.length = 0;
    await wakeLate(objectEnv, new Map());
    expect(touched).toContain(dagId);
    expect((await catalog.watched()).map(({ name }) => name)).not.toContain(dagId);
    expect((await watchedOf(dagId))?.due_at).toBeLessThanOrEqual(clock.now());
  });

  it("is woken although one of the objects that know it cannot be asked, and the sweep says so", async () => {
    const dagIds = Array.from({ length: 4 }, () => addDag({}, (d) => void inOrder(d, "a")));
    const [lost = ""] = dagIds;
    const others = dagIds.filter((dagId) => watchBookOf(dagId) !== watchBookOf(lost));
    const broken = new Proxy(env.CATALOG, {
      get: (target, key): unknown =>
        key === "getByName"
          ? (name: string) => {
              if (name === watchBookOf(lost)) {
                throw new Error("that one is away");
              }
              return target.getByName(name);
            }
          : Reflect.get(target, key),
    });
    const hashes = new Map(dagIds.map((dagId) => [dagId, specHash(registry.dags.get(dagId)?.spec ?? fail(dagId))]));
    touched.length = 0;
    await expect(wakeLate({ ...objectEnv, CATALOG: broken }, hashes)).rejects.toThrow("that one is away");
    expect(others.length).toBeGreaterThan(0);
    expect(touched.filter((name) => dagIds.includes(name)).toSorted()).toEqual(others.toSorted());
  });
});

describe("the scheduler's health", () => {
  const minute = createScheduledController({ cron: "* * * * *" });

  async function health(): Promise<unknown> {
    const response = await exports.default.fetch("https://jobbers.test/api/v2/monitor/health");
    return Reflect.get(await response.json<object>(), "scheduler");
  }

  it("is bad while the sweep fails, with the time of the last one that went through", async () => {
    await jobbers.handler.scheduled(minute, env);
    const swept = new Date(clock.now()).toISOString().replace(".000Z", "Z");
    expect(await health()).toMatchObject({ status: "healthy" });

    clock.advance(60_000);
    const logged = vi.spyOn(console, "error").mockReturnValue();
    const away = new Proxy(env.CATALOG, {
      get() {
        throw new Error("the catalog is away");
      },
    });
    await expect(jobbers.handler.scheduled(minute, { ...env, CATALOG: away })).rejects.toThrow("the catalog is away");
    expect(logged.mock.calls).toEqual([[{ event: "sweep_failed", error: "Error: the catalog is away" }]]);
    logged.mockRestore();
    expect(await health()).toEqual({ status: "unhealthy", latest_scheduler_heartbeat: swept });

    await jobbers.handler.scheduled(minute, env);
    expect(await health()).toMatchObject({ status: "healthy" });
  });
});
