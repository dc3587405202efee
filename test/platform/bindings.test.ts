/** The harness itself: queues and objects that others share. */
import { describe, it } from "vitest";
import { dice } from "../../platform/dice.ts";
import { faultsAt, resetPoint, type ResetPoint } from "../../platform/faults.ts";
import { openCatalog, openDag } from "../../durable-objects/env.ts";
import { sendAll } from "../../durable-objects/send-all.ts";
import type { WorkMessage } from "../../src/engine/work.ts";
import { alarmOf, clock, fireAlarm, request, stubOf, value } from "../workers/lab.ts";
import { addDag, step } from "../workers/registry.ts";
import { enforce, limitedEnv, movedClock, startLab, violations, violationsOf } from "./lab.ts";
import { platform } from "./worker.ts";

startLab();

function messages(count: number, chars = 1): { body: WorkMessage }[] {
  return Array.from({ length: count }, (_, index) => ({ body: { job_id: String(index).padEnd(chars, "x") } }));
}

describe("a queue", () => {
  it("takes 5,000 messages in any second, and refuses the call that would be more", async ({ expect }) => {
    enforce({ queue_messages_per_second: 5000 });
    const send = async (): Promise<unknown> => limitedEnv.TASKS.sendBatch(messages(100));
    for (let calls = 0; calls < 50; calls += 1) {
      await send();
    }
    await expect(send()).rejects.toThrow("Too Many Requests");
    clock.advance(999);
    await expect(send()).rejects.toThrow("Too Many Requests");
    clock.advance(1);
    await send();
    expect(violationsOf("queue_messages_per_second").length).toBe(2);
  });

  it("is not the other queue", async ({ expect }) => {
    enforce({ queue_messages_per_second: 10 });
    const heavy = Reflect.get(limitedEnv, "TASKS_HEAVY") as Queue<WorkMessage>;
    await limitedEnv.TASKS.sendBatch(messages(10));
    await heavy.sendBatch(messages(10));
    await expect(heavy.sendBatch(messages(1))).rejects.toThrow("Too Many Requests");
  });

  it("refuses a message of more than 128 KB, 100 messages and 256 KB in a call", async ({ expect }) => {
    enforce({ message_bytes: 128_000, batch_messages: 100, batch_bytes: 256_000 });
    await limitedEnv.TASKS.sendBatch(messages(2, 127_000));
    await limitedEnv.TASKS.sendBatch(messages(100));
    await expect(limitedEnv.TASKS.sendBatch(messages(1, 128_000))).rejects.toThrow("message length");
    await expect(limitedEnv.TASKS.send(messages(1, 128_000)[0]?.body as WorkMessage)).rejects.toThrow("message length");
    await expect(limitedEnv.TASKS.sendBatch(messages(3, 100_000))).rejects.toThrow("batch size");
    await expect(limitedEnv.TASKS.sendBatch(messages(101))).rejects.toThrow("batch message count of 101");
    expect(violations.map(({ limit }) => limit)).toEqual([
      "message_bytes",
      "message_bytes",
      "batch_bytes",
      "batch_messages",
    ]);
  });

  it("gets a burst of 8,000 messages whole, each once", async ({ expect }) => {
    enforce({ queue_messages_per_second: 5000, batch_messages: 100, batch_bytes: 256_000, connections: 6 });
    const arrived: WorkMessage[] = [];
    const queue = {
      ...limitedEnv.TASKS,
      sendBatch: async (batch: { body: WorkMessage }[]) => void arrived.push(...batch.map(({ body }) => body)),
    };
    const { TASKS } = platform.over({ ...limitedEnv, TASKS: queue as unknown as Queue<WorkMessage> });
    const burst = messages(8000);
    await sendAll(TASKS, burst, async (ms) => clock.advance(ms));
    expect(violationsOf("queue_messages_per_second").length).toBeGreaterThan(0);
    expect(arrived.length).toBe(8000);
    expect(new Set(arrived)).toEqual(new Set(burst.map(({ body }) => body)));
  });
});

