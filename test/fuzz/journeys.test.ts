/**
 * What was accepted can be used: a DAG that was registered, however odd its spec, can be shown, run and deleted; a run can
 * be found under its id, a value read back as it was given, and a job found by its payload's submission.
 */
import fc from "fast-check";
import { beforeAll, describe, it } from "vitest";
import { KEY, ORDERS } from "../contract/scene.ts";
import { ECHO } from "../workers/registry.ts";
import { freshSource, JSON_TYPE, prepare, seed, send } from "./harness.ts";
import type { Ids } from "./requests.ts";
import { anyText, anyValue, HOSTILE_VALUES } from "./values.ts";

const API = "/api/v2";

beforeAll(prepare);

/** Sends a request with the key. */
function ask(method: string, path: string, value?: unknown): Promise<{ status: number; text: string }> {
  const body = value === undefined ? null : JSON.stringify(value);
  const headers = { authorization: `Bearer ${KEY}`, ...(body === null ? {} : JSON_TYPE) };
  return send({ call: `${method} ${path}`, kind: "valid", method, path, headers, body });
}

/** A segment of a path. */
function segment(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

/** Texts that a path can name: dots alone walk up in it, however they are written. */
const nameable = anyText.filter((text) => text !== "." && text !== "..");

/** @throws Error that shows the answer, if it is another one. */
function demand(what: string, isSo: boolean, answer: { status: number; text: string }): void {
  if (!isSo) {
    throw new Error(`expected ${what}, got ${answer.status} ${answer.text.slice(0, 500)}`);
  }
}

/** JSON text, for comparison: what is no JSON, such as -0, is what it becomes. */
function sameJson(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}

/** Schemas of params that somebody may give, many of them wrong in a way only their use shows. */
const PARAM_SCHEMAS: readonly unknown[] = [
  {},
  { type: "integer", minimum: 0 },
  { type: "nonsense" },
  { type: ["string", "null"], pattern: "(" },
  { pattern: "^(a+)+$" },
  { pattern: "\\p{Letter}" },
  { $ref: "#/nowhere" },
  { $ref: "#" },
  { $ref: "https://example.com/schema.json" },
  { $defs: { a: { $ref: "#/$defs/a" } }, $ref: "#/$defs/a" },
  { enum: [] },
  { enum: "no list" },
  { minimum: "none" },
  { multipleOf: 0 },
  { format: "date-time" },
  { format: "no such format" },
  { required: "name" },
  { properties: { __proto__: { type: "string" } } },
  { items: [{ type: "string" }], uniqueItems: true },
  { allOf: [{ not: {} }] },
  { not: true },
  { if: {}, then: false },
  { dependentRequired: { a: ["b"] } },
  { maxLength: -1 },
  { minItems: 1e308 },
];

const inputs: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  anyValue,
  fc.constantFrom(
    { $ref: "params", path: ["year"] },
    { $ref: "params", path: ["__proto__", 0] },
    { $ref: "xcom", task_id: "a", key: "__proto__", path: ["constructor"] },
    { $ref: "run", field: "logical_date" },
    { a: [{ $ref: "run", field: "conf" }] },
  ),
);

/** Texts that names may be, beside ids. */
const names = anyText.filter((text) => text !== "" && text.length <= 100);

const TASK_IDS = ["a", "b", "c", "g.d"];

