/**
 * Checks a DAG's spec as a whole and gives it back in one canonical form. Everything that compiles or registers a DAG
 * comes through here, so that a run never meets a spec that does not hold together.
 *
 * @module
 */
import { dagSpecSchema } from "./spec.ts";
import type { DagSpec } from "./spec.ts";
import { findCycles } from "./validate-spec/cycles.ts";
import { indexSpec } from "./validate-spec/graph.ts";
import type { SpecIndex } from "./validate-spec/graph.ts";
import { describeIssue, findUnsafe, isRecord } from "./validate-spec/issues.ts";
import type { SpecError } from "./validate-spec/issues.ts";
import { checkMapping } from "./validate-spec/mapping.ts";
import { checkDag, checkTasks } from "./validate-spec/rules.ts";
import { checkSchedule } from "./validate-spec/schedule.ts";

export type { SpecError } from "./validate-spec/issues.ts";
export { UNKNOWN_FIELD } from "./validate-spec/issues.ts";

/** A canonical spec, or every problem that was found. */
export type SpecValidation = { ok: true; spec: DagSpec } | { ok: false; errors: SpecError[] };

/**
 * Checks a spec and fills its defaults. In the spec it returns, `upstream_task_ids` also names every task that an input
 * or an expansion refers to (what feeds a mapped group comes before the group's roots), sorted and without repetition.
 *
 * Problems of shape (types, unknown fields, limits of single fields) are reported first; only a spec of the right shape
 * is checked for what it means. Handlers are not looked up: the spec alone does not know which are registered.
 *
 * @example
 * const result = validateDagSpec({ dag_id: "etl", tasks: [{ task_id: "a", handler: "a", upstream_task_ids: ["b"] }] });
 * // { ok: false, errors: [{ path: ["tasks", 0, "upstream_task_ids", 0], message: 'expected the id of … got "b"' }] }
 */
export function validateDagSpec(input: unknown): SpecValidation {
  const unsafe = findUnsafe(input);
  if (unsafe.length > 0) {
    return { ok: false, errors: unsafe };
  }
  const parsed = dagSpecSchema.safeParse(input);
  if (!parsed.success) {
    return { ok: false, errors: parsed.error.issues.flatMap((issue) => describeIssue(issue, input)) };
  }
  const { index, errors } = indexSpec(withTeardownRules(parsed.data, input));
  errors.push(
    ...checkDag(index.spec),
    ...checkSchedule(index.spec),
    ...checkTasks(index),
    ...checkMapping(index),
    ...checkCycles(index),
  );
  return errors.length > 0 ? { ok: false, errors } : { ok: true, spec: canonical(index) };
}

/** A teardown that names no rule runs by its own default; zod has filled in the ordinary one by now. */
function withTeardownRules(spec: DagSpec, input: unknown): DagSpec {
  const rawTasks = isRecord(input) && Array.isArray(input["tasks"]) ? input["tasks"] : [];
  return {
    ...spec,
    tasks: spec.tasks.map((task, position) => {
      const raw: unknown = rawTasks[position];
      const named = isRecord(raw) && raw["trigger_rule"] !== undefined;
      return task.is_teardown && !named ? { ...task, trigger_rule: "all_done_setup_success" } : task;
    }),
  };
}

function checkCycles(index: SpecIndex): SpecError[] {
  const upstreamOf = (id: string): ReadonlySet<string> => {
    const position = index.tasks.get(id)?.position;
    return (position === undefined ? undefined : index.upstream[position]) ?? new Set();
  };
  return findCycles([...index.tasks.keys()], upstreamOf).map((cycle) => ({
    path: ["tasks", index.tasks.get(cycle[0] ?? "")?.position ?? 0, "upstream_task_ids"],
    message: `expected no cycle, got ${[...cycle, ...cycle.slice(0, 1)].join(" -> ")}`,
  }));
}

function canonical(index: SpecIndex): DagSpec {
  return {
    ...index.spec,
    tasks: index.spec.tasks.map((task, position) => ({
      ...task,
      // As Airflow: who waits for what is downstream of its past waits for its past too.
      depends_on_past: task.depends_on_past || task.wait_for_downstream,
      upstream_task_ids: [...(index.upstream[position] ?? [])].toSorted(),
    })),
  };
}