describe("an object", () => {
  it("is overloaded by more calls in a second than it takes, until the second is over", async ({ expect }) => {
    enforce({ object_calls_per_second: 10 });
    const call = async (): Promise<unknown> => openCatalog(limitedEnv).listRoles();
    for (let calls = 0; calls < 10; calls += 1) {
      await call();
    }
    await expect(call()).rejects.toMatchObject({ overloaded: true });
    clock.advance(1000);
    await call();
    expect(violations).toEqual([{ limit: "object_calls_per_second", object: "Catalog catalog" }]);
  });

  for (const [point, isStored] of [
    ["before", false],
    ["during", false],
    ["after", true],
  ] as [ResetPoint, boolean][]) {
    it(`that is reset ${point} a call: the caller learns of it, and what was on disk is there: ${isStored}`, async ({
      expect,
    }) => {
      const dagId = addDag({}, (d) => void d.run(step("only")));
      await openDag(limitedEnv, dagId).describe();
      platform.faults = {
        ofCall: ({ method }) => (method === "trigger" ? point : null),
        ofAlarm: () => null,
      };
      const dag = openDag(limitedEnv, dagId);
      const other = openDag(limitedEnv, dagId);
      await expect(dag.trigger(request({ run_id: "one" }))).rejects.toMatchObject({
        durableObjectReset: true,
        retryable: true,
      });
      expect(violations).toEqual([{ limit: "object_reset", object: `Dag ${dagId}`, method: "trigger", point }]);
      // The stub that saw the reset stays broken, one that is made then is not.
      await expect(dag.describe()).rejects.toMatchObject({ durableObjectReset: true });
      await expect(dag.describe()).rejects.toMatchObject({ durableObjectReset: true });
      await Promise.allSettled([other.describe()]);
      expect((await openDag(limitedEnv, dagId).getRun("one", 0)).ok).toBe(isStored);
    });
  }

  it("that is reset fails every call that was made of it, not only the one that met it", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("only")));
    await openDag(limitedEnv, dagId).trigger(request({ run_id: "one" }));
    platform.faults = { ofCall: ({ method }) => (method === "trigger" ? "before" : null), ofAlarm: () => null };
    const waiting = openDag(limitedEnv, dagId).getRun("one", 30_000);
    const [waited, triggered] = await Promise.allSettled([
      waiting,
      openDag(limitedEnv, dagId).trigger(request({ run_id: "two" })),
    ]);
    expect([waited.status, triggered.status]).toEqual(["rejected", "rejected"]);
  });

  it("has its alarm late, or never, or given up after six failures", async ({ expect }) => {
    enforce({ alarm_retries: 6 });
    const dagId = addDag({}, (d) => void d.run(step("only")));
    value(await openDag(limitedEnv, dagId).trigger(request()));
    const stub = stubOf("DAG", dagId);
    const at = await alarmOf(stub);
    expect(at).not.toBeNull();
    platform.faults = { ofCall: () => null, ofAlarm: () => ({ lateMs: 60_000 }) };
    await fireAlarm(stub);
    expect(await alarmOf(stub)).toBe((at ?? 0) + 60_000);
    platform.faults = { ofCall: () => null, ofAlarm: () => "lost" };
    await fireAlarm(stub);
    expect(await alarmOf(stub)).toBeNull();
    expect(violations).toEqual([
      { limit: "alarm_delay_ms", object: `Dag ${dagId}`, late_ms: 60_000 },
      { limit: "alarm_retries", object: `Dag ${dagId}`, lost: true },
    ]);
  });
});

describe("chance", () => {
  it("is the same for a seed, and of the rate that was asked for", ({ expect }) => {
    const draw = (seed: number): (ResetPoint | null)[] => {
      const faults = faultsAt({ resets: 0.1, lateAlarms: 0, lostAlarms: 0 }, seed, 60_000);
      return Array.from({ length: 2000 }, () => faults.ofCall({ className: "Dag", name: "any", method: "claim" }));
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
    const resets = draw(7).filter((point) => point !== null);
    expect(resets.length).toBeGreaterThan(150);
    expect(resets.length).toBeLessThan(250);
    expect(new Set(resets)).toEqual(new Set(["before", "during", "after"]));
    expect(resetPoint(dice(1))).toBe(resetPoint(dice(1)));
  });

  it("makes alarms late by up to a minute, and loses some", ({ expect }) => {
    const faults = faultsAt({ resets: 0, lateAlarms: 0.5, lostAlarms: 0.25 }, 3, 60_000);
    const fates = Array.from({ length: 1000 }, () => faults.ofAlarm({ className: "Dag", name: "any" }));
    const late = fates.flatMap((fate) => (fate !== null && fate !== "lost" ? [fate.lateMs] : []));
    expect(late.length).toBeGreaterThan(400);
    expect(Math.max(...late)).toBeLessThanOrEqual(60_000);
    expect(fates.filter((fate) => fate === "lost").length).toBeGreaterThan(150);
    expect(movedClock.next).toBeNull();
  });
});

describe("an alarm that keeps throwing", () => {
  it("is given up after six failures", async ({ expect }) => {
    enforce({ alarm_retries: 6 });
    class Broken {
      async alarm(_info: { retryCount: number }): Promise<void> {
        throw new Error("broken on purpose");
      }
    }
    const Limited = platform.object<unknown>(Broken, "Broken") as new (
      ctx: unknown,
      env: unknown,
    ) => { alarm(info: { retryCount: number }): Promise<void> };
    const object = new Limited({ id: { name: "any" } }, {});
    await expect(object.alarm({ retryCount: 5 })).rejects.toThrow("broken on purpose");
    await object.alarm({ retryCount: 6 });
    expect(violations).toEqual([{ limit: "alarm_retries", object: "Broken any", error: "Error: broken on purpose" }]);
  });
});
