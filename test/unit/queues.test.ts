import { describe, test } from "vitest";
import { describeStanding } from "../../src/engine/queue-standing.ts";
import { roleMap, roleRefusal } from "../../src/engine/queue-roles.ts";
import { queueOfPlatform, queueRates, readQueues, resolveQueue, unknownQueues } from "../../src/engine/queues.ts";
import { dagSpecSchema, type QueueSpec } from "../../src/engine/spec.ts";

const DEFAULT = { binding: "TASKS", queue: "jobbers-tasks" };
const HEAVY = { binding: "TASKS_HEAVY", queue: "jobbers-tasks-heavy" };

function problemOf(raw: unknown): string {
  try {
    readQueues(raw);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return "none";
}

describe("the configuration of queues", () => {
  test("has the default queue alone if there is none", ({ expect }) => {
    for (const raw of [undefined, ""]) {
      expect([...readQueues(raw)]).toEqual([["default", DEFAULT]]);
    }
  });

  test("is an object, or one as JSON text, in the order it is written", ({ expect }) => {
    const raw = { heavy: HEAVY, default: DEFAULT };
    expect([...readQueues(raw)]).toEqual([
      ["heavy", HEAVY],
      ["default", DEFAULT],
    ]);
    expect([...readQueues(JSON.stringify(raw)).keys()]).toEqual(["heavy", "default"]);
  });

  test("is read once for as long as it is the same", ({ expect }) => {
    const raw = JSON.stringify({ default: DEFAULT });
    expect(readQueues(raw)).toBe(readQueues(raw));
  });

  const rate = (rate_limit: unknown) => ({ default: { ...DEFAULT, rate_limit } });
  test.for<[string, unknown, string]>([
    ["text that is not JSON", "{", "QUEUES: expected JSON"],
    ["a list", [], "QUEUES: expected a record, got []"],
    ["a number", 7, "QUEUES: expected a record, got 7"],
    ["no default queue", { heavy: HEAVY }, 'QUEUES: expected a queue of the name "default"'],
    ["a name that no task could use", { default: DEFAULT, "a b": HEAVY }, "QUEUES.a b"],
    ["a name that is a trap", '{"default": {"binding": "T", "queue": "q"}, "__proto__": {}}', "QUEUES.__proto__"],
    ["no binding", { default: { queue: "q" } }, "QUEUES.default.binding: expected a string, got nothing"],
    ["a field nobody knows", { default: { ...DEFAULT, size: 1 } }, "QUEUES.default.size: expected no field"],
    [
      "two queues of one binding",
      { default: DEFAULT, heavy: { ...HEAVY, binding: "TASKS" } },
      'QUEUES.heavy.binding: expected another one than that of "default", got "TASKS"',
    ],
    [
      "two names of one queue",
      { default: DEFAULT, heavy: { ...HEAVY, queue: "jobbers-tasks" } },
      'QUEUES.heavy.queue: expected another one than that of "default"',
    ],
    ["a rate of none", rate({ limit: 0, per_seconds: 1 }), "QUEUES.default.rate_limit: expected limit"],
    ["a rate in no time", rate({ limit: 1, per_seconds: 0 }), "QUEUES.default.rate_limit: expected the milliseconds"],
    ["a rate without a time", rate({ limit: 1 }), "QUEUES.default.rate_limit.per_seconds: expected a number"],
    ["half a burst", rate({ limit: 1, per_seconds: 1, burst: 1.5 }), "QUEUES.default.rate_limit: expected burst"],
  ])("refuses %s, and says where", ([, raw, problem], { expect }) => {
    expect(problemOf(raw)).toContain(problem);
  });

  test("says all that is wrong at once", ({ expect }) => {
    expect(problemOf({ default: { binding: 1, queue: 2 } })).toMatch(/binding[\s\S]*queue/);
  });

  test("tells a batch's queue by the platform's name, and takes one it does not know for the default one", ({
    expect,
  }) => {
    const queues = readQueues({ default: DEFAULT, heavy: HEAVY });
    expect(queueOfPlatform(queues, "jobbers-tasks-heavy")).toBe("heavy");
    expect(queueOfPlatform(queues, "jobbers-tasks")).toBe("default");
    expect(queueOfPlatform(queues, "renamed")).toBe("default");
  });
});

describe("rate limits of a queue", () => {
  const queues = readQueues({
    default: DEFAULT,
    heavy: {
      ...HEAVY,
      rate_limit: { limit: 50, per_seconds: 1, burst: 5 },
      task_rate_limit: { limit: 3, per_seconds: 0.5 },
    },
  });

  test("are one for all of it and one for each task", ({ expect }) => {
    expect(queueRates(queues, "heavy", "resize")).toEqual([
      { limiter: "queue:heavy", rule: { limit: 50, perMs: 1000, burst: 5 } },
      { limiter: "queue:heavy:resize", rule: { limit: 3, perMs: 500 } },
    ]);
  });

  test("are none where none are configured, and none for a queue that is not there", ({ expect }) => {
    expect([queueRates(queues, "default", "resize"), queueRates(queues, "nope", "resize")]).toEqual([[], []]);
  });
});

describe("a name in a task", () => {
  const queues = readQueues({ default: DEFAULT, heavy: HEAVY });
  const roles = roleMap(queues, [
    { role: "gpu", queue: "heavy", updated_at: 0 },
    { role: "old", queue: "gone", updated_at: 0 },
    { role: "default", queue: "heavy", updated_at: 0 },
  ]);

  test("stands for a queue, or for what its role stands for, and a queue wins over a role", ({ expect }) => {
    const names = ["default", "heavy", "gpu", "old", "nope", "__proto__"];
    expect(names.map((name) => resolveQueue(queues, roles, name))).toEqual([
      "default",
      "heavy",
      "heavy",
      null,
      null,
      null,
    ]);
    expect(roles.has("default")).toBe(false);
  });

  test("that no queue has is told with its place, also one of several", ({ expect }) => {
    const task = (task_id: string, queue?: QueueSpec) => ({ task_id, handler: "h", ...(queue && { queue }) });
    const { tasks } = dagSpecSchema.parse({
      dag_id: "d",
      tasks: [
        task("a"),
        task("b", "heavy"),
        task("c", "gpu"),
        task("d", { spread: ["default", "cpu"], by: "round_robin" }),
      ],
    });
    expect(unknownQueues(tasks, queues)).toEqual([
      { path: ["tasks", 2, "queue"], name: "gpu" },
      { path: ["tasks", 3, "queue", "spread", 1], name: "cpu" },
    ]);
  });

  test("of a role is no queue's, and a role stands for a queue and for no role", ({ expect }) => {
    expect(roleRefusal(queues, "gpu", "heavy")).toBeNull();
    expect(roleRefusal(queues, "heavy", "default")).toMatchObject({ code: "conflict" });
    expect(roleRefusal(queues, "gpu", "cpu")).toEqual({
      code: "invalid",
      message: 'expected the name of a queue (default, heavy), got "cpu"',
      loc: ["body", "queue"],
    });
  });
});

describe("why a queued task instance waits, as far as its queue is concerned", () => {
  test.for<[string, Parameters<typeof describeStanding>[0]]>([
    ["there is no queue or role `gpu`: nothing is sent", { name: "gpu", queue: null, heardAt: null, sends: 2 }],
    [
      "there is no queue or role `gpu`: nothing is sent; it fails at 1970-01-01T00:30:00.000Z unless one is made",
      { name: "gpu", queue: null, heardAt: null, sends: 1, failsAt: 1_800_000 },
    ],
    [
      "no worker heard on queue `heavy`; its message was sent once",
      { name: "heavy", queue: "heavy", heardAt: null, sends: 1 },
    ],
    [
      "no worker heard on queue `heavy` (role `gpu`); its message was sent 3 times",
      { name: "gpu", queue: "heavy", heardAt: null, sends: 3 },
    ],
    [
      "its message was sent once on queue `heavy`, where a worker was last heard 1.5 s ago",
      { name: "heavy", queue: "heavy", heardAt: 8500, sends: 1 },
    ],
  ])("%s", ([sentence, standing], { expect }) => {
    expect(describeStanding(standing, 10_000)).toBe(sentence);
  });
});
