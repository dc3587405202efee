import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, test } from "vitest";
import { z } from "zod";
import { specHash, specOfStored, specToStore } from "../../src/engine/canonical-hash.ts";
import { canonicalJson } from "../../src/engine/canonical-json.ts";
import { defaultsOf } from "../../src/engine/schema-defaults.ts";
import { dagSpecSchema, paramSpecSchema, taskSpecSchema, webhookSpecSchema } from "../../src/engine/spec.ts";
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

  test("is a SHA-256 in hexadecimal of what is no default", ({ expect }) => {
    const parsed = dagSpecSchema.parse(spec);
    expect(specHash(parsed)).toBe(createHash("sha256").update(canonicalJson(spec)).digest("hex"));
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

  test("does not depend on a queue and an input that are written out though they are the default", ({ expect }) => {
    const plain: DagSpecInput = { dag_id: "d", tasks: [{ task_id: "t", handler: "h" }] };
    const written: DagSpecInput = {
      dag_id: "d",
      tasks: [{ task_id: "t", handler: "h", queue: "default", input: null }],
    };
    expect(hashOf(written)).toBe(hashOf(plain));
    expect(specToStore(dagSpecSchema.parse(written))).toEqual(plain);
    expect(hashOf({ dag_id: "d", tasks: [{ task_id: "t", handler: "h", queue: "heavy" }] })).not.toBe(hashOf(plain));
    expect(hashOf({ dag_id: "d", tasks: [{ task_id: "t", handler: "h", input: 0 }] })).not.toBe(hashOf(plain));
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

/** The schema of a later release: one field more everywhere, each with a default. */
const laterSchema = dagSpecSchema.extend({
  sla: z.number().nullable().default(null),
  labels: z.record(z.string(), z.string()).default({}),
  retention: z.strictObject({ days: z.number().default(30), keep: z.array(z.string()).default([]) }).default({
    days: 30,
    keep: [],
  }),
  tasks: z.array(
    taskSpecSchema.extend({
      color: z.string().default("red"),
      alerts: z.array(z.strictObject({ to: z.string(), retries: z.number().default(3) })).default([]),
    }),
  ),
  params: z.record(z.string(), paramSpecSchema.extend({ is_hidden: z.boolean().default(false) })).default({}),
  webhook: webhookSpecSchema.extend({ max_bytes: z.number().default(1000) }).optional(),
});

const SPECS: DagSpecInput[] = [
  { dag_id: "d", tasks: [] },
  {
    dag_id: "d",
    schedule: { type: "cron_trigger", expressions: ["@daily"], interval_seconds: 60 },
    params: { p: { default: { b: 1, a: [] } }, q: { schema: { type: "string" } } },
    webhook: { provider: "github", secret: "S" },
    task_groups: [{ group_id: "g", expand: { type: "expand_kwargs", source: { literal: [{ a: 1 }] } } }],
    tasks: [
      { task_id: "t", handler: "h", retries: 3, pool: "db", queue: { spread: ["a", "b"] } },
      { task_id: "u", handler: "h", input: { default: null, retries: 0 }, queue: "a", task_group_id: "g" },
    ],
  },
];

describe("a release that adds fields with defaults", () => {
  test("does not change the hash of a spec that does not use them", ({ expect }) => {
    for (const spec of SPECS) {
      const present = dagSpecSchema.parse(spec);
      const later = laterSchema.parse(spec);
      expect(canonicalJson(later)).not.toBe(canonicalJson(present));
      expect(specHash(later, laterSchema)).toBe(specHash(present));
    }
  });

  test("changes the hash of one that does", ({ expect }) => {
    const spec = { dag_id: "d", tasks: [{ task_id: "t", handler: "h" }] };
    const more = [
      { sla: 5 },
      { labels: { a: "b" } },
      { retention: { days: 31 } },
      { tasks: [{ task_id: "t", handler: "h", color: "blue" }] },
      { tasks: [{ task_id: "t", handler: "h", alerts: [{ to: "me" }] }] },
      { tasks: [{ task_id: "t", handler: "h", alerts: [{ to: "me", retries: 4 }] }] },
    ];
    const hashes = [{}, ...more].map((fields) => specHash(laterSchema.parse({ ...spec, ...fields }), laterSchema));
    expect(new Set(hashes).size).toBe(hashes.length);
    const spelledOut = laterSchema.parse({ ...spec, retention: { keep: [], days: 30 } });
    expect(specHash(spelledOut, laterSchema)).toBe(hashes[0]);
  });

  test("reads a spec that was stored before them as if they had been there", ({ expect }) => {
    for (const spec of SPECS) {
      const stored: unknown = JSON.parse(JSON.stringify(dagSpecSchema.parse(spec)));
      expect(defaultsOf(laterSchema).fillIn(stored)).toEqual(JSON.parse(JSON.stringify(laterSchema.parse(spec))));
    }
  });
});

describe("a stored spec", () => {
  /** Fields of every kind, each given or left to its default. */
  const anySpec = fc.record(
    {
      dag_id: fc.constant("d"),
      tags: fc.array(fc.constantFrom("a", "b"), { maxLength: 2 }),
      catchup: fc.boolean(),
      max_active_tasks: fc.constantFrom(null, 3),
      schedule: fc.constantFrom(
        null,
        "@daily",
        { type: "delta_trigger", seconds: 60, interval_seconds: 0 },
        { type: "events", dates: [], restrict_to_events: true },
      ),
      params: fc.dictionary(
        fc.string({ minLength: 1, maxLength: 5 }),
        fc.record({ default: anyJson, description: fc.string() }, { requiredKeys: [] }),
        { maxKeys: 3 },
      ),
      webhook: fc.record(
        { provider: fc.constantFrom("github", "hmac"), secret: fc.constant("S"), tolerance: fc.constantFrom(300, 5) },
        { requiredKeys: ["provider", "secret"] },
      ),
      tasks: fc.array(
        fc.record(
          {
            task_id: fc.constantFrom("t", "u"),
            handler: fc.constant("h"),
            input: anyJson,
            retries: fc.constantFrom(0, 1),
            trigger_rule: fc.constantFrom("all_success", "one_failed"),
            max_retry_delay: fc.constantFrom(null, 300),
            upstream_task_ids: fc.array(fc.constantFrom("a", "b"), { maxLength: 2 }),
            queue: fc.constantFrom("a", { spread: ["a", "b"] }, { spread: ["a", "b"], by: "random" }),
            expand: fc.record({
              type: fc.constant("expand"),
              kwargs: fc.constant({ x: { literal: [{ default: 1 }] } }),
            }),
          },
          { requiredKeys: ["task_id", "handler"] },
        ),
        { maxLength: 3 },
      ),
    },
    { requiredKeys: ["dag_id", "tasks"] },
  );

  test("is the spec again, whichever of its defaults were stored", ({ expect }) => {
    fc.assert(
      fc.property(anySpec, (input) => {
        const spec = dagSpecSchema.parse(input);
        const text = JSON.stringify(spec);
        expect(specOfStored(JSON.parse(JSON.stringify(specToStore(spec))))).toEqual(JSON.parse(text));
        expect(specOfStored(JSON.parse(text))).toEqual(JSON.parse(text));
        expect(specOfStored(parseJson(JSON.stringify(input)))).toMatchObject({ dag_id: "d", fail_fast: false });
        // Nothing was changed on the way.
        expect(JSON.stringify(spec)).toBe(text);
        expect(specHash(specOfStored(JSON.parse(text)))).toBe(specHash(spec));
      }),
    );
  });

  test("of thousands of plain tasks is small", ({ expect }) => {
    const tasks = Array.from({ length: 5000 }, (_, n) => ({ task_id: `t${n}`, handler: "hello" }));
    const spec = dagSpecSchema.parse({ dag_id: "d", tasks });
    expect(specToStore(spec)).toEqual({ dag_id: "d", tasks });
    expect(JSON.stringify(spec).length).toBeGreaterThan(8 * JSON.stringify(specToStore(spec)).length);
  });

  test("does not share its defaults with another one", ({ expect }) => {
    const [one, other] = [specOfStored({ dag_id: "d", tasks: [] }), specOfStored({ dag_id: "d", tasks: [] })];
    one.tags.push("changed");
    expect(other.tags).toEqual([]);
  });

  test("has no prototype for a field, and none is made", ({ expect }) => {
    const text = '{"dag_id": "d", "tasks": [], "params": {"__proto__": {"default": 1}}}';
    const spec = specOfStored(JSON.parse(text));
    expect(Object.keys(spec.params)).toEqual(["__proto__"]);
    expect(Object.getPrototypeOf(spec.params)).toBe(Object.prototype);
  });
});

/** The defaults of fields that hold one value, by the tree that the schema gives. */
function plainDefaults(tree: unknown, path = ""): [string, unknown][] {
  if (typeof tree !== "object" || tree === null) {
    return [];
  }
  return Object.entries(tree).flatMap(([name, member]): [string, unknown][] => {
    const own: unknown = typeof member === "object" && member !== null ? Reflect.get(member, "default") : undefined;
    const isField = name !== "within" && name !== "each" && name !== "options";
    const at = isField ? `${path}.${name}` : path;
    return own === undefined || !isField ? plainDefaults(member, at) : [[at, own], ...plainDefaults(member, at)];
  });
}

describe("the defaults of the spec", () => {
  // A stored spec leaves out what is a default. To change one here would change every stored version that relies on it.
  const RELEASED: Record<string, unknown> = {
    ".description": null,
    ".doc_md": null,
    ".tags": [],
    ".owner": "jobbers",
    ".is_paused_upon_creation": false,
    ".fail_fast": false,
    ".dagrun_timeout": null,
    ".max_map_length": 1024,
    ".schedule": null,
    ".timezone": "UTC",
    ".start_date": null,
    ".end_date": null,
    ".catchup": false,
    ".max_active_runs": 16,
    ".max_active_tasks": null,
    ".max_consecutive_failed_dag_runs": 0,
    ".params": {},
    ".params.schema": {},
    ".webhook.tolerance": 300,
    ".task_groups": [],
    ".tasks.operator": "task",
    ".tasks.upstream_task_ids": [],
    ".tasks.trigger_rule": "all_success",
    ".tasks.retries": 0,
    ".tasks.retry_delay": 300,
    ".tasks.retry_exponential_backoff": 0,
    ".tasks.max_retry_delay": null,
    ".tasks.execution_timeout": null,
    ".tasks.heartrate": 5,
    ".tasks.is_setup": false,
    ".tasks.is_teardown": false,
    ".tasks.on_failure_fail_dagrun": false,
    ".tasks.ignore_downstream_trigger_rules": true,
    ".tasks.pool_slots": 1,
    ".tasks.priority_weight": 1,
    ".tasks.weight_rule": "downstream",
    ".tasks.max_active_tis_per_dag": null,
    ".tasks.max_active_tis_per_dagrun": null,
    ".tasks.depends_on_past": false,
    ".tasks.wait_for_downstream": false,
    ".tasks.ignore_first_depends_on_past": true,
  };

  test("are those that were released, and perhaps more", ({ expect }) => {
    const present = Object.fromEntries(plainDefaults(defaultsOf(dagSpecSchema).tree));
    expect(present).toMatchObject(RELEASED);
    expect(Object.keys(present)).toEqual(expect.arrayContaining(Object.keys(RELEASED)));
  });

  test("reach into schedules and queues", ({ expect }) => {
    const stored = {
      dag_id: "d",
      schedule: { type: "cron_trigger", expressions: ["0 0 * * *"] },
      tasks: [{ task_id: "t", handler: "h", queue: { spread: ["a", "b"] } }],
    };
    const spec = dagSpecSchema.parse({ ...stored, schedule: "@daily" });
    expect(specToStore(spec)).toEqual(stored);
    expect(specOfStored(structuredClone(stored))).toEqual(spec);
    expect(spec).toMatchObject({
      schedule: { interval_seconds: 0, run_immediately: null },
      tasks: [{ queue: { by: "round_robin" } }],
    });
  });
});
