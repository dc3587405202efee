import { describe, it } from "vitest";
import { LIMITS, type Json } from "../../src/engine/spec.ts";
import type { ClaimedTask, Outcome, RunContext } from "../../src/engine/work.ts";
import { execute, type Execution } from "../../src/runner/execute.ts";
import { Attempt } from "../../src/runner/attempt.ts";
import { describeError, outcomeOfReturn, outcomeOfThrow, storeValue } from "../../src/runner/outcome.ts";
import type { Owner } from "../../src/runner/owner.ts";
import { cleanProgress } from "../../src/runner/try-log.ts";
import { NonRetryableError, RetryableError, SkipError, task, type TaskContext } from "../../src/sdk/index.ts";

const CLAIMED: ClaimedTask = {
  run: null,
  job_id: null,
  task_id: "t",
  map_index: -1,
  try_number: 1,
  max_tries: 0,
  token: 1,
  handler: "t",
  operator: "task",
  input: null,
  heartrateMs: 60_000,
  executionTimeoutMs: null,
};

const RUN: RunContext = {
  dag_id: "d",
  run_id: "r",
  run_type: "manual",
  logical_date: null,
  data_interval_start: null,
  data_interval_end: null,
  run_after: 0,
  start_date: 0,
  conf: {},
  params: {},
};

const noBucket = (): Promise<string> => Promise.reject(new Error("expected no value for the bucket"));

function returned(value: unknown): Promise<Outcome> {
  return outcomeOfReturn(CLAIMED, value, noBucket);
}

function nested(levels: number, inside: Json = null): Json {
  let value: Json = inside;
  for (let level = 0; level < levels; level += 1) {
    value = level % 2 === 0 ? [value] : { a: value };
  }
  return value;
}

class Point {
  readonly x = 1;
  get far(): boolean {
    return false;
  }
}

describe("what a handler returns", () => {
  it("is kept as JSON has it", async ({ expect }) => {
    const cases: [unknown, string][] = [
      [{ a: undefined, b: [1, null, "x", true] }, '{"b":[1,null,"x",true]}'],
      [[undefined], "[null]"],
      [new Date(0), '"1970-01-01T00:00:00.000Z"'],
      [{ at: new Date(0), url: new URL("https://a.b/") }, '{"at":"1970-01-01T00:00:00.000Z","url":"https://a.b/"}'],
      [new Point(), '{"x":1}'],
      [Object.assign(Object.create(null) as object, { a: -0 }), '{"a":0}'],
      ["", '""'],
      [null, "null"],
    ];
    for (const [value, json] of cases) {
      expect(await returned(value)).toMatchObject({ state: "success", value: { json } });
    }
    expect(await returned(undefined)).toEqual({ state: "success" });
  });

  const SELF: Record<string, unknown> = {};
  SELF["self"] = SELF;

  const REFUSED: [name: string, value: unknown, message: string | RegExp][] = [
    ["NaN inside", { rows: [{}, {}, {}, { price: Number.NaN }] }, "result.rows[3].price: expected JSON, got NaN"],
    ["infinity", [-Infinity], "result[0]: expected JSON, got -Infinity"],
    ["a number that is none", Number.NaN, "result: expected JSON, got NaN"],
    ["a map", { by: new Map([[1, 2]]) }, "result.by: expected JSON, got Map"],
    ["a set", new Set([1]), "result: expected JSON, got Set"],
    ["an answer of fetch", { answer: new Response("x") }, "result.answer: expected JSON, got Response"],
    ["a function", { run: () => 1 }, "result.run: expected JSON, got function"],
    ["a symbol", [Symbol("s")], "result[0]: expected JSON, got symbol"],
    ["a big integer", { "odd key": 1n }, 'result["odd key"]: expected JSON, got bigint'],
    ["bytes", { bytes: new Uint8Array(2) }, "result.bytes: expected JSON, got Uint8Array"],
    ["an error", { error: new TypeError("no") }, "result.error: expected JSON, got Error"],
    [
      "what was not awaited",
      { rows: [Promise.resolve(1)] },
      "result.rows[0]: expected JSON, got Promise (is an await missing?)",
    ],
    ["itself", SELF, /^result(\.self){20}…: expected at most 100 levels of nesting, got more$/],
    ["what is too deep", nested(101), /: expected at most 100 levels of nesting, got more$/],
    ["what is far too deep", nested(50_000), /: expected at most 100 levels of nesting, got more$/],
    [
      "what says too deep a text of itself",
      { toJSON: () => nested(200) },
      /: expected at most 100 levels of nesting, got more$/,
    ],
    [
      "what throws when it is read",
      {
        get a(): never {
          throw new Error("no");
        },
      },
      "result: expected JSON, got an error: no",
    ],
    [
      "what throws nothing sensible",
      {
        toJSON: () => {
          throw Object.create(null);
        },
      },
      "result: expected JSON, got an error: object",
    ],
  ];

  for (const [name, value, message] of REFUSED) {
    it(`fails the try for good, with the place, if it is or holds ${name}`, async ({ expect }) => {
      const outcome = await returned(value);
      expect(outcome).toMatchObject({ state: "failed", retryable: false, error: { type: "ValueError" } });
      expect(outcome.state === "failed" ? outcome.error.message : "").toMatch(message);
    });
  }

  it("may nest a hundred levels", async ({ expect }) => {
    expect(await returned(nested(100))).toMatchObject({ state: "success" });
  });

  it("is not written as text at all where it could never be kept", async ({ expect }) => {
    let value: unknown = [1];
    for (let level = 0; level < 60; level += 1) {
      value = [value, value];
    }
    expect(await returned(value)).toMatchObject({
      state: "failed",
      error: { message: expect.stringMatching(`expected a value of at most ${LIMITS.valueBytes} bytes, got more$`) },
    });
  });

  it("is called by its key where it was pushed", async ({ expect }) => {
    await expect(storeValue({ a: Number.NaN }, noBucket, 'XCom "rows"')).rejects.toThrow(
      'XCom "rows".a: expected JSON, got NaN',
    );
  });
});

