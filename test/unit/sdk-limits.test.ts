import { describe, test } from "vitest";
import { createRegistry, dag, limitsOf, task, type NamedTaskOptions } from "../../src/sdk/index.ts";

interface Call {
  tenant: string;
}

type Options = Omit<NamedTaskOptions<Call>, "id">;

function made(options: Options) {
  return task({ id: "call", ...options }, (_ctx, _input: Call) => null);
}

const never = (): never => {
  throw new Error("expected nobody to ask for the input");
};

describe("limitsOf", () => {
  test("is nothing for a task without limits, and asks for no input", ({ expect }) => {
    expect(limitsOf(made({}), never)).toEqual({ concurrency: null, rate: null });
  });

  test("counts a task as a whole if it has no key", ({ expect }) => {
    const definition = made({ concurrency: { limit: 3 }, rateLimit: { limit: 50, per: "1s" } });
    expect(limitsOf(definition, never)).toEqual({
      concurrency: { ledger: "key:call", limit: 3 },
      rate: { limiter: "key:call", rule: { limit: 50, perMs: 1000 } },
    });
  });

  test("counts by key, and asks for the input for that", ({ expect }) => {
    const key = ({ tenant }: Call): string => tenant;
    const definition = made({ concurrency: { limit: 3, key }, rateLimit: { limit: 9, per: "1m", burst: 4, key } });
    expect(limitsOf(definition, () => ({ tenant: "t7" }))).toEqual({
      concurrency: { ledger: "key:call:t7", limit: 3 },
      rate: { limiter: "key:call:t7", rule: { limit: 9, perMs: 60_000, burst: 4 } },
    });
  });

  test("shares what has one scope", ({ expect }) => {
    const ledgers = ["one", "two"].map((id) => {
      const definition = task({ id, concurrency: { limit: 1, scope: "api" } }, () => null);
      return limitsOf(definition, never).concurrency?.ledger;
    });
    expect(ledgers).toEqual(["key:api", "key:api"]);
  });

  test.for<[string, unknown, string]>([
    ["an empty key", "", "got 0 characters"],
    ["a key of 500 characters with its scope", "x".repeat(497), "got 497 characters"],
    ["a number", 7, "got number"],
    ["nothing", undefined, "got undefined"],
    ["a promise", Promise.resolve("t"), "got object"],
  ])("refuses %s", ([, key, got], { expect }) => {
    const definition = made({ concurrency: { limit: 1, key: () => key as string } });
    expect(() => limitsOf(definition, () => ({ tenant: "t" }))).toThrow(
      `expected concurrency.key of task "call" to give text of 1 to 500 characters, ${got}`,
    );
  });

  test("makes a key a name that an object can have: halves of surrogate pairs are replaced, many bytes refused", ({
    expect,
  }) => {
    const ledger = (key: string): string | undefined =>
      limitsOf(made({ concurrency: { limit: 1, key: () => key } }), () => ({ tenant: "t" })).concurrency?.ledger;
    expect(ledger("\ud83d")).toBe("key:call:\ufffd");
    expect(ledger("漢".repeat(331))).toHaveLength(340);
    expect(() => ledger("漢".repeat(332))).toThrow(
      'expected concurrency.key of task "call" to give text of at most 1000 bytes with its scope, got 1001',
    );
  });

  test("names a key whose function throws, and lets through what the input throws", ({ expect }) => {
    const definition = made({ rateLimit: { limit: 1, per: 1, key: ({ tenant }) => tenant.toUpperCase() } });
    expect(() => limitsOf(definition, () => ({}))).toThrow(/^rateLimit.key of task "call" threw: /u);
    expect(() => limitsOf(definition, never)).toThrow("expected nobody to ask for the input");
  });

  test("rounds a time to whole milliseconds", ({ expect }) => {
    expect(limitsOf(made({ rateLimit: { limit: 1, per: 0.0016 } }), never).rate?.rule.perMs).toBe(2);
  });
});

describe("a registry", () => {
  const RANGE = "expected an integer from 1 to 1000000";
  test.for<[Options, string]>([
    [{ concurrency: { limit: 0 } }, `concurrency.limit: ${RANGE}, got 0`],
    [{ concurrency: { limit: 1.5 } }, `concurrency.limit: ${RANGE}, got 1.5`],
    [{ concurrency: { limit: Number.NaN } }, `concurrency.limit: ${RANGE}, got NaN`],
    [{ concurrency: { limit: 1_000_001 } }, `concurrency.limit: ${RANGE}, got 1000001`],
    [{ concurrency: { limit: "5" as unknown as number } }, `concurrency.limit: ${RANGE}, got 5`],
    [{ concurrency: {} as { limit: number } }, `concurrency.limit: ${RANGE}, got undefined`],
    [{ rateLimit: { per: "1s" } as { limit: number; per: "1s" } }, `rateLimit.limit: ${RANGE}, got undefined`],
    [{ rateLimit: { limit: 1, per: "1s", burst: 0 } }, `rateLimit.burst: ${RANGE}, got 0`],
    [{ rateLimit: { limit: 1, per: 0 } }, "rateLimit.per: expected 1 ms to 1 day, got 0 s"],
    [{ rateLimit: { limit: 1, per: "2d" } }, "rateLimit.per: expected 1 ms to 1 day, got 172800 s"],
    [{ rateLimit: { limit: 1, per: "soon" as "1s" } }, 'got "soon"'],
    [
      { concurrency: { limit: 1, scope: "" } },
      'concurrency.scope: expected text of 1 to 400 characters without a colon, got ""',
    ],
    [
      { rateLimit: { limit: 1, per: 1, scope: "x".repeat(401) } },
      "rateLimit.scope: expected text of 1 to 400 characters",
    ],
    [{ concurrency: { limit: 1, scope: "a:b" } }, 'without a colon, got "a:b"'],
    [{ rateLimit: { limit: 1, per: 1, scope: 7 as unknown as string } }, "rateLimit.scope: expected text"],
    [
      { concurrency: { limit: 1, key: "tenant" as unknown as () => string } },
      "concurrency.key: expected a function, got string",
    ],
  ])("refuses %o", ([options, message], { expect }) => {
    const definition = made(options);
    expect(() => createRegistry({ dags: [], tasks: [definition] })).toThrow(message);
    const inDag = dag({ id: "d" }, (d) => void d.run(definition, { tenant: "t" }));
    expect(() => createRegistry({ dags: [inDag] })).toThrow(message);
  });

  test("takes the largest and the smallest", ({ expect }) => {
    const key = ({ tenant }: Call): string => tenant;
    const definition = made({
      concurrency: { limit: 1_000_000, key, scope: "x".repeat(400) },
      rateLimit: { limit: 1, per: "1d", burst: 1_000_000 },
    });
    expect(createRegistry({ dags: [], tasks: [definition] }).tasks.get("call")).toBe(definition);
  });
});
