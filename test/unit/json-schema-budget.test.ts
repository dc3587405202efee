/** Hostile schemas and values. What they cost is counted, never timed. */
import fc from "fast-check";
import { describe, it } from "vitest";
import { CHECK_STEPS, StepBudget } from "../../src/engine/json-schema/budget.ts";
import { schemaMismatches, schemaProblems } from "../../src/engine/json-schema-check.ts";
import { resolveParams, validateParamSpecs } from "../../src/engine/params.ts";
import type { Json, ParamSpec } from "../../src/engine/spec.ts";

type Schema = Record<string, Json>;

const OUT_OF_STEPS = `expected a schema and values that are checked in at most ${CHECK_STEPS} steps`;

function many<T>(count: number, one: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => one(index));
}

function nested(levels: number): Json {
  let value: Json = {};
  for (let level = 0; level < levels; level += 1) {
    value = { a: value, b: value };
  }
  return value;
}

/** Repetitions of fixed counts inside look aheads, behind two that read any text. */
const SLOW_PATTERN = `^.*.*(?:${many(38, (index) => `(?=.{${1000 - index}}x)`).join("|")})`;

/** Forty levels, each of which applies the one below twice. */
const DOUBLING: Schema = {
  $ref: "#/$defs/a40",
  $defs: Object.fromEntries([
    ["a0", true],
    ...many(40, (level): [string, Json] => [
      `a${level + 1}`,
      { allOf: [{ $ref: `#/$defs/a${level}` }, { $ref: `#/$defs/a${level}` }] },
    ]),
  ]),
};

/** Two branches that both look at the same property again: twice as much with each level of the value. */
const BRANCHING: Schema = {
  $ref: "#/$defs/tree",
  $defs: {
    tree: {
      anyOf: [
        { properties: { a: { $ref: "#/$defs/tree" }, z: { const: 2 } } },
        { properties: { a: { $ref: "#/$defs/tree" }, z: { const: 3 } } },
        { properties: { a: { $ref: "#/$defs/tree" }, z: { const: 4 } } },
      ],
    },
  },
};

function chain(levels: number): Json {
  let value: Json = { z: 1 };
  for (let level = 0; level < levels; level += 1) {
    value = { a: value, z: 1 };
  }
  return value;
}

const HOSTILE: readonly [string, Schema, Json][] = [
  ["counts inside look aheads", { anyOf: [{ pattern: SLOW_PATTERN }, true] }, "a".repeat(1000)],
  ["alternatives that say the same", { pattern: "^(a|a)*$" }, `${"a".repeat(40)}!`],
  ["a repetition inside a repetition", { pattern: "^(a+)+$" }, `${"a".repeat(40)}!`],
  ["optional parts", { pattern: `^${"a?".repeat(40)}${"a".repeat(40)}$` }, "a".repeat(39)],
  ["a back reference to many ways", { pattern: "^(a*)*\\1!$" }, "a".repeat(2000)],
  [
    "many patterns, many texts",
    { items: { allOf: many(300, () => ({ pattern: "^(?:.*y|a)" })) } },
    many(100, () => "ab".repeat(40)),
  ],
  ["patterns of properties", { patternProperties: { "^(k|k)*!": true } }, { ["k".repeat(60)]: 1 }],
  ["definitions that double", DOUBLING, 1],
  ["branches that look at the same property", BRANCHING, chain(60)],
  [
    "a list compared with itself, often",
    { allOf: many(50, () => ({ uniqueItems: true })) },
    many(20_000, (index) => index),
  ],
  [
    "a wide object, often",
    { anyOf: many(1000, () => ({ additionalProperties: false })) },
    Object.fromEntries(many(15_000, (index) => [`k${index}`, 1])),
  ],
  [
    "names that are required, often",
    { allOf: many(30, () => ({ required: many(30_000, (index) => `n${index}`) })) },
    {},
  ],
  [
    "a large list, often",
    { allOf: many(50, () => ({ items: { type: "number", minimum: 0 } })) },
    many(20_000, (index) => index),
  ],
  ["constants as large as the value", { allOf: many(2000, () => ({ const: nested(8) })) }, nested(8)],
  [
    "what no other part looked at",
    {
      allOf: many(200, () => ({ properties: Object.fromEntries(many(100, (index) => [`k${index}`, true])) })),
      unevaluatedProperties: false,
    },
    Object.fromEntries(many(3000, (index) => [`k${index}`, 1])),
  ],
];