/** Tasks of which most fit together: each has an id of its own and comes after some of those before it. */
const tasks = fc
  .array(
    fc.record(
      {
        task_id: fc.oneof({ weight: 19, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: anyText }),
        handler: fc.constantFrom(ECHO, ECHO, ECHO, "no_such_handler"),
        operator: fc.constantFrom("task", "task", "task", "latest_only", "empty"),
        input: inputs,
        upstream_task_ids: fc.array(fc.nat({ max: 2 }), { maxLength: 2 }),
        trigger_rule: fc.constantFrom("all_success", "all_success", "always", "none_failed", "one_done", "all_skipped"),
        retries: fc.constantFrom(0, 1, 1000),
        retry_delay: fc.constantFrom(0, 0.001, 31_536_000),
        retry_exponential_backoff: fc.constantFrom(0, 2, 100),
        execution_timeout: fc.constantFrom(null, 0.001, 5),
        is_setup: fc.boolean(),
        expand: fc.constantFrom(
          { type: "expand", kwargs: { n: { literal: [] } } },
          { type: "expand", kwargs: { n: { literal: [1, null, "x"] } } },
          { type: "expand", kwargs: { n: { literal: [1] }, __proto__: { literal: [1] } } },
          { type: "expand", kwargs: { n: { zip: [{ literal: [1] }, { $ref: "params", path: ["year"] }] } } },
          { type: "expand_kwargs", source: { literal: [{ n: 1 }, { m: 2 }] } },
          { type: "expand_kwargs", source: { concat: [{ literal: [1] }, { literal: { a: 1 } }] } },
        ),
        doc_md: anyText,
      },
      { requiredKeys: ["task_id", "handler", "upstream_task_ids"] },
    ),
    { maxLength: TASK_IDS.length },
  )
  .map((list) =>
    list.map((one, index) => ({
      ...one,
      task_id: one.task_id ?? TASK_IDS[index],
      upstream_task_ids: [...new Set(one.upstream_task_ids)].flatMap((n) => (n < index ? (TASK_IDS[n] ?? []) : [])),
      ...(TASK_IDS[index] === "g.d" ? { task_group_id: "g" } : {}),
    })),
  );

const specs = fc.record(
  {
    dag_id: fc.constant("odd"),
    description: fc.oneof(fc.constant(null), anyText),
    doc_md: anyText,
    tags: fc.array(names, { maxLength: 2 }),
    owner: names,
    is_paused_upon_creation: fc.boolean(),
    fail_fast: fc.nat({ max: 9 }).map((dice) => dice === 0),
    dagrun_timeout: fc.constantFrom(null, 0.001, 60),
    max_map_length: fc.constantFrom(1, 1024),
    params: fc.dictionary(
      fc.oneof(
        { weight: 9, arbitrary: fc.constantFrom("year", "constructor", "a b", "\u0000") },
        { weight: 1, arbitrary: fc.constant("__proto__") },
      ),
      fc.record({ default: anyValue, schema: fc.constantFrom(...PARAM_SCHEMAS) }, { requiredKeys: ["schema"] }),
      { maxKeys: 2 },
    ),
    task_groups: fc.constantFrom([{ group_id: "g" }], [{ group_id: "g", tooltip: "\u0000" }]),
    tasks,
  },
  { requiredKeys: ["dag_id", "tasks", "params"] },
);

const confs = fc.oneof(
  fc.constantFrom({}, { year: 2026 }, { year: "2026" }, { year: null }, { year: "a".repeat(40) + "!" }),
  fc.dictionary(anyText, anyValue, { maxKeys: 3 }),
);

/** Counts what came of the tries, so that no journey passes by getting nowhere. */
function counter(): { begun: number; arrived: number } {
  return { begun: 0, arrived: 0 };
}

async function travel<T>(
  arbitrary: fc.Arbitrary<T>,
  numRuns: number,
  journey: (one: T) => Promise<void>,
): Promise<void> {
  await fc.assert(fc.asyncProperty(arbitrary, journey), { numRuns, seed });
}

function thing({ things }: { things: readonly Ids[] }, taskId: string): string {
  const found = things.find((one) => one["dag_id"] === ORDERS && one["task_id"] === taskId);
  return `${API}/dags/${ORDERS}/dagRuns/${segment(found?.["dag_run_id"] ?? "")}/taskInstances/${taskId}`;
}