describe("what a handler throws", () => {
  const refusing = new Proxy(new Error("x"), {
    get: () => {
      throw new Error("no field");
    },
    getPrototypeOf: () => {
      throw new Error("no class");
    },
  });

  it("is described in few words, whatever its fields are", ({ expect }) => {
    const named = (fields: object): Error =>
      Object.defineProperties(new Error("m"), Object.getOwnPropertyDescriptors(fields));
    expect(describeError(named({ name: "N".repeat(11_000_000), stack: 7 }))).toEqual({
      type: "N".repeat(200),
      message: "m",
      stack: "7",
    });
    expect(describeError(named({ name: 5, message: 6, stack: undefined }))).toEqual({ type: "5", message: "6" });
    expect(describeError(named({ name: "", message: { a: 1 }, stack: "s".repeat(5000) }))).toEqual({
      type: "Error",
      message: "[object Object]",
      stack: "s".repeat(2000),
    });
    expect(describeError(named({ message: "m".repeat(5000) })).message).toHaveLength(2000);
    expect(
      describeError(
        named({
          get message(): never {
            throw new Error("no");
          },
          stack: null,
        }),
      ),
    ).toEqual({ type: "Error", message: "" });
    expect(describeError(refusing)).toEqual({ type: "Error", message: "(no text: object)" });
    expect(describeError(Object.create(null))).toEqual({ type: "Error", message: "(no text: object)" });
    expect(describeError("t".repeat(5000)).message).toHaveLength(2000);
    expect(describeError(Symbol("s"))).toEqual({ type: "Error", message: "Symbol(s)" });
    expect(describeError(undefined)).toEqual({ type: "Error", message: "undefined" });
  });

  it("fails the try also where it cannot be read", ({ expect }) => {
    expect(outcomeOfThrow(refusing)).toEqual({
      state: "failed",
      retryable: true,
      error: { type: "Error", message: "(no text: object)" },
    });
    expect(outcomeOfThrow(Object.assign(new SkipError(), { message: { toString: 1 } }))).toEqual({
      state: "skipped",
      reason: "(no text: object)",
    });
  });

  it("means what it meant before", ({ expect }) => {
    expect(outcomeOfThrow(new NonRetryableError("n"))).toMatchObject({
      state: "failed",
      retryable: false,
      error: { type: "NonRetryableError", message: "n" },
    });
    expect(outcomeOfThrow(new RetryableError("r", { retryAfter: "2s" }))).toMatchObject({
      retryable: true,
      retryAfterMs: 2000,
    });
    expect(outcomeOfThrow(new SkipError("not today"))).toEqual({ state: "skipped", reason: "not today" });
    expect(outcomeOfThrow(new SkipError())).toEqual({ state: "skipped" });
  });
});

