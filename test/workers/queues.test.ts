import {
  createExecutionContext,
  createMessageBatch,
  evictDurableObject,
  getQueueResult,
  runInDurableObject,
} from "cloudflare:test";
import { env } from "cloudflare:workers";
import { ulid } from "ulid";
import { afterEach, describe, it, vi } from "vitest";
import { DagCore } from "../../durable-objects/dag/core.ts";
import { queueStanding } from "../../durable-objects/dag/queue-desk.ts";
import { WorkDesk } from "../../durable-objects/dag/work-desk.ts";
import { openCatalog } from "../../durable-objects/env.ts";
import { ROLES_KEPT_MS } from "../../durable-objects/queues.ts";
import { batchKey } from "../../src/engine/batch-ids.ts";
import type { TaskInstanceQuery } from "../../src/engine/objects.ts";
import { describeStanding } from "../../src/engine/queue-standing.ts";
import type { Json } from "../../src/engine/spec.ts";
import type { WorkMessage } from "../../src/engine/work.ts";
import { task, type NamedTaskOptions } from "../../src/sdk/index.ts";
import {
  claimOne,
  clock,
  dagOf,
  deliverSent,
  fireAlarm,
  instanceOf,
  instancesOf,
  jobOf,
  nameOf,
  newJobId,
  objectEnv,
  report,
  reportOf,
  rowsOf,
  runOf,
  settle,
  settleJob,
  start,
  statesOf,
  stopClock,
  stubOf,
  success,
  value,
  WORKER,
  UNTIL_ENDED_MS,
} from "./lab.ts";
import { mailbox, type Sent } from "./mailbox.ts";
import { addDag, addTask, fresh, registry, step } from "./registry.ts";
import { jobbers } from "./worker.ts";

type Queue = NonNullable<NamedTaskOptions["queue"]>;

const HEAVY_WORKER = { ...WORKER, queue: "heavy" };

const catalog = () => openCatalog(objectEnv);

/** A task that answers its payload, on a queue. */
function onQueue(queue: Queue, id = fresh("on_queue")) {
  return task({ id, queue }, (_ctx, payload: Json) => payload);
}

/** Makes a role, or gives it another queue. */
async function move(role: string, queue: string): Promise<void> {
  value(await catalog().setRole(role, queue));
}

/** Which task instance went through which queue, e.g. `{ "a": "heavy", "m[1]": "default" }`. */
async function routes(dagId: string, byRole = 0): Promise<Record<string, string>> {
  await mailbox.arrived(dagId, byRole);
  const sent = mailbox.takeSentOf(dagId);
  return Object.fromEntries(sent.map(({ body, queue }) => [nameOf(body), queue]));
}

function counted(sent: readonly Sent[]): Record<string, number> {
  return {
    default: sent.filter(({ queue }) => queue === "default").length,
    heavy: sent.filter(({ queue }) => queue === "heavy").length,
  };
}

stopClock();
afterEach(async () => {
  vi.restoreAllMocks();
  for (const { role } of await catalog().listRoles()) {
    await catalog().removeRole(role);
  }
});

describe("a task's message", () => {
  it("goes through the queue that the task names, and through the default one if it names none", async ({ expect }) => {
    const dagId = addDag({}, (d) => {
      d.run(step("a"));
      d.run(step("b", { queue: "heavy" }));
      d.run(step("c", { queue: "default" }));
    });
    await start(dagId);
    expect(await routes(dagId)).toEqual({ a: "default", b: "heavy", c: "default" });
  });

  it("goes through the same queue when it is sent again", async ({ expect }) => {
    const dagId = addDag({}, (d) => {
      d.run(step("a", { queue: "heavy" }));
      d.run(step("b", { queue: { spread: ["default", "heavy"], by: "random" } }));
    });
    await start(dagId);
    const first = await routes(dagId);
    await evictDurableObject(stubOf("DAG", dagId));
    await fireAlarm(stubOf("DAG", dagId));
    expect(await routes(dagId)).toEqual(first);
  });

  it("asks no catalog for a queue that is configured", async ({ expect }) => {
    const dagId = addDag({}, (d) => {
      d.run(step("a"));
      d.run(step("b", { queue: "heavy" }));
    });
    const asked = vi.spyOn(jobbers.Catalog.prototype, "listRoles");
    await start(dagId);
    expect(await routes(dagId)).toEqual({ a: "default", b: "heavy" });
    expect(asked).not.toHaveBeenCalled();
  });

  it("goes through more than one call where there are more than a hundred", async ({ expect }) => {
    const dagId = addDag({}, (d) => {
      d.expand(step("m", { queue: { spread: ["default", "heavy"] } }), { n: Array.from({ length: 500 }, (_, n) => n) });
    });
    await start(dagId);
    expect(counted(mailbox.takeSentOf(dagId))).toEqual({ default: 250, heavy: 250 });
  });
});