describe("a check of a schema", () => {
  for (const [name, schema, value] of HOSTILE) {
    it(`ends at its budget, with an error that says so: ${name}`, ({ expect }) => {
      const budget = new StepBudget();
      const resolved = resolveParams({ p: { schema } }, { p: value }, budget);
      expect(budget.used).toBe(CHECK_STEPS);
      expect(resolved).toMatchObject({ ok: false, errors: [{ path: ["p"] }] });
      expect(resolved.ok ? "" : resolved.errors[0]?.message).toContain(OUT_OF_STEPS);
    });

    it(`refuses such a default when the spec is registered: ${name}`, ({ expect }) => {
      const budget = new StepBudget();
      const [error, ...more] = validateParamSpecs({ p: { schema, default: value } }, budget);
      expect(budget.used).toBe(CHECK_STEPS);
      expect(error?.path[0]).toBe("p");
      expect(error?.message).toContain(OUT_OF_STEPS);
      expect(more).toEqual([]);
    });
  }

  it("takes steps in proportion where it once took them for each pair", ({ expect }) => {
    const cost = (count: number): number => {
      const budget = new StepBudget();
      expect(
        schemaMismatches(
          { uniqueItems: true },
          many(count, (index) => index),
          budget,
        ),
      ).toEqual([]);
      return budget.used;
    };
    expect(cost(20_000)).toBeLessThan(cost(2000) * 11);
    const names = new StepBudget();
    expect(schemaProblems({ required: many(20_000, (index) => `n${index}`) }, names)).toEqual([]);
    expect(names.used).toBeLessThan(CHECK_STEPS);
  });

  it("reads an address by no expression at all, however long it is", ({ expect }) => {
    const budget = new StepBudget();
    const address = `http://${"a".repeat(100_000)}!`;
    expect(resolveParams({ u: { schema: { format: "url" } } }, { u: address }, budget)).toMatchObject({ ok: true });
    expect(budget.used).toBeLessThan(100);
  });

  it("has one budget for all params of a spec, and for all values of a conf", ({ expect }) => {
    const params = Object.fromEntries(
      many(30, (index): [string, ParamSpec] => [`p${index}`, { schema: { items: { type: "number" } } }]),
    );
    const values = many(5000, (index) => index);
    const one = new StepBudget();
    expect(resolveParams({ p: { schema: { items: { type: "number" } } } }, { p: values }, one).ok).toBe(true);
    expect(one.used).toBeLessThan(CHECK_STEPS / 10);
    const all = new StepBudget();
    const conf = Object.fromEntries(Object.keys(params).map((name) => [name, values]));
    const resolved = resolveParams(params, conf, all);
    expect(all.used).toBe(CHECK_STEPS);
    expect(resolved.ok ? [] : resolved.errors.map(({ message }) => message.includes(OUT_OF_STEPS))).toEqual([true]);
    const withDefaults = Object.entries(params).map(([name, param]): [string, ParamSpec] => [
      name,
      { ...param, default: values },
    ]);
    expect(validateParamSpecs(Object.fromEntries(withDefaults))).toHaveLength(1);
  });

  it("of a run that says nothing in its conf takes no steps: the defaults were checked with the spec", ({ expect }) => {
    const budget = new StepBudget();
    const poison: ParamSpec = { schema: { pattern: SLOW_PATTERN }, default: "a".repeat(1000) };
    expect(resolveParams({ poison }, {}, budget)).toEqual({ ok: true, params: { poison: poison.default } });
    expect(budget.used).toBe(0);
  });

  it("counts the same steps each time", ({ expect }) => {
    for (const [schema, value] of [
      [{ items: { pattern: "^(a|b)*$" } }, many(50, () => "abab")],
      [BRANCHING, chain(5)],
      [{ uniqueItems: true }, many(100, (index) => ({ index }))],
    ] as const) {
      const [first, second] = [new StepBudget(), new StepBudget()];
      expect(schemaMismatches(schema, value, second)).toEqual(schemaMismatches(schema, value, first));
      expect(first.used).toBeGreaterThan(100);
      expect(second.used).toBe(first.used);
    }
  });

  it("shows of a large value only its beginning, without reading the rest", ({ expect }) => {
    const value = many(100_000, (index) => index);
    const resolved = resolveParams({ p: { schema: { type: "string" } } }, { p: value });
    expect(resolved.ok ? "" : resolved.errors[0]?.message).toMatch(
      /^expected type string at conf\.p, got \[0,1,.{190,200}…$/,
    );
  });

  it("never takes more steps than it has, whatever the schema and the value", ({ expect }) => {
    fc.assert(
      fc.property(anySchema, anyValue, (schema, value) => {
        const limit = 20_000;
        for (const check of [
          (budget: StepBudget) => schemaMismatches(schema, value, budget),
          (budget: StepBudget) => schemaProblems(schema, budget),
        ]) {
          const budget = new StepBudget(limit);
          const mismatches = check(budget);
          expect(budget.used).toBeLessThanOrEqual(limit);
          expect(mismatches.length > 0 || !budget.isSpent).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });
});

const anyName = fc.constantFrom("a", "b", "c");
const anyValue: fc.Arbitrary<Json> = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 6, withCrossShrink: true },
    fc.constantFrom<Json>(null, true, 0, 1.5, "", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", "b"),
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(anyName, tie("value"), { maxKeys: 3, noNullPrototype: true }),
  ),
})).value;

/** Schemas of three definitions that refer to each other, with the keywords that multiply. */
const anySchema: fc.Arbitrary<Schema> = fc
  .letrec<{ schema: Json }>((tie) => {
    const list = fc.array(tie("schema"), { minLength: 1, maxLength: 3 });
    return {
      schema: fc.oneof(
        { maxDepth: 4, withCrossShrink: true },
        fc.constantFrom<Json>(
          true,
          { type: "object" },
          { type: ["string", "null"] },
          { minimum: 1 },
          { uniqueItems: true },
        ),
        fc.constantFrom<Json>({ pattern: "^(a|a)*$" }, { pattern: "(?:a?){9}(?<=(a*)*)b" }, { format: "date-time" }),
        anyName.map((name): Json => ({ $ref: `#/$defs/${name}` })),
        fc.record<Json>(
          {
            allOf: list,
            anyOf: list,
            oneOf: list,
            not: tie("schema"),
            if: tie("schema"),
            then: tie("schema"),
            items: tie("schema"),
            contains: tie("schema"),
            properties: fc.dictionary(anyName, tie("schema"), { maxKeys: 3, noNullPrototype: true }),
            additionalProperties: tie("schema"),
            unevaluatedProperties: tie("schema"),
            patternProperties: fc.constant<Json>({ "(a|b)+": { type: "array" } }),
          },
          { requiredKeys: [], noNullPrototype: true },
        ) as fc.Arbitrary<Json>,
      ),
    };
  })
  .schema.chain((root) =>
    fc.tuple(fc.constant(root), anyName).map(([schema, name]): Schema => ({
      allOf: [schema, { $ref: `#/$defs/${name}` }],
      $defs: { a: schema, b: { items: schema }, c: { anyOf: [schema, schema] } },
    })),
  );