describe("what a branch returns", () => {
  const answer = (value: unknown): Promise<Outcome> =>
    outcomeOfReturn({ ...CLAIMED, operator: "branch" }, value, noBucket);

  it.for([
    ["an id", "a", ["a"]],
    ["a list of ids", ["a", "b"], ["a", "b"]],
    ["nothing", undefined, []],
    ["null", null, []],
    ["an empty list", [], []],
  ] as const)("is what to follow: %s", async ([, value, follow], { expect }) => {
    expect(await answer(value)).toMatchObject({ state: "success", follow });
  });

  it.for([
    ["a number", 5, "result: expected an id, a list of ids or null, got 5"],
    ["an object", { id: "a" }, 'result: expected an id, a list of ids or null, got {"id":"a"}'],
    ["true", true, "result: expected an id, a list of ids or null, got true"],
    ["no number", Number.NaN, "result: expected an id, a list of ids or null, got NaN"],
    ["a list with a number", ["a", 5], "result[1]: expected the id of a task or group, got 5"],
    ["a list with null", [null], "result[0]: expected the id of a task or group, got null"],
    ["a list of lists", ["a", "b", ["c"]], 'result[2]: expected the id of a task or group, got ["c"]'],
    ["a list with a function", [() => "a"], "result[0]: expected the id of a task or group, got function"],
  ] as const)("fails the try, with the place, if it is %s", async ([, value, message], { expect }) => {
    expect(await answer(value)).toEqual({
      state: "failed",
      error: { type: "BranchError", message },
      retryable: true,
      isBranchAnswer: true,
    });
  });
});

describe("what a handler says of its progress", () => {
  it("is cleaned, and never throws", ({ expect }) => {
    expect(cleanProgress(null)).toEqual({});
    expect(cleanProgress(7)).toEqual({});
    expect(
      cleanProgress({
        get step(): never {
          throw new Error("no");
        },
      }),
    ).toEqual({});
    expect(cleanProgress({ step: "s", fraction: 2, data: nested(100) })).toEqual({
      step: "s",
      fraction: 1,
      data: nested(100),
    });
    expect(cleanProgress({ data: nested(101) })).toEqual({ data: "(no JSON: more than 100 levels of nesting)" });
    expect(
      cleanProgress({
        data: {
          toJSON: () => {
            throw Object.create(null);
          },
        },
      }),
    ).toEqual({ data: "(no JSON: (no text: object))" });
  });
});

describe("a try", () => {
  async function run(handler: (ctx: TaskContext) => unknown, claimed = CLAIMED): Promise<Execution> {
    const owner: Owner = {
      report: () => Promise.resolve([]),
      beat: () => Promise.reject(new Error("expected no beat")),
      publish: () => Promise.reject(new Error("expected no job")),
      runInObject: () => Promise.reject(new Error("expected no attempt that runs in an object")),
      ended: () => Promise.resolve(),
      payloadPlace: () => Promise.resolve("place/"),
      pullXCom: () => Promise.resolve(null),
    };
    const definition = task({ id: "t" }, (ctx) => handler(ctx) as Json);
    const around = {
      find: () => definition,
      env: {},
      now: () => 0,
      putPayload: noBucket,
      getPayload: () => Promise.resolve(null),
      deletePayloads: () => Promise.resolve(),
    };
    return execute(new Attempt(claimed, 0), owner, around);
  }

  it("ends with an outcome, whatever it throws or says of its progress", async ({ expect }) => {
    const hostile = new Proxy(
      {},
      {
        get: () => {
          throw new Error("no");
        },
        getPrototypeOf: () => {
          throw new Error("no");
        },
      },
    );
    const thrown = await run(() => Promise.reject<unknown>(hostile));
    expect(thrown.outcome).toMatchObject({ state: "failed", error: { type: "Error" } });
    const said = await run((ctx) => {
      Reflect.apply(ctx.heartbeat.bind(ctx), ctx, [null]);
      return 1;
    });
    expect(said.outcome).toMatchObject({ state: "success" });
  });

  it("fails for good if what it pushed cannot be kept", async ({ expect }) => {
    const execution = await run(
      (ctx) => {
        Reflect.apply(ctx.xcomPush.bind(ctx), ctx, ["k", { a: [Number.NaN] }]);
      },
      { ...CLAIMED, run: RUN },
    );
    expect(execution.outcome).toMatchObject({
      state: "failed",
      retryable: false,
      error: { message: 'XCom "k".a[0]: expected JSON, got NaN' },
    });
  });
});
