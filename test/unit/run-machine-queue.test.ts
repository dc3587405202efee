import { describe, test } from "vitest";
import { FREE_WORKER_LOSSES } from "../../src/engine/liveness.ts";
import { FAILED, Run, SECOND, START, WORKER, task } from "./run-machine-support.ts";

const MINUTE = 60 * SECOND;

describe("a queued message", () => {
  test("that nobody claims is sent again after 10, 20, 40, 80 and then every 120 seconds", ({ expect }) => {
    const run = new Run([task("a")]);
    const waits: number[] = [];
    for (let turn = 0; turn < 7; turn += 1) {
      const wait = (run.machine.nextDue() ?? 0) - run.now;
      waits.push(wait / SECOND);
      run.after(wait - 1);
      expect(run.sent).toEqual([]);
      run.after(1);
      expect(run.sent).toEqual(["a"]);
    }
    expect(waits).toEqual([10, 20, 40, 80, 120, 120, 120]);
  });

  test("is sent again every two minutes only while its queue moves, and nothing is stored until then", ({ expect }) => {
    const run = new Run([task("a")]);
    const begun = run.now;
    const sentAfter: number[] = [];
    let stored = 0;
    for (let turn = 0; turn < 30; turn += 1) {
      run.now = run.machine.nextDue() ?? expect.fail("expected a timer");
      run.machine.tick(run.now, undefined, () => true);
      const { send, instances } = run.machine.drain();
      stored += instances.length;
      sentAfter.push(...send.map(() => (run.now - begun) / SECOND));
    }
    expect(sentAfter).toEqual([120, 240]);
    expect(stored).toBe(2);
  });

  test("whose queue stands still is sent again as soon as its time has come", ({ expect }) => {
    const run = new Run([task("a")]);
    run.now += 10 * SECOND;
    run.machine.tick(run.now, undefined, () => true);
    run.now = run.machine.nextDue() ?? expect.fail("expected a timer");
    run.machine.tick(run.now, undefined, () => false);
    expect(run.now).toBe(START + 20 * SECOND);
    expect(run.machine.drain().send).toHaveLength(1);
  });

  test("that nobody claims for three times task_queued_timeout fails, whatever retries are left", ({ expect }) => {
    const run = new Run([task("a", [], { retries: 5 })]);
    const started = run.now;
    while (run.state("a") === "queued" && run.now - started < 60 * MINUTE) {
      run.after((run.machine.nextDue() ?? run.now) - run.now);
    }
    expect(run.find("a")).toMatchObject({ state: "failed", error: { type: "StuckInQueued" } });
    expect(run.now - started).toBeGreaterThanOrEqual(30 * MINUTE);
    expect(run.now - started).toBeLessThanOrEqual(32 * MINUTE);
    expect(run.outcome).toBe("failed: task_failure");
  });

  test("that stands in a line that moves is not stuck however long it is, but once it stands still", ({ expect }) => {
    const run = new Run([task("a")]);
    const started = run.now;
    const next = (): number => run.machine.nextDue() ?? expect.fail("expected a timer");
    while (run.now - started < 3 * 60 * MINUTE) {
      run.now = next();
      run.machine.tick(run.now, undefined, () => true);
    }
    expect(run.state("a")).toBe("queued");
    run.now = next();
    run.machine.tick(run.now, undefined, () => false);
    expect(run.find("a")).toMatchObject({ state: "failed", error: { type: "StuckInQueued" } });
  });

  test("can be claimed once; a duplicate and one of another try are refused", ({ expect }) => {
    const run = new Run([task("a", [], { retries: 1, retry_delay: 0 })]);
    expect(run.machine.claim("a", -1, 2, WORKER, run.now)).toBe(null);
    expect(run.machine.claim("a", 0, 1, WORKER, run.now)).toBe(null);
    expect(run.machine.claim("b", -1, 1, WORKER, run.now)).toBe(null);
    run.claim("a");
    expect(run.machine.claim("a", -1, 1, WORKER, run.now)).toBe(null);
    run.report("a", FAILED);
    run.after(1);
    expect(run.machine.claim("a", -1, 1, WORKER, run.now)).toBe(null);
    expect(run.machine.claim("a", -1, 2, WORKER, run.now)?.state).toBe("running");
  });

  test("can be sent again for all at once, when whoever held them may be gone", ({ expect }) => {
    const run = new Run([task("a"), task("b"), task("c")]);
    run.claim("b");
    run.machine.resendQueued(run.now);
    expect(run.machine.drain().send.map((instance) => instance.node.task.id)).toEqual(["a", "c"]);
  });
});

