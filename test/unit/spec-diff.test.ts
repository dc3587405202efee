import fc from "fast-check";
import { describe, test } from "vitest";
import { specHash } from "../../src/engine/canonical-hash.ts";
import { diffSpecs } from "../../src/engine/spec-diff.ts";
import type { FieldChange, PartsDiff } from "../../src/engine/spec-diff.ts";
import { dagSpecSchema } from "../../src/engine/spec.ts";
import type { DagSpec, DagSpecInput } from "../../src/engine/spec.ts";
import { anyJson } from "./json-values.ts";

const NONE: PartsDiff = { added: [], removed: [], changed: [], reordered: false };

function parse(spec: Partial<DagSpecInput> = {}): DagSpec {
  return dagSpecSchema.parse({ dag_id: "d", tasks: [], ...spec });
}

function diff(before: Partial<DagSpecInput>, after: Partial<DagSpecInput>) {
  return diffSpecs(parse(before), parse(after));
}

const extract = { task_id: "extract", handler: "h" };
const load = { task_id: "load", handler: "h", upstream_task_ids: ["extract"] };

describe("the difference of two versions", () => {
  test("of the same spec is nothing", ({ expect }) => {
    const same = { is_same: true, fields: [], params: NONE, tasks: NONE, task_groups: NONE };
    const spec = { tasks: [extract, load], params: { a: { default: 1 } }, task_groups: [{ group_id: "g" }] };
    expect(diff(spec, spec)).toEqual({ ...same, edges: { added: [], removed: [] } });
    expect(diff({ tasks: [extract] }, { tasks: [{ ...extract, retries: 0 }], catchup: false })).toMatchObject(same);
  });

  test("has the fields of the DAG, with defaults where nothing was given", ({ expect }) => {
    const webhook = { provider: "github", secret: "S" } as const;
    expect(diff({ tags: ["a"], webhook }, { schedule: "@daily", max_active_runs: 1 })).toMatchObject({
      is_same: false,
      fields: [
        { field: "max_active_runs", before: 16, after: 1 },
        { field: "schedule", before: null, after: { type: "cron_trigger", expressions: ["0 0 * * *"] } },
        { field: "tags", before: ["a"], after: [] },
        { field: "webhook", before: { ...webhook, tolerance: 300 } },
      ],
      tasks: NONE,
    });
  });

  test("has tasks that came, went and changed, and edges", ({ expect }) => {
    const found = diff(
      { tasks: [extract, load, { task_id: "mail", handler: "h", upstream_task_ids: ["load"] }] },
      {
        tasks: [
          { ...extract, retries: 3, input: { a: 1 } },
          { ...load, upstream_task_ids: ["extract", "check"] },
          { task_id: "check", handler: "h", upstream_task_ids: ["extract"] },
        ],
      },
    );
    expect(found).toEqual({
      is_same: false,
      fields: [],
      params: NONE,
      task_groups: NONE,
      tasks: {
        added: ["check"],
        removed: ["mail"],
        changed: [
          {
            id: "extract",
            fields: [
              { field: "input", before: null, after: { a: 1 } },
              { field: "retries", before: 0, after: 3 },
            ],
          },
          {
            id: "load",
            fields: [{ field: "upstream_task_ids", before: ["extract"], after: ["extract", "check"] }],
          },
        ],
        reordered: false,
      },
      edges: {
        added: [
          { upstream_task_id: "check", downstream_task_id: "load" },
          { upstream_task_id: "extract", downstream_task_id: "check" },
        ],
        removed: [{ upstream_task_id: "load", downstream_task_id: "mail" }],
      },
    });
  });

  test("has params and groups", ({ expect }) => {
    const found = diff(
      { params: { year: { default: 2025 }, gone: {} }, task_groups: [{ group_id: "g", tooltip: "old" }] },
      { params: { year: { default: 2026 }, fresh: {} }, task_groups: [{ group_id: "g" }, { group_id: "h" }] },
    );
    expect(found.params).toEqual({
      added: ["fresh"],
      removed: ["gone"],
      changed: [{ id: "year", fields: [{ field: "default", before: 2025, after: 2026 }] }],
      reordered: false,
    });
    expect(found.task_groups).toEqual({
      ...NONE,
      added: ["h"],
      changed: [{ id: "g", fields: [{ field: "tooltip", before: "old" }] }],
    });
  });

  test("sees the order of tasks, and the order of keys where it says which element comes when", ({ expect }) => {
    expect(diff({ tasks: [extract, load] }, { tasks: [load, extract] })).toMatchObject({
      is_same: false,
      tasks: { ...NONE, reordered: true },
    });
    const mapped = (kwargs: Record<string, { literal: number[] }>) => ({
      tasks: [{ ...extract, expand: { type: "expand" as const, kwargs } }],
    });
    const [x, y] = [{ literal: [1] }, { literal: [2] }];
    expect(diff(mapped({ x, y }), mapped({ y, x })).tasks.changed).toMatchObject([
      { id: "extract", fields: [{ field: "expand" }] },
    ]);
    expect(diff({ tasks: [{ ...extract, input: { a: 1, b: 2 } }] }, { tasks: [{ ...extract, input: { b: 2, a: 1 } }] }))
      // Nobody can tell them apart.
      .toMatchObject({ is_same: true });
  });

  test("takes names that objects have by themselves for names", ({ expect }) => {
    const task = { task_id: "__proto__", handler: "h" };
    const found = diff(
      { tasks: [task], params: { toString: {} } },
      { tasks: [{ ...task, retries: 1 }], params: { constructor: {} } },
    );
    expect(found.tasks.changed).toMatchObject([{ id: "__proto__", fields: [{ field: "retries" }] }]);
    expect(found.params).toMatchObject({ added: ["constructor"], removed: ["toString"], changed: [] });
  });
});