describe("a role", () => {
  it("stands for a queue, and when it is moved, for another one in all that is sent after it", async ({ expect }) => {
    const role = fresh("role");
    await move(role, "heavy");
    const dagId = addDag({}, (d) => {
      const a = d.run(step("a", { queue: role }));
      d.after(a, d.run(step("b", { queue: role })));
    });
    const runId = await start(dagId);
    expect(await routes(dagId, 1)).toEqual({ a: "heavy" });
    await move(role, "default");
    await report(dagId, await claimOne(dagId, runId, "a"), success());
    expect(await routes(dagId, 1)).toEqual({ b: "default" });
  });

  it("that was moved counts for what is sent again, too", async ({ expect }) => {
    const role = fresh("role");
    await move(role, "heavy");
    const dagId = addDag({}, (d) => void d.run(step("a", { queue: role })));
    await start(dagId);
    expect(await routes(dagId, 1)).toEqual({ a: "heavy" });
    await move(role, "default");
    await fireAlarm(stubOf("DAG", dagId));
    expect(await routes(dagId, 1)).toEqual({ a: "default" });
  });

  it("is read again after five seconds at most, and not for every message", async ({ expect }) => {
    const role = fresh("role");
    await move(role, "heavy");
    const asked = vi.spyOn(jobbers.Catalog.prototype, "listRoles");
    const dagId = addDag({}, (d) => void d.run(step("a", { queue: role })));
    for (const run of [1, 2]) {
      await start(dagId);
      await mailbox.arrived(dagId, run);
    }
    expect(asked).toHaveBeenCalledTimes(1);
    expect(counted(mailbox.takeSentOf(dagId))).toEqual({ default: 0, heavy: 2 });

    // As if it were moved by an isolate that this one does not know of.
    await rowsOf(env.CATALOG.getByName("catalog"), "UPDATE queue_role SET queue = 'default'");
    clock.advance(ROLES_KEPT_MS - 1);
    await start(dagId);
    await mailbox.arrived(dagId, 1);
    expect(counted(mailbox.takeSentOf(dagId))).toEqual({ default: 0, heavy: 1 });
    clock.advance(1);
    await start(dagId);
    await mailbox.arrived(dagId, 1);
    expect(counted(mailbox.takeSentOf(dagId))).toEqual({ default: 1, heavy: 0 });
    expect(asked).toHaveBeenCalledTimes(2);
  });

  it("is gone by what was known of it where the catalog cannot be asked", async ({ expect }) => {
    const role = fresh("role");
    await move(role, "heavy");
    const dagId = addDag({}, (d) => void d.run(step("a", { queue: role })));
    await start(dagId);
    await mailbox.arrived(dagId, 1);
    clock.advance(ROLES_KEPT_MS);
    vi.spyOn(console, "warn").mockReturnValue();
    vi.spyOn(jobbers.Catalog.prototype, "listRoles").mockRejectedValue(new Error("broken on purpose"));
    await start(dagId);
    await mailbox.arrived(dagId, 2);
    expect(counted(mailbox.takeSentOf(dagId))).toEqual({ default: 0, heavy: 2 });
  });

  it("is kept by the catalog over an eviction, and written once for the same queue", async ({ expect }) => {
    const role = fresh("role");
    const made = value(await catalog().setRole(role, "heavy"));
    clock.advance(1000);
    await evictDurableObject(env.CATALOG.getByName("catalog"));
    expect(await catalog().listRoles()).toEqual([{ role, queue: "heavy", updated_at: made.updated_at }]);
    expect(value(await catalog().setRole(role, "heavy"))).toEqual(made);
    expect(value(await catalog().setRole(role, "default"))).toEqual({
      role,
      queue: "default",
      updated_at: made.updated_at + 1000,
    });
  });

  it("has no queue's name, and stands for a queue that there is", async ({ expect }) => {
    expect(await catalog().setRole("heavy", "default")).toMatchObject({ ok: false, refusal: { code: "conflict" } });
    expect(await catalog().setRole("gpu", "nope")).toMatchObject({ ok: false, refusal: { code: "invalid" } });
    expect(await catalog().listRoles()).toEqual([]);
  });
});