describe("a paused DAG's run", () => {
  test("queues nothing new while it is held, and everything that is ready when it is released", ({ expect }) => {
    const run = new Run([task("a"), task("b", ["a"]), task("c", ["a"])]);
    run.machine.hold(true, run.now);
    run.succeed("a");
    expect(run.states).toEqual({ a: "success", b: "scheduled", c: "scheduled" });
    expect(run.sent).toEqual([]);
    expect(run.outcome).toBe("running: null");
    run.machine.hold(false, run.now);
    expect(run.machine.drain().send.map((instance) => instance.node.task.id)).toEqual(["b", "c"]);
  });

  test("ends when its last work ends", ({ expect }) => {
    const run = new Run([task("a")]);
    run.machine.hold(true, run.now);
    run.succeed("a");
    expect(run.outcome).toBe("success: success");
  });

  test("keeps what is scheduled over an eviction, and sends it once", ({ expect }) => {
    const run = new Run([task("a"), task("b", ["a"])]);
    run.machine.hold(true, run.now);
    run.succeed("a");
    run.evict();
    run.machine.hold(true, run.now);
    expect(run.machine.drain().send).toEqual([]);
    run.machine.hold(false, run.now);
    expect(run.machine.drain().send).toHaveLength(1);
    run.machine.hold(false, run.now);
    expect(run.machine.drain().send).toHaveLength(0);
  });
});

describe("a report", () => {
  test("is taken once; the same again is a duplicate, one of an older try is late and counted", ({ expect }) => {
    const run = new Run([task("a", [], { retries: 1, retry_delay: 0 })]);
    const first = run.claim("a");
    expect(run.report("a", FAILED, first)).toBe("accepted");
    expect(run.report("a", FAILED, first)).toBe("duplicate");
    run.after(1);
    run.claim("a");
    expect(run.report("a", { state: "success" }, first)).toBe("late");
    expect(run.find("a")).toMatchObject({ state: "running", lateResults: 1 });
  });

  test("gives its worker follow-up work that is already claimed and not sent", ({ expect }) => {
    const run = new Run([task("a"), task("b", ["a"]), task("c", ["a"]), task("d", ["a"])]);
    const token = run.claim("a");
    run.machine.report(run.find("a"), token, { state: "success" }, WORKER, run.now);
    const followUps = run.machine.advance(run.now, 2, WORKER);
    expect(followUps.map((instance) => `${instance.node.task.id} ${instance.state}`)).toEqual([
      "b running",
      "c running",
    ]);
    expect(run.machine.drain().send.map((instance) => instance.node.task.id)).toEqual(["d"]);
  });

  test("of a branch that follows nothing known fails the try, which is retried", ({ expect }) => {
    const run = new Run([task("branch", [], { operator: "branch", retries: 1 }), task("x", ["branch"])]);
    run.end({ state: "success", follow: ["nowhere"] }, "branch");
    expect(run.find("branch")).toMatchObject({ state: "up_for_retry", error: { type: "BranchError" } });
    expect(run.state("x")).toBe(null);
  });
});