const anySpec: fc.Arbitrary<Partial<DagSpecInput>> = fc.record(
  {
    description: fc.constantFrom(null, "a", "b"),
    tags: fc.array(fc.constantFrom("a", "b"), { maxLength: 2 }),
    catchup: fc.boolean(),
    params: fc.dictionary(
      fc.constantFrom("p", "q", "constructor"),
      fc.record({ default: anyJson }, { requiredKeys: [] }),
    ),
    task_groups: fc.uniqueArray(
      fc.record(
        { group_id: fc.constantFrom("g", "h"), tooltip: fc.constantFrom("x", "y") },
        { requiredKeys: ["group_id"] },
      ),
      { selector: ({ group_id }) => group_id },
    ),
    tasks: fc.uniqueArray(
      fc.record(
        {
          task_id: fc.constantFrom("t", "u", "v"),
          handler: fc.constantFrom("h", "i"),
          retries: fc.constantFrom(0, 1),
          input: anyJson,
          upstream_task_ids: fc.uniqueArray(fc.constantFrom("t", "u", "v")),
        },
        { requiredKeys: ["task_id", "handler"] },
      ),
      { selector: ({ task_id }) => task_id },
    ),
  },
  { requiredKeys: ["tasks"] },
);

/** A part with its changes made. */
function changed(part: object, fields: readonly FieldChange[]): Record<string, unknown> {
  const all = new Map(Object.entries(part));
  for (const change of fields) {
    if ("after" in change) {
      all.set(change.field, change.after);
    } else {
      all.delete(change.field);
    }
  }
  return Object.fromEntries(all);
}

/** Named parts with their changes made; what was added is taken from `after`. */
function patched<T extends object>(before: ReadonlyMap<string, T>, found: PartsDiff, after: ReadonlyMap<string, T>) {
  const parts = new Map<string, object>([...before].filter(([id]) => !found.removed.includes(id)));
  for (const { id, fields } of found.changed) {
    parts.set(id, changed(before.get(id) ?? {}, fields));
  }
  for (const id of found.added) {
    parts.set(id, after.get(id) ?? {});
  }
  return parts;
}

const byTask = ({ tasks }: DagSpec) => new Map(tasks.map((task) => [task.task_id, task]));
const byGroup = ({ task_groups }: DagSpec) => new Map(task_groups.map((group) => [group.group_id, group]));
const byParam = ({ params }: DagSpec) => new Map(Object.entries(params));
const edgeNames = ({ tasks }: DagSpec) =>
  tasks.flatMap(({ task_id, upstream_task_ids }) => upstream_task_ids.map((id) => `${id} > ${task_id}`));

test("whatever the two versions: there is no difference exactly if their hashes are equal", ({ expect }) => {
  let same = 0;
  fc.assert(
    fc.property(anySpec, anySpec, fc.boolean(), (one, other, isCopy) => {
      const before = parse(one);
      const after = isCopy ? structuredClone(before) : parse(other);
      const isSame = diffSpecs(before, after).is_same;
      expect(isSame).toBe(specHash(before) === specHash(after));
      same += isSame ? 1 : 0;
    }),
    { numRuns: 300 },
  );
  expect(same).toBeGreaterThan(50);
});

test("whatever the two versions: the older one with the changes made is the newer one", ({ expect }) => {
  fc.assert(
    fc.property(anySpec, anySpec, (one, other) => {
      const [before, after] = [parse(one), parse(other)];
      const found = diffSpecs(before, after);
      const { params: _p, tasks: _t, task_groups: _g, ...fields } = after;
      const { params: _q, tasks: _u, task_groups: _h, ...olderFields } = before;
      expect(changed(olderFields, found.fields)).toEqual(fields);
      expect(patched(byTask(before), found.tasks, byTask(after))).toEqual(byTask(after));
      expect(patched(byGroup(before), found.task_groups, byGroup(after))).toEqual(byGroup(after));
      expect(patched(byParam(before), found.params, byParam(after))).toEqual(byParam(after));
      const gone = new Set(found.edges.removed.map((edge) => `${edge.upstream_task_id} > ${edge.downstream_task_id}`));
      const come = found.edges.added.map((edge) => `${edge.upstream_task_id} > ${edge.downstream_task_id}`);
      expect(new Set([...edgeNames(before).filter((edge) => !gone.has(edge)), ...come])).toEqual(
        new Set(edgeNames(after)),
      );
    }),
    { numRuns: 300 },
  );
});

test("whatever the two versions: the other way round what was added is removed", ({ expect }) => {
  fc.assert(
    fc.property(anySpec, anySpec, (one, other) => {
      const there = diffSpecs(parse(one), parse(other));
      const back = diffSpecs(parse(other), parse(one));
      expect([back.tasks.added, back.tasks.removed]).toEqual([there.tasks.removed, there.tasks.added]);
      expect(new Set(back.edges.added.map(textOf))).toEqual(new Set(there.edges.removed.map(textOf)));
      expect(back.tasks.changed.map(({ id }) => id).toSorted()).toEqual(
        there.tasks.changed.map(({ id }) => id).toSorted(),
      );
      expect(back.fields.map(({ field, before, after }) => [field, after, before])).toEqual(
        there.fields.map(({ field, before, after }) => [field, before, after]),
      );
    }),
    { numRuns: 200 },
  );
});

function textOf(value: unknown): string {
  return JSON.stringify(value);
}
