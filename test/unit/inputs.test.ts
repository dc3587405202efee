import fc from "fast-check";
import { describe, test } from "vitest";
import { fillRemote, RemoteValue, resolveTemplate, TEMPLATE_DEPTH, templateRefs } from "../../src/engine/inputs.ts";
import { followPath } from "../../src/engine/path.ts";
import type { RemoteInput } from "../../src/engine/inputs.ts";
import type { InputRef, Json } from "../../src/engine/spec.ts";
import { anyJson, parseJson } from "./json-values.ts";

function never(): Json {
  throw new Error("expected no reference to be resolved");
}

function nested(levels: number, inside: Json): Json {
  return levels === 0 ? inside : [nested(levels - 1, inside)];
}

/** Resolves with every xcom value kept elsewhere. */
function resolved(template: Json): { input: Json; remote: RemoteInput[] } {
  const remote: RemoteInput[] = [];
  const input = resolveTemplate(
    template,
    (ref) => (ref.$ref === "xcom" ? new RemoteValue(`key/${ref.task_id}`) : 1),
    remote,
  );
  return { input, remote };
}

/** JSON without the keys that mean something in a template. */
const plainJson = anyJson.map((value) => parseJson(JSON.stringify(value).replaceAll('"$', '"_')));

describe("a template", () => {
  test("without references is its own input", ({ expect }) => {
    fc.assert(
      fc.property(plainJson, (template) => {
        expect(resolveTemplate(template, never)).toEqual(template);
        expect(templateRefs(template)).toEqual([]);
      }),
    );
  });

  test("that is missing gives null", ({ expect }) => {
    expect(resolveTemplate(undefined, never)).toBe(null);
    expect(templateRefs(undefined)).toEqual([]);
  });

  test("has its references replaced wherever they stand, and their paths followed", ({ expect }) => {
    const template: Json = {
      rows: [{ $ref: "xcom", task_id: "extract", path: ["rows", 0] }, 1],
      of: { $ref: "run", field: "run_id" },
      deep: { city: { $ref: "params", path: ["city"] } },
      one: { $ref: "map" },
    };
    const values: Record<InputRef["$ref"], Json> = {
      xcom: { rows: ["first"] },
      run: "r1",
      params: { city: "Paris" },
      map: 7,
    };
    expect(resolveTemplate(template, (ref) => values[ref.$ref])).toEqual({
      rows: ["first", 1],
      of: "r1",
      deep: { city: "Paris" },
      one: 7,
    });
    expect(templateRefs(template)).toEqual([
      { $ref: "xcom", task_id: "extract", path: ["rows", 0] },
      { $ref: "run", field: "run_id" },
      { $ref: "params", path: ["city"] },
      { $ref: "map" },
    ]);
  });

  test("may name another key than the value that was returned", ({ expect }) => {
    const ref: Json = { $ref: "xcom", task_id: "t", key: "rows" };
    expect(templateRefs([ref])).toEqual([ref]);
  });

  test("that is a reference is what it resolves to, the same object", ({ expect }) => {
    const value: Json = { a: [1] };
    expect(resolveTemplate({ $ref: "map" }, () => value)).toBe(value);
  });

  test("is not searched any further in what came from a reference", ({ expect }) => {
    const data: Json = { $ref: "params", nested: { $literal: { $ref: "nonsense" } } };
    expect(resolveTemplate([{ $ref: "xcom", task_id: "t" }], () => data)).toEqual([data]);
  });

  test("may hold data with a key named $ref as a literal", ({ expect }) => {
    const data: Json = { $ref: "#/definitions/a", $literal: 1 };
    expect(resolveTemplate({ schema: { $literal: data } }, never)).toEqual({ schema: data });
    expect(templateRefs({ schema: { $literal: data } })).toEqual([]);
  });

  test("takes $literal beside other keys for an ordinary key", ({ expect }) => {
    expect(resolveTemplate({ $literal: { $ref: "map" }, b: 2 }, () => 7)).toEqual({ $literal: 7, b: 2 });
  });

  test("refuses an object with a $ref that is no reference, and shows where it stands", ({ expect }) => {
    for (const bad of [
      { $ref: "#/definitions/a" },
      { $ref: null },
      { $ref: "xcom" },
      { $ref: "xcom", task_id: 7 },
      { $ref: "xcom", task_id: "t", key: 7 },
      { $ref: "xcom", task_id: "t", path: "a.b" },
      { $ref: "xcom", task_id: "t", path: [1.5] },
      { $ref: "run", field: "password" },
      { $ref: "run" },
    ] satisfies Json[]) {
      expect(() => resolveTemplate({ a: [bad] }, never), JSON.stringify(bad)).toThrow(
        /^expected a reference of .* at input\.a\.0, got \{"\$ref"/,
      );
      expect(() => templateRefs({ a: [bad] })).toThrow(TypeError);
    }
  });

  test(`may be ${TEMPLATE_DEPTH} levels deep and no more`, ({ expect }) => {
    expect(resolveTemplate(nested(TEMPLATE_DEPTH, { $ref: "map" }), () => 1)).toEqual(nested(TEMPLATE_DEPTH, 1));
    expect(() => resolveTemplate(nested(TEMPLATE_DEPTH + 1, {}), never)).toThrow(
      /^expected an input of at most 64 levels, got a deeper one at input\.0/,
    );
    expect(() => resolveTemplate(nested(5000, 1), never)).toThrow(RangeError);
  });

  test("keeps a key named __proto__ as data", ({ expect }) => {
    const template = parseJson('{"__proto__": {"polluted": {"$ref": "map"}}}');
    const input = resolveTemplate(template, () => 1);
    expect(JSON.stringify(input)).toBe('{"__proto__":{"polluted":1}}');
    expect(Object.getPrototypeOf(input)).toBe(Object.prototype);
  });
});

describe("a path", () => {
  const value: Json = { rows: [{ id: 7 }, [null, "x"]], "0": "zero", "": { a: 1 } };

  test.for<[(string | number)[], Json]>([
    [["rows", 0, "id"], 7],
    [["rows", "1", "1"], "x"],
    [["rows", 1, 0], null],
    [[0], "zero"],
    [["", "a"], 1],
    [["rows", 2], null],
    [["rows", -1], null],
    [["rows", "01"], null],
    [["rows", "length"], null],
    [["rows", "0", "id", "toFixed"], null],
    [["none", "at", "all"], null],
    [["constructor"], null],
    [["__proto__", "constructor"], null],
    [["rows", "map"], null],
    [["rows", 0, "id", 0], null],
  ])("%j leads to %j", ([path, found], { expect }) => {
    expect(followPath(value, path)).toEqual(found);
  });

  test("that is empty leads to the value itself", ({ expect }) => {
    expect(followPath(value, [])).toBe(value);
  });
});

describe("a value that is kept elsewhere", () => {
  const large: Json = { rows: [{ id: 7 }] };

  test("leaves a hole that says what belongs there, and is filled later", ({ expect }) => {
    const { input, remote } = resolved({
      a: [0, { $ref: "xcom", task_id: "t", path: ["rows", 0] }],
      b: { $ref: "map" },
    });
    expect({ input, remote }).toEqual({
      input: { a: [0, null], b: 1 },
      remote: [{ at: ["a", 1], key: "key/t", path: ["rows", 0] }],
    });
    expect(fillRemote(structuredClone(input), structuredClone(remote), () => large)).toEqual({
      a: [0, { id: 7 }],
      b: 1,
    });
  });

  test("may be the whole input, or a part of what was stored", ({ expect }) => {
    const remote: RemoteInput[] = [];
    const input = resolveTemplate({ $ref: "map", path: ["id"] }, () => new RemoteValue("k", ["rows", 0]), remote);
    expect(remote).toEqual([{ at: [], key: "k", path: ["rows", 0, "id"] }]);
    expect(fillRemote(input, remote, () => large)).toBe(7);
  });

  test("is not mistaken for data that looks like its hole", ({ expect }) => {
    const data: Json = { $r2: "somebody/elses/value", at: ["a"], key: "k" };
    const remote: RemoteInput[] = [];
    const input = resolveTemplate({ a: { $ref: "map" } }, () => data, remote);
    expect(remote).toEqual([]);
    expect(fillRemote(input, remote, never)).toEqual({ a: data });
  });

  test("is refused by those who cannot take it", ({ expect }) => {
    expect(() => resolveTemplate([{ $ref: "map" }], () => new RemoteValue("k"))).toThrow(
      "expected a value at input.0, got one that is kept elsewhere (k)",
    );
  });

  test("cannot be put where the input has no place, nor into a prototype", ({ expect }) => {
    expect(() => fillRemote(null, [{ at: ["a"], key: "k", path: [] }], () => 1)).toThrow(
      "expected the input to have a place at input.a, got none",
    );
    for (const at of [["b"], ["__proto__", "polluted"], ["a", "b"]]) {
      expect(() => fillRemote({ a: 1 }, [{ at, key: "k", path: [] }], () => 1)).toThrow(TypeError);
    }
  });
});
