import { evictDurableObject } from "cloudflare:test";
import { describe, it } from "vitest";
import {
  alarmOf,
  claimOne,
  clock,
  dagOf,
  drive,
  failure,
  fireAlarm,
  report,
  rowsOf,
  runOf,
  start,
  statesOf,
  stopClock,
  stubOf,
  success,
  value,
} from "./lab.ts";
import { empty, latestOnly } from "../../src/sdk/index.ts";
import { addDag, deploy, step } from "./registry.ts";

stopClock();

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const FIRST = Date.UTC(2100, 0, 1);

type Options = Parameters<typeof addDag>[0];

function scheduled(options: Options): string {
  return addDag(options, (d) => void d.run(step("a")));
}

/** Runs as their ids and states, oldest first. */
async function runsOf(dagId: string): Promise<[string, string][]> {
  const { items } = value(await dagOf(dagId).listRuns({ limit: 1000, offset: 0, order_by: ["id"] }));
  return items.map(({ run_id, state }) => [run_id, state]);
}

async function finishAll(dagId: string): Promise<void> {
  const unfinished = (await runsOf(dagId)).filter(([, state]) => state === "running");
  for (const [runId] of unfinished) {
    await drive(dagId, runId, () => success());
  }
}

describe("a scheduled DAG", () => {
  it("sleeps until its alarm, makes its run then, and arms for the next", async ({ expect }) => {
    clock.advance(20 * MINUTE);
    const dagId = scheduled({ schedule: "0 * * * *" });
    expect(value(await dagOf(dagId).describe()).next_dagrun).toMatchObject({ run_after: FIRST + HOUR });
    expect(await alarmOf(stubOf("DAG", dagId))).toBe(FIRST + HOUR);
    await fireAlarm(stubOf("DAG", dagId));
    expect(await runsOf(dagId)).toEqual([["scheduled__2100-01-01T01:00:00+00:00", "running"]]);
    await finishAll(dagId);

    await evictDurableObject(stubOf("DAG", dagId));
    clock.to(FIRST + 2 * HOUR);
    await fireAlarm(stubOf("DAG", dagId));
    expect((await runsOf(dagId))[1]).toEqual(["scheduled__2100-01-01T02:00:00+00:00", "running"]);
    const run = await runOf(dagId, "scheduled__2100-01-01T02:00:00+00:00");
    expect(run).toMatchObject({ run_type: "scheduled", triggered_by: "timetable", logical_date: FIRST + 2 * HOUR });
  });

  it("skips behind a latest-only task in all runs that it makes up for but the latest", async ({ expect }) => {
    const dagId = addDag({ schedule: "0 * * * *", startDate: new Date(FIRST), catchup: true }, (d) => {
      d.after(d.run(latestOnly({ id: "latest" })), d.run(step("a")));
    });
    await dagOf(dagId).describe();
    clock.advance(2 * HOUR + MINUTE);
    await evictDurableObject(stubOf("DAG", dagId));
    await fireAlarm(stubOf("DAG", dagId));
    const ids = (await runsOf(dagId)).map(([runId]) => runId);
    const states = await Promise.all(ids.map((runId) => statesOf(dagId, runId)));
    // The first was made in time, before the others.
    expect(states).toEqual([
      { latest: "success", a: "queued" },
      { latest: "success", a: "skipped" },
      { latest: "success", a: "queued" },
    ]);
  });

  it("makes what was missed if it catches up, each date once, and never more than may be active", async ({
    expect,
  }) => {
    const dagId = scheduled({ schedule: "0 * * * *", startDate: new Date(FIRST), catchup: true, maxActiveRuns: 2 });
    await dagOf(dagId).describe();
    clock.advance(5 * HOUR + MINUTE);
    await evictDurableObject(stubOf("DAG", dagId));
    for (let turn = 0; turn < 6; turn += 1) {
      await fireAlarm(stubOf("DAG", dagId));
      const active = (await runsOf(dagId)).filter(([, state]) => state !== "success");
      expect(active.length).toBeLessThanOrEqual(2);
      await finishAll(dagId);
      await evictDurableObject(stubOf("DAG", dagId));
    }
    const ids = (await runsOf(dagId)).map(([runId]) => runId);
    expect(ids.slice(0, 6)).toEqual([0, 1, 2, 3, 4, 5].map((hour) => `scheduled__2100-01-01T0${hour}:00:00+00:00`));
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("makes only the latest of what was missed if it does not catch up", async ({ expect }) => {
    clock.advance(20 * MINUTE);
    const dagId = scheduled({ schedule: "0 * * * *" });
    await dagOf(dagId).describe();
    await fireAlarm(stubOf("DAG", dagId));
    await finishAll(dagId);
    clock.to(FIRST + 10 * HOUR + MINUTE);
    await evictDurableObject(stubOf("DAG", dagId));
    await fireAlarm(stubOf("DAG", dagId));
    await finishAll(dagId);
    expect((await runsOf(dagId)).map(([runId]) => runId.slice(-14, -9))).toEqual(["01:00", "10:00"]);
    expect(value(await dagOf(dagId).describe()).next_dagrun).toMatchObject({ run_after: FIRST + 11 * HOUR });
  });

  for (const [what, schedule, made] of [
    ["an expression", "0 * * * *", 10 * HOUR],
    ["intervals between ticks", { type: "cron_data_interval", expression: "0 * * * *" }, 10 * HOUR],
    // Without catchup it begins again from now.
    ["a delta", { type: "delta_trigger", seconds: 3600 }, 10.5 * HOUR],
    ["intervals of a delta", { type: "delta_data_interval", seconds: 3600 }, 10 * HOUR],
    [
      "listed dates",
      { type: "events", dates: [1, 2, 4, 7, 9, 12].map((hour) => new Date(FIRST + hour * HOUR).toISOString()) },
      9 * HOUR,
    ],
  ] as const) {
    for (const away of ["stopped", "paused"] as const) {
      it(`of ${what} makes exactly one run of those missed while it was ${away}, the latest`, async ({ expect }) => {
        clock.to(FIRST + 20 * MINUTE);
        const dagId = scheduled({ schedule, startDate: new Date(FIRST + HOUR) });
        expect(value(await dagOf(dagId).describe()).next_dagrun).not.toBeNull();
        value(await dagOf(dagId).setPaused(away === "paused"));
        clock.to(FIRST + 10 * HOUR + 30 * MINUTE);
        await evictDurableObject(stubOf("DAG", dagId));
        // What the DAG says it will do next is what it does next.
        const said = value(await dagOf(dagId).describe()).next_dagrun;
        const [previewed] = value(await dagOf(dagId).previewRuns(2));
        if (away === "paused") {
          expect(said).toMatchObject({ run_after: FIRST + made });
          expect(previewed).toEqual(said);
          value(await dagOf(dagId).setPaused(false));
        } else {
          await fireAlarm(stubOf("DAG", dagId));
        }
        await finishAll(dagId);
        const { items } = value(await dagOf(dagId).listRuns({ limit: 10, offset: 0, order_by: ["id"] }));
        expect(items.map(({ run_after }) => run_after - FIRST)).toEqual([made]);
        const after = value(await dagOf(dagId).describe()).next_dagrun;
        expect(after?.run_after).toBeGreaterThan(clock.now());
        expect(value(await dagOf(dagId).previewRuns(1))).toEqual([after]);
      });
    }
  }

  it("makes nothing while it is paused, and the latest when it is not any more", async ({ expect }) => {
    clock.advance(20 * MINUTE);
    const dagId = scheduled({ schedule: "0 * * * *", isPausedUponCreation: true });
    await dagOf(dagId).describe();
    expect(await alarmOf(stubOf("DAG", dagId))).toBeNull();
    clock.advance(3 * HOUR);
    value(await dagOf(dagId).setPaused(false));
    expect((await runsOf(dagId)).length).toBeGreaterThan(0);
  });

  it("goes on behind a date that somebody triggered by hand", async ({ expect }) => {
    const dagId = scheduled({ schedule: "0 * * * *", startDate: new Date(FIRST + HOUR), catchup: true });
    await start(dagId, { logical_date: FIRST + HOUR });
    await fireAlarm(stubOf("DAG", dagId));
    expect((await runsOf(dagId)).map(([runId]) => runId.split("__")[0])).toEqual(["manual"]);
    clock.to(FIRST + 2 * HOUR);
    await fireAlarm(stubOf("DAG", dagId));
    expect((await runsOf(dagId)).map(([runId]) => runId)).toContain("scheduled__2100-01-01T02:00:00+00:00");
  });

  it("plans anew when its schedule changes, and stops when it is gone", async ({ expect }) => {
    clock.advance(20 * MINUTE);
    const dagId = scheduled({ schedule: "0 * * * *" });
    await dagOf(dagId).describe();
    await fireAlarm(stubOf("DAG", dagId));
    await finishAll(dagId);
    deploy(dagId, { schedule: "30 * * * *" }, (d) => void d.run(step("a")));
    await evictDurableObject(stubOf("DAG", dagId));
    expect(value(await dagOf(dagId).describe()).next_dagrun).toMatchObject({ run_after: FIRST + 1.5 * HOUR });
    deploy(dagId, {}, (d) => void d.run(step("a")));
    await evictDurableObject(stubOf("DAG", dagId));
    expect(value(await dagOf(dagId).describe()).next_dagrun).toBeNull();
  });

  it("shows what it will do without doing it", async ({ expect }) => {
    clock.advance(20 * MINUTE);
    const dagId = scheduled({ schedule: "0 * * * *" });
    await dagOf(dagId).describe();
    const before = await rowsOf(stubOf("DAG", dagId), "SELECT * FROM schedule");
    const next = value(await dagOf(dagId).previewRuns(3));
    expect(next.map(({ run_after }) => run_after)).toEqual([1, 2, 3].map((hour) => FIRST + hour * HOUR));
    expect(await rowsOf(stubOf("DAG", dagId), "SELECT * FROM schedule")).toEqual(before);
  });
});

describe("a continuous DAG without work", () => {
  it("lets its object go on to other things while the clock stands", async ({ expect }) => {
    const options = { schedule: "@continuous", startDate: new Date(FIRST), maxActiveRuns: 1 } as const;
    const dagId = addDag(options, (d) => void d.run(empty({ id: "nothing" })));
    expect(value(await dagOf(dagId).describe()).next_dagrun).not.toBeNull();
    const runs = await runsOf(dagId);
    expect(runs.length).toBeGreaterThan(0);
    expect(new Set(runs.map(([runId]) => runId)).size).toBe(runs.length);
  });
});

describe("max_active_runs", () => {
  it("holds further runs in the queue, and lets the oldest start when one ends", async ({ expect }) => {
    const dagId = scheduled({ maxActiveRuns: 2 });
    const ids: string[] = [];
    for (let run = 0; run < 4; run += 1) {
      ids.push(await start(dagId));
      clock.advance(1);
    }
    expect((await runsOf(dagId)).map(([, state]) => state)).toEqual(["running", "running", "queued", "queued"]);
    await evictDurableObject(stubOf("DAG", dagId));
    await report(dagId, await claimOne(dagId, ids[1] ?? "", "a"), success());
    expect((await runsOf(dagId)).map(([, state]) => state)).toEqual(["running", "success", "running", "queued"]);
  });

  it("does not keep an object awake that waits for a run to end", async ({ expect }) => {
    const dagId = scheduled({ maxActiveRuns: 1 });
    const first = await start(dagId);
    await start(dagId);
    const at = await alarmOf(stubOf("DAG", dagId));
    expect(at).toBeGreaterThan(clock.now());
    await report(dagId, await claimOne(dagId, first, "a"), success());
    expect((await runsOf(dagId)).map(([, state]) => state)).toEqual(["success", "running"]);
  });

  it("starts no queued run while the DAG is paused, and the oldest once it is not", async ({ expect }) => {
    const dagId = scheduled({ maxActiveRuns: 1 });
    const first = await start(dagId);
    await start(dagId);
    await dagOf(dagId).setPaused(true);
    await report(dagId, await claimOne(dagId, first, "a"), success());
    expect((await runsOf(dagId)).map(([, state]) => state)).toEqual(["success", "queued"]);
    await dagOf(dagId).setPaused(false);
    expect((await runsOf(dagId)).map(([, state]) => state)).toEqual(["success", "running"]);
  });
});

describe("max_consecutive_failed_dag_runs", () => {
  it("pauses the DAG after so many failures in a row", async ({ expect }) => {
    const dagId = scheduled({ maxConsecutiveFailedDagRuns: 2 });
    for (const outcome of [failure("no", false), success(), failure("no", false), failure("no", false)]) {
      expect(value(await dagOf(dagId).describe()).is_paused).toBe(false);
      const runId = await start(dagId);
      await report(dagId, await claimOne(dagId, runId, "a"), outcome);
      clock.advance(1);
    }
    await evictDurableObject(stubOf("DAG", dagId));
    expect(value(await dagOf(dagId).describe()).is_paused).toBe(true);
  });
});

describe("many scheduled DAGs", () => {
  it("that are all due in the same second all get their run, each once, though half were evicted", async ({
    expect,
  }) => {
    clock.advance(20 * MINUTE);
    const dagIds = Array.from({ length: 200 }, () => scheduled({ schedule: "0 * * * *" }));
    await Promise.all(dagIds.map((dagId) => dagOf(dagId).describe()));
    clock.to(FIRST + HOUR);
    await Promise.all(dagIds.filter((_, at) => at % 2 === 0).map((dagId) => evictDurableObject(stubOf("DAG", dagId))));
    for (const dagId of dagIds) {
      await fireAlarm(stubOf("DAG", dagId));
      expect((await runsOf(dagId)).length).toBe(1);
    }
  });
});