describe(`with the seed ${seed}, what was accepted`, () => {
  it("as a DAG can be shown, run and deleted", async ({ expect }) => {
    await freshSource();
    const count = counter();
    await travel(fc.tuple(specs, confs), 400, async ([spec, conf]) => {
      const put = await ask("PUT", `${API}/dags/odd`, spec);
      if (put.status >= 300) {
        return;
      }
      count.begun += 1;
      for (const path of ["", "/details", "/tasks", "/dagVersions", "/dagRuns"]) {
        const shown = await ask("GET", `${API}/dags/odd${path}`);
        demand(`GET odd${path} to show it`, shown.status === 200, shown);
      }
      const run = await ask("POST", `${API}/dags/odd/dagRuns`, { logical_date: null, dag_run_id: "r", conf });
      demand("a run, or a refusal of the conf", [200, 400].includes(run.status), run);
      if (run.status === 200) {
        count.arrived += 1;
        for (const path of ["", "/taskInstances", "/clear"]) {
          const answer = await ask(
            path === "/clear" ? "POST" : "GET",
            `${API}/dags/odd/dagRuns/r${path}`,
            path === "/clear" ? { dry_run: false } : undefined,
          );
          demand(`odd's run${path} to answer`, answer.status === 200, answer);
        }
        const marked = await ask("PATCH", `${API}/dags/odd/dagRuns/r`, { state: "failed" });
        demand("the run to be marked", marked.status === 200, marked);
      }
      const deleted = await ask("DELETE", `${API}/dags/odd`);
      demand("the DAG to be deleted", deleted.status === 204, deleted);
    });
    expect(count.begun).toBeGreaterThan(20);
    expect(count.arrived).toBeGreaterThan(10);
  });

  it("as a run's id finds that run", async ({ expect }) => {
    await freshSource();
    const count = counter();
    const ids = fc.oneof(
      anyText,
      fc.string({ unit: fc.constantFrom("a", "Z", "9", "_", ".", "~", ":", "+", "-"), minLength: 1, maxLength: 12 }),
    );
    await travel(fc.tuple(ids, anyText), 200, async ([runId, note]) => {
      const body = { logical_date: null, dag_run_id: runId, note };
      const made = await ask("POST", `${API}/dags/${ORDERS}/dagRuns`, body);
      count.begun += 1;
      if (made.status !== 200) {
        return;
      }
      count.arrived += 1;
      const path = `${API}/dags/${ORDERS}/dagRuns/${segment(runId)}`;
      const found = await ask("GET", path);
      const { dag_run_id: foundId, note: foundNote } = JSON.parse(found.text) as Record<string, unknown>;
      demand(
        "the run under its id, with its note",
        foundId === runId && foundNote === (note === "" ? null : note),
        found,
      );
      // It waits for work that nobody does here; what is marked is over and may go.
      await ask("PATCH", path, { state: "failed" });
      const deleted = await ask("DELETE", path);
      demand("the run to be deleted", deleted.status === 204, deleted);
    });
    expect(count.arrived).toBeGreaterThan(100);
  });

  it("as a value is read as it was given", async ({ expect }) => {
    const source = await freshSource();
    const at = `${thing(source, "total")}/xcomEntries`;
    const count = counter();
    await travel(fc.tuple(nameable, anyValue, anyValue), 250, async ([key, first, second]) => {
      const made = await ask("POST", at, { key, value: first });
      count.begun += 1;
      if (made.status !== 201) {
        return;
      }
      const path = `${at}/${segment(key)}`;
      for (const value of [first, second]) {
        if (value === second) {
          const patched = await ask("PATCH", path, { value });
          demand("the value to be replaced", patched.status === 200, patched);
        }
        const read = await ask("GET", path);
        const { value: given } = JSON.parse(read.text) as Record<string, unknown>;
        demand(`the value ${JSON.stringify(value)}`, read.status === 200 && sameJson(given, value), read);
      }
      const deleted = await ask("DELETE", path);
      demand("the value to be deleted", deleted.status === 204, deleted);
      count.arrived += 1;
    });
    expect(count.arrived).toBeGreaterThan(50);
  });

  it("as a task of any payload is a job", async ({ expect }) => {
    await freshSource();
    const count = counter();
    await travel(fc.oneof(anyValue, fc.constantFrom(...HOSTILE_VALUES)), 150, async (payload) => {
      const made = await ask("POST", `/tasks/${ECHO}`, { payload });
      count.begun += 1;
      if (made.status !== 202) {
        return;
      }
      count.arrived += 1;
      const { id } = JSON.parse(made.text) as { id: string };
      const found = await ask("GET", `/jobs/${id}`);
      demand("the job", found.status === 200 && (JSON.parse(found.text) as { id: string }).id === id, found);
      const killed = await ask("POST", `/jobs/${id}/kill`, {});
      demand("the job to be killed", killed.status === 200, killed);
    });
    expect(count.arrived).toBeGreaterThan(100);
  });
});