describe("a name that nothing has", () => {
  it("keeps its task instance queued, which is sent when there is such a role", async ({ expect }) => {
    const role = fresh("role");
    const dagId = addDag({}, (d) => {
      d.run(step("a", { queue: role }));
      d.run(step("b"));
    });
    const { promise: isTold, resolve } = Promise.withResolvers<unknown>();
    vi.spyOn(console, "warn").mockImplementation(resolve);
    const runId = await start(dagId);
    expect(await routes(dagId)).toEqual({ b: "default" });
    expect(await statesOf(dagId, runId)).toEqual({ a: "queued", b: "queued" });
    expect(await isTold).toEqual({ event: "queue_unknown", dag_id: dagId, queue: role, messages: 1 });

    await report(dagId, await claimOne(dagId, runId, "b"), success());
    await move(role, "heavy");
    await fireAlarm(stubOf("DAG", dagId));
    expect(await routes(dagId, 1)).toEqual({ a: "heavy" });
  });

  it("fails its task instance as stuck after three queued timeouts", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("a", { queue: "nowhere" })));
    vi.spyOn(console, "warn").mockReturnValue();
    const runId = await start(dagId);
    expect(await settle(dagId, runId)).toMatchObject({ state: "failed" });
    expect(await instanceOf(dagId, runId, "a")).toMatchObject({ error: { type: "StuckInQueued" } });
    expect(mailbox.takeSentOf(dagId)).toEqual([]);
  });
});

describe("a mapped task over several queues", () => {
  const COUNT = 300;
  const elements = Array.from({ length: COUNT }, (_, n) => ({ tenant: `tenant ${n % 20}` }));

  function spreadOver(by: "round_robin" | "random" | "hash"): string {
    const definition = step("m", { queue: { spread: ["default", "heavy"], by, key: ["row", "tenant"] } });
    return addDag({}, (d) => void d.expand(definition, { row: elements }));
  }

  it("is dealt by turns", async ({ expect }) => {
    const dagId = spreadOver("round_robin");
    await start(dagId);
    const found = await routes(dagId);
    expect(Object.keys(found)).toHaveLength(COUNT);
    for (let index = 0; index < COUNT; index += 1) {
      expect(found[`m[${index}]`]).toBe(index % 2 === 0 ? "default" : "heavy");
    }
  });

  it("is dealt at random, evenly", async ({ expect }) => {
    const dagId = spreadOver("random");
    await start(dagId);
    const { default: few = 0, heavy = 0 } = counted(mailbox.takeSentOf(dagId));
    expect(few + heavy).toBe(COUNT);
    expect(Math.min(few, heavy)).toBeGreaterThan(90);
  });

  it("is dealt by a value of its input, so that equal values share a queue, in every run", async ({ expect }) => {
    const dagId = spreadOver("hash");
    await start(dagId);
    await start(dagId);
    const ways = new Map<string, Set<string>>();
    for (const { body, queue } of mailbox.takeSentOf(dagId)) {
      const tenant = elements[body.map_index]?.tenant ?? "";
      ways.set(tenant, (ways.get(tenant) ?? new Set()).add(queue));
    }
    expect(ways.size).toBe(20);
    expect([...ways.values()].every((queues) => queues.size === 1)).toBe(true);
    expect(new Set([...ways.values()].flatMap((queues) => [...queues])).size).toBe(2);
  });

  it("by a value that an upstream task gave goes the same way after an eviction", async ({ expect }) => {
    const dagId = addDag({}, (d) => {
      const rows = d.run(step("rows"));
      d.expand(step("m", { queue: { spread: ["default", "heavy"], by: "hash", key: ["n"] } }), { n: rows });
    });
    const runId = await start(dagId);
    await report(dagId, await claimOne(dagId, runId, "rows"), success(["x", "y", "x", "z", "x"]));
    mailbox.takeSentOf(dagId);
    await fireAlarm(stubOf("DAG", dagId));
    const first = await routes(dagId);
    expect(Object.keys(first)).toHaveLength(5);
    expect(new Set([first["m[0]"], first["m[2]"], first["m[4]"]]).size).toBe(1);
    await evictDurableObject(stubOf("DAG", dagId));
    await fireAlarm(stubOf("DAG", dagId));
    expect(await routes(dagId)).toEqual(first);
  });

  it("goes by turns where the value lies in the bucket, or nowhere", async ({ expect }) => {
    const by = (...key: string[]) => ({ spread: ["default", "heavy"], by: "hash", key }) as const;
    const hidden = task({ id: "m", queue: by("value") }, (_ctx, _input: { n: number; value: unknown }) => null);
    const dagId = addDag({}, (d) => {
      const large = d.run(step("large"));
      d.expand(hidden, { n: [1, 2, 3] }, { partial: { value: large } });
      d.after(large, d.expand(step("n", { queue: by("nothing") }), { n: [1, 2, 3] }));
    });
    const runId = await start(dagId);
    mailbox.takeSentOf(dagId);
    const stored = { state: "success", value: { r2: "xcom/none", bytes: 1_000_000 } } as const;
    await report(dagId, await claimOne(dagId, runId, "large"), stored);
    expect(await routes(dagId)).toEqual({
      "m[0]": "default",
      "m[1]": "heavy",
      "m[2]": "default",
      "n[0]": "default",
      "n[1]": "heavy",
      "n[2]": "default",
    });
  });

  it("works off to its end, each on its queue", async ({ expect }) => {
    const definition = addTask(
      task({ id: fresh("square"), queue: { spread: ["default", "heavy"] } }, (_ctx, { n }: { n: number }) => n * n),
    );
    const dagId = addDag({}, (d) => void d.expand(definition, { n: [1, 2, 3, 4, 5] }));
    const runId = await start(dagId);
    expect(await settle(dagId, runId)).toMatchObject({ state: "success", counts: { success: 5 } });
  });
});

