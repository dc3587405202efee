import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, test } from "vitest";
import { canonicalJson, specHash } from "../../src/engine/canonical-hash.ts";
import { dagSpecSchema } from "../../src/engine/spec.ts";
import type { DagSpecInput, ExpandSource, Json } from "../../src/engine/spec.ts";
import { anyJson, parseJson } from "./json-values.ts";

function hashOf(spec: DagSpecInput): string {
  return specHash(dagSpecSchema.parse(spec));
}

/** The same JSON with the keys of every object the other way round. */
function reversed(value: Json): Json {
  if (Array.isArray(value)) {
    return value.map(reversed);
  }
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(
      Object.entries(value)
        .toReversed()
        .map(([key, member]) => [key, reversed(member)]),
    );
  }
  return value;
}

function mapped(kwargs: Record<string, ExpandSource>): DagSpecInput {
  return { dag_id: "d", tasks: [{ task_id: "t", handler: "h", expand: { type: "expand", kwargs } }] };
}

function grouped(source: ExpandSource): DagSpecInput {
  return { dag_id: "d", tasks: [], task_groups: [{ group_id: "g", expand: { type: "expand_kwargs", source } }] };
}

function withDefault(value: Json): DagSpecInput {
  return { dag_id: "d", tasks: [], params: { p: { default: value } } };
}

describe("canonical JSON", () => {
  test("sorts the keys of objects at every level and keeps the order of lists", ({ expect }) => {
    expect(canonicalJson({ b: [{ d: 1, c: null }, 2, 1], a: "é\n", B: true, "10": 0, "9": -0 })).toBe(
      '{"10":0,"9":0,"B":true,"a":"é\\n","b":[{"c":null,"d":1},2,1]}',
    );
  });

  test("means what the value means, and does not depend on the order of keys", ({ expect }) => {
    fc.assert(
      fc.property(anyJson, (value) => {
        expect(parseJson(canonicalJson(value))).toEqual(value);
        expect(canonicalJson(reversed(value))).toBe(canonicalJson(value));
      }),
    );
  });

  test("leaves out undefined properties, as JSON does", ({ expect }) => {
    expect(canonicalJson({ a: undefined, b: 1 })).toBe('{"b":1}');
  });

  test("refuses what JSON cannot hold", ({ expect }) => {
    for (const value of [Number.NaN, Infinity, undefined, 1n, () => 1, [undefined]]) {
      expect(() => canonicalJson(value)).toThrow(TypeError);
    }
  });
});

describe("the hash of a spec", () => {
  const spec: DagSpecInput = {
    dag_id: "d",
    tags: ["a", "b"],
    tasks: [{ task_id: "t", handler: "h", input: { a: 1, b: 2 } }],
  };

  test("is a SHA-256 in hexadecimal", ({ expect }) => {
    const parsed = dagSpecSchema.parse(spec);
    expect(specHash(parsed)).toBe(createHash("sha256").update(canonicalJson(parsed)).digest("hex"));
  });

  test("does not depend on the order of keys, nor on defaults being written out", ({ expect }) => {
    const same: DagSpecInput = {
      tasks: [{ input: { b: 2, a: 1 }, handler: "h", task_id: "t", retries: 0 }],
      fail_fast: false,
      tags: ["a", "b"],
      dag_id: "d",
    };
    expect(hashOf(same)).toBe(hashOf(spec));
  });

  test("depends on every value, and on the order of lists", ({ expect }) => {
    const hashes = [
      spec,
      { ...spec, dag_id: "e" },
      { ...spec, tags: ["b", "a"] },
      { ...spec, tasks: [{ task_id: "t", handler: "h", input: { a: 1, b: 3 } }] },
      { ...spec, tasks: [{ task_id: "t", handler: "h", retries: 1, input: { a: 1, b: 2 } }] },
    ].map(hashOf);
    expect(new Set(hashes).size).toBe(hashes.length);
  });

  test("depends on the order of keys where it decides which element comes when", ({ expect }) => {
    const x = { literal: [1, 2] };
    const y = { literal: [3, 4] };
    const pairs: [DagSpecInput, DagSpecInput][] = [
      [mapped({ x, y }), mapped({ y, x })],
      [mapped({ x: { literal: { a: 1, b: 2 } } }), mapped({ x: { literal: { b: 2, a: 1 } } })],
      [mapped({ x: { literal: { a: 1 } } }), mapped({ x: { literal: [["a", 1]] } })],
      [
        grouped({ zip: [{ concat: [{ literal: { a: 1, b: 2 } }] }] }),
        grouped({ zip: [{ concat: [{ literal: { b: 2, a: 1 } }] }] }),
      ],
      [withDefault({ a: 1, b: 2 }), withDefault({ b: 2, a: 1 })],
    ];
    for (const [one, other] of pairs) {
      expect(hashOf(one)).not.toBe(hashOf(other));
      expect(hashOf(one)).toBe(hashOf(structuredClone(one)));
    }
  });
});
