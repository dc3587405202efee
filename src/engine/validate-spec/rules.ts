/**
 * Checks of what a field may say beside others: trigger rules, setups and teardowns, operators, params, the webhook.
 *
 * @module
 */
import { validateParamSpecs } from "../params.ts";
import { LIMITS } from "../spec.ts";
import type { DagSpec, TaskSpec } from "../spec.ts";
import type { SpecIndex } from "./graph.ts";
import type { SpecError } from "./issues.ts";
import { preview } from "./issues.ts";

/** Checks each task alone and beside what is directly upstream of it. */
export function checkTasks(index: SpecIndex): SpecError[] {
  return index.spec.tasks.flatMap((task, position) => {
    const at = ["tasks", position];
    return [
      ...checkFailFast(index.spec, task, at),
      ...checkSetupTeardown(index, task, position),
      ...checkOperator(task, at),
      ...checkParamRefs(index, position),
    ];
  });
}

/** With `fail_fast` the run ends at the first failure, so that no rule may wait for one. */
function checkFailFast(spec: DagSpec, task: TaskSpec, at: (string | number)[]): SpecError[] {
  const allowed = task.is_teardown ? ["all_success", "all_done_setup_success"] : ["all_success"];
  return !spec.fail_fast || allowed.includes(task.trigger_rule)
    ? []
    : [
        {
          path: [...at, "trigger_rule"],
          message: `expected ${allowed.join(" or ")} in a fail_fast DAG, got ${preview(task.trigger_rule)}`,
        },
      ];
}

function checkSetupTeardown(index: SpecIndex, task: TaskSpec, position: number): SpecError[] {
  const at = ["tasks", position];
  const errors: SpecError[] = [];
  if (task.is_setup && task.is_teardown) {
    errors.push({ path: [...at, "is_teardown"], message: "expected a setup or a teardown, got both" });
  }
  if (task.on_failure_fail_dagrun && !task.is_teardown) {
    const message = "expected true only for a teardown, got true for a task that is none";
    errors.push({ path: [...at, "on_failure_fail_dagrun"], message });
  }
  if (!task.is_teardown && task.trigger_rule !== "all_success") {
    for (const id of index.upstream[position] ?? []) {
      if (index.tasks.get(id)?.task.is_setup === true) {
        const message = `expected all_success directly downstream of the setup ${preview(id)}, got ${preview(task.trigger_rule)}`;
        errors.push({ path: [...at, "trigger_rule"], message });
      }
    }
  }
  return errors;
}

function checkOperator(task: TaskSpec, at: (string | number)[]): SpecError[] {
  return task.operator !== "short_circuit" && !task.ignore_downstream_trigger_rules
    ? [
        {
          path: [...at, "ignore_downstream_trigger_rules"],
          message: `expected false only for the operator short_circuit, got false for ${preview(task.operator)}`,
        },
      ]
    : [];
}

function checkParamRefs(index: SpecIndex, position: number): SpecError[] {
  const declared = Object.keys(index.spec.params);
  return (index.refs[position] ?? []).flatMap(({ ref, path }) => {
    const name = ref.$ref === "params" ? ref.path?.[0] : undefined;
    return name === undefined || declared.includes(String(name))
      ? []
      : [
          {
            path: [...path, "path", 0],
            message: `expected a param of this DAG (${declared.join(", ") || "it has none"}), got ${preview(name)}`,
          },
        ];
  });
}

/** Checks the fields of the DAG itself. */
export function checkDag(spec: DagSpec): SpecError[] {
  const errors: SpecError[] = validateParamSpecs(spec.params).map(({ path, message }) => ({
    path: ["params", ...path],
    message,
  }));
  if (spec.task_groups.length > LIMITS.tasksPerDag) {
    const message = `expected at most ${LIMITS.tasksPerDag} task groups, got ${spec.task_groups.length}`;
    errors.push({ path: ["task_groups"], message });
  }
  const webhook = spec.webhook;
  if (webhook?.provider === "hmac" && webhook.signature_header === undefined) {
    const message = "expected the name of the header with the signature for the provider hmac, got nothing";
    errors.push({ path: ["webhook", "signature_header"], message });
  }
  for (const field of ["signature_header", "timestamp_header", "delivery_header"] as const) {
    if (webhook !== undefined && webhook.provider !== "hmac" && webhook[field] !== undefined) {
      const message = `expected this only for the provider hmac (${webhook.provider} has its own headers), got ${preview(webhook[field])}`;
      errors.push({ path: ["webhook", field], message });
    }
  }
  return errors;
}