describe("follow-up work", () => {
  /** a → b, c, d of which some are on the other queue. */
  function fan(first: Queue): string {
    return addDag({}, (d) => {
      const a = d.run(step("a", { queue: first }));
      d.after(a, [
        d.run(step("b")),
        d.run(step("c", { queue: "heavy" })),
        d.run(step("d", { queue: { spread: ["heavy", "heavy"], by: "hash" } })),
      ]);
    });
  }

  it.for([
    ["default", WORKER, ["b"], { c: "heavy", d: "heavy" }],
    ["heavy", HEAVY_WORKER, ["c"], { b: "default", d: "heavy" }],
  ] as const)("of a worker of %s never is of another queue", async ([queue, worker, inline, sent], { expect }) => {
    const dagId = fan(queue);
    const runId = await start(dagId);
    mailbox.takeSentOf(dagId);
    const a = await claimOne(dagId, runId, "a");
    const { followUps } = await dagOf(dagId).report([reportOf(a, success())], worker, 10);
    expect(followUps.map(({ task_id }) => task_id)).toEqual(inline);
    expect(await routes(dagId)).toEqual(sent);
  });

  it("is also given by a role that stands for the worker's queue, unless it was moved", async ({ expect }) => {
    const role = fresh("role");
    await move(role, "heavy");
    const dagId = addDag({}, (d) => {
      const nodes = ["a", "b", "c"].map((id) => d.run(step(id, { queue: role })));
      nodes.slice(1).forEach((node, index) => d.after(nodes[index] ?? [], node));
    });
    const runId = await start(dagId);
    expect(await routes(dagId, 1)).toEqual({ a: "heavy" });
    const a = await claimOne(dagId, runId, "a");
    const { followUps } = await dagOf(dagId).report([reportOf(a, success())], HEAVY_WORKER, 10);
    expect(followUps.map(({ task_id }) => task_id)).toEqual(["b"]);

    await move(role, "default");
    const b = followUps[0] ?? expect.fail("expected b to follow a");
    const after = await dagOf(dagId).report([reportOf(b, success())], HEAVY_WORKER, 10);
    expect(after.followUps).toEqual([]);
    expect(await routes(dagId, 1)).toEqual({ c: "default" });
  });

  it("never crosses where the workers of both queues work a run off", async ({ expect }) => {
    const dagId = addDag({}, (d) => {
      const queues = ["default", "default", "heavy", "heavy", "default"] as const;
      const nodes = queues.map((queue) => d.run(addTask(onQueue(queue)), null));
      nodes.slice(1).forEach((node, index) => d.after(nodes[index] ?? [], node));
    });
    const runId = await start(dagId);
    const sent: Sent[] = [];
    for (let batch = mailbox.takeSentOf(dagId); batch.length > 0; batch = mailbox.takeSentOf(dagId)) {
      sent.push(...batch);
      await deliverSent(batch);
    }
    expect(await runOf(dagId, runId)).toMatchObject({ state: "success" });
    // The second of each pair went along with the first.
    expect(sent.map(({ queue }) => queue)).toEqual(["default", "heavy", "default"]);
  });
});

