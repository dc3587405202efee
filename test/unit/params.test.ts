import fc from "fast-check";
import { describe, test } from "vitest";
import { schemaMismatches, schemaProblems } from "../../src/engine/json-schema-check.ts";
import { resolveParams, unknownConfKeys, validateParamSpecs } from "../../src/engine/params.ts";
import type { Json, ParamSpec } from "../../src/engine/spec.ts";
import { anyJson, parseJsonObject } from "./json-values.ts";

function param(schema: Record<string, Json>, defaultValue?: Json): ParamSpec {
  return defaultValue === undefined ? { schema } : { schema, default: defaultValue };
}

const year = param({ type: "integer", minimum: 1900, maximum: 2100 }, 2026);

describe("the params of a run", () => {
  test("are the defaults where conf says nothing, and conf's where it does, null included", ({ expect }) => {
    const spec = { year, city: param({ type: ["string", "null"] }, "Paris") };
    expect(resolveParams(spec, {})).toEqual({ ok: true, params: { year: 2026, city: "Paris" } });
    expect(resolveParams(spec, { year: 1999, city: null })).toEqual({ ok: true, params: { year: 1999, city: null } });
  });

  test("leave out what conf has besides them", ({ expect }) => {
    expect(resolveParams({ year }, { more: true })).toEqual({ ok: true, params: { year: 2026 } });
  });

  test("are any value where the schema says nothing", ({ expect }) => {
    fc.assert(
      fc.property(anyJson, (value) => {
        expect(resolveParams({ any: param({}) }, { any: value })).toEqual({
          ok: true,
          params: { any: value },
        });
      }),
    );
  });

  test("are refused with all that is missing or wrong, each with its place", ({ expect }) => {
    const spec = { year, name: param({ type: "string" }), free: param({}) };
    expect(resolveParams(spec, { year: 1800 })).toEqual({
      ok: false,
      errors: [
        { path: ["year"], message: "expected a number of at least 1900 at conf.year, got 1800" },
        {
          path: ["name"],
          message: "expected a value of type string at conf.name, because the param has no default, got none",
        },
        { path: ["free"], message: "expected a value at conf.free, because the param has no default, got none" },
      ],
    });
  });

  test("name the place inside a value", ({ expect }) => {
    const rows = param({ type: "array", items: { type: "object", properties: { "a/b": { type: "number" } } } });
    expect(resolveParams({ rows }, { rows: [{ "a/b": "x" }] })).toEqual({
      ok: false,
      errors: [{ path: ["rows", "0", "a/b"], message: 'expected type number at conf.rows.0.a/b, got "x"' }],
    });
  });

  test("shorten the value that came to 200 characters", ({ expect }) => {
    const resolved = resolveParams({ year }, { year: "x".repeat(5000) });
    const message = resolved.ok ? "" : (resolved.errors[0]?.message ?? "");
    expect(message).toMatch(/^expected type integer at conf\.year, got "x{198}…$/);
  });

  test("are not found in what every object inherits", ({ expect }) => {
    for (const name of ["constructor", "toString", "hasOwnProperty"]) {
      const resolved = resolveParams({ [name]: param({}) }, {});
      expect(resolved.ok, name).toBe(false);
      expect(resolveParams({ [name]: param({ type: "string" }) }, { [name]: "x" })).toEqual({
        ok: true,
        params: { [name]: "x" },
      });
    }
  });

  test("do not change the prototype of anything", ({ expect }) => {
    const spec = Object.fromEntries([["__proto__", param({})]]);
    const resolved = resolveParams(spec, parseJsonObject('{"__proto__": {"polluted": 1}}'));
    expect(resolved.ok && Object.getPrototypeOf(resolved.params)).toBe(Object.prototype);
    expect(resolved.ok && Object.keys(resolved.params)).toEqual(["__proto__"]);
    const ignored = resolveParams({ year }, parseJsonObject('{"__proto__": {"year": 1}}'));
    expect(ignored).toEqual({ ok: true, params: { year: 2026 } });
  });

  test("are refused, and nothing thrown, where a schema cannot be used", ({ expect }) => {
    for (const schema of [{ $ref: "#" }, { $ref: "#/$defs/none" }, { pattern: "(" }]) {
      const resolved = resolveParams({ name: param(schema) }, { name: "x" });
      expect(resolved.ok ? [] : resolved.errors.map(({ path }) => path)).toEqual([["name"]]);
      expect(resolved.ok ? "" : resolved.errors[0]?.message).toContain("expected a schema that can be used (");
    }
  });

  test("leave the schema as it was", ({ expect }) => {
    const schema = Object.freeze({ $ref: "#/$defs/n", $defs: Object.freeze({ n: Object.freeze({ type: "number" }) }) });
    expect(resolveParams({ n: param(schema) }, { n: 1 })).toEqual({ ok: true, params: { n: 1 } });
    expect(Object.getOwnPropertyNames(schema)).toEqual(["$ref", "$defs"]);
  });
});

describe("a value that does not fit its schema", () => {
  test.for<[Record<string, Json>, Json, string]>([
    [{ type: "integer" }, 1.5, "type integer"],
    [{ type: ["string", "null"] }, 1, "type string or null"],
    [{ enum: ["a", 1] }, "b", 'one of ["a",1]'],
    [{ const: { a: 1 } }, {}, '{"a":1}'],
    [{ maximum: 3 }, 4, "a number of at most 3"],
    [{ exclusiveMinimum: 3 }, 3, "a number above 3"],
    [{ exclusiveMaximum: 3 }, 3, "a number below 3"],
    [{ multipleOf: 2 }, 3, "a multiple of 2"],
    [{ minLength: 2 }, "a", "a string of at least 2 characters"],
    [{ maxLength: 1 }, "ab", "a string of at most 1 characters"],
    [{ pattern: "^a" }, "b", 'a string that matches "^a"'],
    [{ format: "date-time" }, "yesterday", 'a string of the format "date-time"'],
    [{ format: "email" }, "nobody", 'a string of the format "email"'],
    [{ minItems: 1 }, [], "a list of at least 1 items"],
    [{ maxItems: 1 }, [1, 2], "a list of at most 1 items"],
    [{ uniqueItems: true }, [1, 1], "a list without duplicates"],
    [{ required: ["a"] }, {}, 'all of the properties ["a"]'],
    [{ required: ["constructor"] }, {}, 'all of the properties ["constructor"]'],
    [{ minProperties: 1 }, {}, "an object of at least 1 properties"],
    [{ maxProperties: 0 }, { a: 1 }, "an object of at most 0 properties"],
    [{ additionalProperties: false }, { a: 1 }, "no such property or item"],
    [{ $ref: "#/$defs/n", $defs: { n: { minimum: 7 } } }, 1, "a number of at least 7"],
    [
      { anyOf: [{ type: "string" }, { minimum: 3 }] },
      1,
      "a value that fits 'anyOf' of its schema (Instance does not match any subschemas.)",
    ],
    [{ not: { type: "null" } }, null, `a value that fits 'not' of its schema (Instance matched "not" schema.)`],
  ])("%j given %j is told to be %s", ([schema, value, expected], { expect }) => {
    expect(schemaMismatches(schema, value).map((mismatch) => mismatch.expected)).toEqual([expected]);
  });

  test("is told at most 20 mismatches", ({ expect }) => {
    expect(
      schemaMismatches(
        { items: { type: "string" } },
        Array.from({ length: 1000 }, () => 1),
      ),
    ).toHaveLength(20);
  });
});

describe("the params of a spec", () => {
  test("are in order if their schemas can be used and their defaults fit", ({ expect }) => {
    const tree = {
      $ref: "#/$defs/tree",
      $defs: { tree: { type: "object", additionalProperties: { $ref: "#/$defs/tree" } } },
    };
    expect(
      validateParamSpecs({ year, required: param({ type: "string" }), tree: param(tree, { a: { b: {} } }) }),
    ).toEqual([]);
  });

  test("are refused where a default does not fit", ({ expect }) => {
    expect(validateParamSpecs({ year: param({ type: "integer" }, "now") })).toEqual([
      { path: ["year"], message: 'expected type integer at the defaults of the params.year, got "now"' },
    ]);
  });

  test("are refused where a name cannot be carried as data", ({ expect }) => {
    const [error] = validateParamSpecs(Object.fromEntries([["__proto__", param({})]]));
    expect(error?.path).toEqual(["__proto__"]);
  });

  test("are refused where the schema is wrong, with the place in it", ({ expect }) => {
    expect(validateParamSpecs({ a: param({ properties: { b: { type: "text" } } }, 1) })).toEqual([
      {
        path: ["a", "schema", "properties", "b", "type"],
        message: `expected a value that fits 'anyOf' of its schema (Instance does not match any subschemas.) at the schema of param 'a'.properties.b.type, got "text"`,
      },
    ]);
  });

  test.for<[Record<string, Json>, string[]]>([
    [{ minimum: "3" }, ["minimum"]],
    [{ pattern: "(" }, ["pattern"]],
    [{ patternProperties: { "[": {} } }, ["patternProperties", "["]],
    [{ items: [{}] }, ["items"]],
    [{ required: "a" }, ["required"]],
    [{ allOf: [] }, ["allOf"]],
    [{ multipleOf: 0 }, ["multipleOf"]],
    [{ minLength: -1 }, ["minLength"]],
    [{ $schema: "http://json-schema.org/draft-07/schema#" }, ["$schema"]],
    [{ $dynamicRef: "#x" }, ["$dynamicRef"]],
    [{ $ref: "#/$defs/none" }, []],
    [{ properties: { a: { $ref: "other.json" } } }, []],
    [{ $ref: "#" }, []],
  ])("cannot have the schema %j", ([schema, path], { expect }) => {
    expect(schemaProblems(schema)[0]?.path).toEqual(path);
  });

  test("may have any of the words of draft 2020-12 that mean something", ({ expect }) => {
    const schema = {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      title: "t",
      type: ["object", "null"],
      properties: {
        when: { type: "string", format: "date-time" },
        list: { prefixItems: [{ type: "number" }], items: false },
      },
      patternProperties: { "^x-": true },
      dependentRequired: { when: ["list"] },
      if: { required: ["when"] },
      then: { minProperties: 2 },
      unevaluatedProperties: false,
      "x-widget": { anything: ["goes", 1] },
    };
    expect(schemaProblems(schema)).toEqual([]);
    expect(schemaMismatches(schema, { when: "2026-01-01T00:00:00Z", list: [1], "x-a": null })).toEqual([]);
  });
});

describe("a text under a schema with a pattern", () => {
  const params = { name: param({ type: "string", pattern: "^[a-z]*$" }), free: param({}) };

  test("may be long if it is read once", ({ expect }) => {
    expect(resolveParams(params, { name: "a".repeat(50_000), free: "b".repeat(5000) })).toMatchObject({ ok: true });
  });

  test("may repeat a group", ({ expect }) => {
    const slug = { slug: param({ pattern: "^[a-z0-9]+(-[a-z0-9]+)*$" }) };
    expect(validateParamSpecs(slug)).toEqual([]);
    expect(resolveParams(slug, { slug: "one-two-3" })).toMatchObject({ ok: true });
    expect(resolveParams(slug, { slug: "one--two" })).toMatchObject({ ok: false });
  });
});

describe("keys of a conf", () => {
  test("that are no params are found where there are params, and nowhere else", ({ expect }) => {
    expect(unknownConfKeys({ year }, { yaer: 1, year: 2, constructor: 3 })).toEqual(["yaer", "constructor"]);
    expect(unknownConfKeys({ year }, { year: 2 })).toEqual([]);
    expect(unknownConfKeys({}, { anything: 1 })).toEqual([]);
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`k${index}`, 1]));
    expect(unknownConfKeys({ year }, many)).toHaveLength(20);
  });
});
