import { describe, it } from "vitest";
import { task } from "../../src/sdk/index.ts";
import { clock, claimQueued, dagOf, deliver, fireAlarm, instanceOf, jobOf, report, reportOf, runOf, start, statesOf, stopClock, stubOf, success, value, WORKER } from "./lab.ts";
import { mailbox } from "./mailbox.ts";
import { addDag, addTask, fresh } from "./registry.ts";
import { ulid } from "ulid";

stopClock();

/** A task that counts how often it ran. */
function counting(): { ran: () => number; definition: ReturnType<typeof task<unknown, number>> } {
  let runs = 0;
  const definition = task({ id: fresh("count"), heartrate: "1s" }, () => (runs += 1));
  return { ran: () => runs, definition };
}

describe("duplicated, reordered and lost messages", () => {
  it("a message of a task instance that is delivered three times at once runs it once", async ({ expect }) => {
    const { ran, definition } = counting();
    const dagId = addDag({}, (d) => d.run(definition));
    const runId = await start(dagId);
    const [message] = mailbox.takeOf(dagId);
    expect(message).toMatchObject({ dag_id: dagId, run_id: runId, task_id: definition.id, map_index: -1, try_number: 1 });
    const three = message === undefined ? [] : [message, message, message];

    await deliver(three);

    expect(ran()).toBe(1);
    expect(await runOf(dagId, runId)).toMatchObject({ state: "success" });
  });

  it("a message that comes again while its task runs, and after it ended, runs nothing", async ({ expect }) => {
    const { ran, definition } = counting();
    const dagId = addDag({}, (d) => d.run(definition));
    const runId = await start(dagId);
    const messages = mailbox.takeOf(dagId);
    const [running] = await claimQueued(dagId, runId);

    await deliver(messages);
    expect(ran()).toBe(0);
    expect(await report(dagId, running ?? expect.fail(), success(7))).toBe("accepted");
    await deliver(messages);

    expect(ran()).toBe(0);
    expect(await instanceOf(dagId, runId, definition.id)).toMatchObject({ state: "success", try_number: 1, late_results: 0 });
  });

  it("a job's message that is delivered three times, at once and later, runs it once", async ({ expect }) => {
    const { ran, definition } = counting();
    addTask(definition);
    const jobId = ulid();
    await jobOf(jobId).submit({ job_id: jobId, name: definition.id, payload: null, runAt: null });
    const messages = mailbox.takeOfJob(jobId);
    expect(messages).toHaveLength(1);

    await Promise.all([deliver([...messages, ...messages]), deliver(messages)]);
    await deliver(messages);

    expect(ran()).toBe(1);
    expect(value(await jobOf(jobId).get(0))).toMatchObject({ state: "success", result: 1, try_number: 1 });
  });

  it("reports that come in any order, and twice, end the run alike", async ({ expect }) => {
    const orders = [[0, 1, 2], [2, 1, 0], [1, 2, 0, 1, 2, 0]];
    const ends = [];
    for (const order of orders) {
      const dagId = addDag({}, (d) => {
        const ids = ["a", "b", "c"].map((id) => d.run(task({ id: `${dagIdPart()}_${id}` }, () => id), {}, { id }));
        d.after(ids, d.run(task({ id: `${dagIdPart()}_join` }, () => null), {}, { id: "join" }));
      });
      const runId = await start(dagId);
      const claimed = await claimQueued(dagId, runId);
      for (const index of order) {
        const one = claimed[index] ?? expect.fail();
        await report(dagId, one, success(one.task_id));
      }
      const [join] = await claimQueued(dagId, runId);
      await report(dagId, join ?? expect.fail(), success());
      ends.push({ run: (await runOf(dagId, runId)).state, states: await statesOf(dagId, runId) });
    }
    expect(ends).toEqual(Array.from({ length: 3 }, () => ({ run: "success", states: { a: "success", b: "success", c: "success", join: "success" } })));
  });
});

function dagIdPart(): string {
  return fresh("part");
}