describe("a standalone task", () => {
  async function submit(name: string, payload: Json = null): Promise<string> {
    const jobId = newJobId();
    value(await jobOf(jobId).submit({ job_id: jobId, name, payload, runAt: null }));
    return jobId;
  }

  it("goes through its queue, again after an eviction, and runs", async ({ expect }) => {
    const { id } = addTask(onQueue("heavy"));
    const jobId = await submit(id, { n: 1 });
    expect(counted(mailbox.takeSentOfJob(jobId))).toEqual({ default: 0, heavy: 1 });
    await evictDurableObject(stubOf("INTAKE", jobId));
    await fireAlarm(stubOf("INTAKE", jobId));
    expect(counted(mailbox.takeSentOfJob(jobId))).toEqual({ default: 0, heavy: 1 });
    expect(await settleJob(jobId)).toMatchObject({ state: "success", result: { n: 1 } });
  });

  it("of several queues goes through both in the long run, and by its payload through one", async ({ expect }) => {
    const { id: dealt } = addTask(onQueue({ spread: ["default", "heavy"] }));
    const { id: hashed } = addTask(onQueue({ spread: ["default", "heavy"], by: "hash", key: ["tenant"] }));
    const sent = { dealt: [] as Sent[], hashed: [] as Sent[] };
    for (let index = 0; index < 40; index += 1) {
      sent.dealt.push(...mailbox.takeSentOfJob(await submit(dealt)));
      sent.hashed.push(...mailbox.takeSentOfJob(await submit(hashed, { tenant: "acme", index })));
    }
    const { default: few = 0, heavy = 0 } = counted(sent.dealt);
    expect([few + heavy, Math.min(few, heavy) > 5]).toEqual([40, true]);
    expect(new Set(sent.hashed.map(({ queue }) => queue)).size).toBe(1);
  });

  it("of a role that is not there waits, and is sent when it is", async ({ expect }) => {
    const role = fresh("role");
    const { id } = addTask(onQueue(role));
    vi.spyOn(console, "warn").mockReturnValue();
    const jobId = await submit(id);
    expect(mailbox.takeSentOfJob(jobId)).toEqual([]);
    await move(role, "heavy");
    await fireAlarm(stubOf("INTAKE", jobId));
    await mailbox.arrived(jobId, 1);
    expect(counted(mailbox.takeSentOfJob(jobId))).toEqual({ default: 0, heavy: 1 });
  });

  it("goes through its queue in a bulk submission, too", async ({ expect }) => {
    const { id: heavy } = addTask(onQueue("heavy"));
    const { id: dealt } = addTask(onQueue({ spread: ["default", "heavy"] }));
    const batchId = ulid();
    const batch = `@batch:${batchKey(batchId)}`;
    const entry = (name: string, n: number) => ({ name, payload: { n }, runAt: null });
    const entries = [entry(heavy, 0), entry(dealt, 1), entry(dealt, 2), entry(dealt, 3)];
    value(await dagOf(batch).submitBatch(batchId, entries));
    expect(await routes(batch)).toEqual({
      [`${heavy}[0]`]: "heavy",
      [`${dealt}[0]`]: "default",
      [`${dealt}[1]`]: "heavy",
      [`${dealt}[2]`]: "default",
    });
  });
});