describe("a worker", () => {
  test("that says nothing for its first grace period is a zombie: the try is retried, its late answer refused", ({
    expect,
  }) => {
    const run = new Run([task("a", [], { heartrate: 10, retries: 1, retry_delay: 60 })]);
    run.find("a").workerLosses = FREE_WORKER_LOSSES;
    const token = run.claim("a");
    run.after(21 * SECOND - 1);
    expect(run.state("a")).toBe("running");
    run.after(1);
    expect(run.find("a")).toMatchObject({ state: "up_for_retry", error: { type: "Zombie" } });
    expect(run.report("a", { state: "success" }, token)).toBe("late");
    run.after(60 * SECOND);
    expect(run.state("a")).toBe("up_for_retry");
    run.after(1);
    expect(run.find("a")).toMatchObject({ state: "queued", tryNumber: 2 });
  });

  test("is alive as long as its worker beats, with a job or without", ({ expect }) => {
    const run = new Run([task("a")]);
    const token = run.claim("a");
    expect(run.machine.beat(run.find("a"), { token: token - 1, job_id: "job-1" }, run.now)).toBe(false);
    for (let beats = 0; beats < 700; beats += 1) {
      run.after(10 * SECOND);
      const beat = beats < 10 ? { token } : { token, job_id: "job-1" };
      expect(run.machine.beat(run.find("a"), beat, run.now)).toBe(true);
    }
    expect(run.find("a")).toMatchObject({ state: "running", jobId: "job-1" });
    expect(run.machine.attemptEnded(run.find("a"), token, FAILED, run.now)).toBe("accepted");
    expect(run.machine.attemptEnded(run.find("a"), token, FAILED, run.now)).toBe("duplicate");
    expect(run.state("a")).toBe("failed");
  });

  test("asked to wait is asked again at the time it gave, in the same try", ({ expect }) => {
    const run = new Run([task("a")]);
    run.end({ state: "up_for_reschedule", at: run.now + 30 * SECOND }, "a");
    run.after(30 * SECOND - 1);
    expect(run.state("a")).toBe("up_for_reschedule");
    run.after(1);
    expect(run.find("a")).toMatchObject({ state: "queued", tryNumber: 1 });
    run.end({ state: "up_for_reschedule", at: run.now - 1 }, "a");
    expect(run.find("a")).toMatchObject({ state: "queued", tryNumber: 1 });
  });
});

describe("a mark", () => {
  test.for(["success", "failed", "skipped"] as const)(
    "%s ends what runs, and its late answer changes nothing",
    (to, { expect }) => {
      const run = new Run([task("a", [], { retries: 3 }), task("b", ["a"], { trigger_rule: "all_done" })]);
      const token = run.claim("a");
      run.machine.beat(run.find("a"), { token, job_id: "job-1" }, run.now);
      run.machine.mark(run.find("a"), to, null, run.now);
      expect(run.machine.drain().stops.map(({ job_id }) => job_id)).toEqual(["job-1"]);
      expect(run.states).toEqual({ a: to, b: "queued" });
      expect(run.report("a", { state: "success" }, token)).toBe("late");
      expect(run.state("a")).toBe(to);
    },
  );
});

describe("a delay", () => {
  test("keeps an instance from being scheduled before its time, and the run from deadlock", ({ expect }) => {
    const run = new Run([task("a")], {}, { start: false });
    run.machine.delay("a", -1, run.now + MINUTE);
    run.begin();
    expect(run.outcome).toBe("running: null");
    expect(run.machine.nextDue()).toBe(run.now + MINUTE);
    run.evict();
    run.after(MINUTE);
    expect(run.sent).toEqual(["a"]);
  });
});

describe("a bulk submission", () => {
  test("has as many instances of a task as it says, also after an eviction", ({ expect }) => {
    const run = new Run([task("send")], {}, { sizes: new Map([["send", 3]]) });
    expect(run.sent).toEqual(["send[0]", "send[1]", "send[2]"]);
    run.fail("send[1]");
    run.evict();
    run.succeed("send[0]", "send[2]");
    expect(run.states).toEqual({ "send[0]": "success", "send[1]": "failed", "send[2]": "success" });
    expect(run.outcome).toBe("failed: task_failure");
  });
});