describe("the standing of a queued task instance", () => {
  it("says when a worker of its queue was last heard, and that nobody has it", async ({ expect }) => {
    const [role, nowhere] = [fresh("role"), fresh("role")];
    await move(role, "heavy");
    const dagId = addDag({}, (d) => {
      d.run(step("a"));
      d.run(step("b", { queue: role }));
      d.run(step("c", { queue: "heavy" }));
      d.run(step("d", { queue: nowhere }));
    });
    vi.spyOn(console, "warn").mockReturnValue();
    const runId = await start(dagId);
    const said = await runInDurableObject(stubOf("DAG", dagId), async (_object, state) => {
      // A core of its own on the same storage: the object's is its own affair.
      const core = new DagCore(
        state,
        mailbox.before(objectEnv),
        () => registry.dags.get(dagId)?.spec ?? null,
        (handler) => registry.tasks.get(handler),
      );
      const tell = async (taskId: string): Promise<string> => {
        const found = value(core.instance({ run_id: runId, task_id: taskId, map_index: -1 }));
        const standing = await queueStanding(core, found.run, found.instance, clock.now());
        return describeStanding(standing, clock.now());
      };
      const before = [await tell("b"), await tell("c"), await tell("d")];
      new WorkDesk(core).claim([{ run_id: runId, task_id: "c", map_index: -1, try_number: 1 }], HEAVY_WORKER);
      clock.advance(2500);
      return [...before, await tell("a"), await tell("b")];
    });
    expect(said).toEqual([
      `no worker heard on queue \`heavy\` (role \`${role}\`); its message was sent 2 times`,
      "no worker heard on queue `heavy`; its message was sent 2 times",
      `there is no queue or role \`${nowhere}\`: nothing is sent; it fails at ${new Date(clock.now() - 2500 + 1_800_000).toISOString()} unless one is made`,
      "no worker heard on queue `default`; its message was sent 2 times",
      `its message was sent 2 times on queue \`heavy\` (role \`${role}\`), where a worker was last heard 2.5 s ago`,
    ]);
  });
});

describe("lists of task instances", () => {
  it("show the queue and are filtered by it", async ({ expect }) => {
    const dagId = addDag({}, (d) => {
      d.run(step("a"));
      d.run(step("b", { queue: "heavy" }));
      d.expand(step("m", { queue: { spread: ["default", "heavy"] } }), { n: [1, 2] });
    });
    const runId = await start(dagId);
    const list = async (filter: Partial<TaskInstanceQuery>): Promise<string[]> => {
      const query = { limit: 100, offset: 0, order_by: [], ...filter };
      return value(await dagOf(dagId).listTaskInstances(runId, query)).items.map(nameOf);
    };
    const shown = (await instancesOf(dagId, runId)).map((one) => [nameOf(one), one.queue ?? "default"]);
    expect(Object.fromEntries(shown)).toEqual({ a: "default", b: "heavy", "m[0]": "default", "m[1]": "heavy" });
    expect(await list({ queue: ["heavy"] })).toEqual(["b", "m[1]"]);
    expect(await list({ queue: ["default", "heavy"] })).toHaveLength(4);
    expect(await list({ queue_name_pattern: "def%" })).toEqual(["a", "m[0]"]);
    expect(await list({ queue: ["nope"] })).toEqual([]);
  });
});

describe("through the platform's own queues", () => {
  it("a run goes from one to the other and back", async ({ expect }) => {
    vi.useRealTimers();
    mailbox.live = true;
    try {
      const definitions = (["default", "heavy", "default"] as const).map((queue) => addTask(onQueue(queue)));
      const dagId = addDag({}, (d) => {
        const nodes = definitions.map((each) => d.run(each, null));
        nodes.slice(1).forEach((node, index) => d.after(nodes[index] ?? [], node));
      });
      const runId = await start(dagId);
      expect(value(await dagOf(dagId).getRun(runId, UNTIL_ENDED_MS))).toMatchObject({ state: "success" });
    } finally {
      mailbox.live = false;
    }
  });
});

describe("a batch of a queue that nobody configured", () => {
  it("is worked off as one of the default queue", async ({ expect }) => {
    const { id } = addTask(onQueue("default"));
    const jobId = newJobId();
    value(await jobOf(jobId).submit({ job_id: jobId, name: id, payload: 7, runAt: null }));
    const messages = mailbox.takeOfJob(jobId).map((body) => ({ id: ulid(), timestamp: new Date(), attempts: 1, body }));
    const ctx = createExecutionContext();
    const batch = createMessageBatch<WorkMessage>("renamed", messages);
    await jobbers.handler.queue(batch, objectEnv, ctx);
    await getQueueResult(batch, ctx);
    expect(value(await jobOf(jobId).get(0))).toMatchObject({ state: "success", result: 7 });
  });
});
