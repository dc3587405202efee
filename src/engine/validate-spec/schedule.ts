/**
 * Checks of a DAG's schedule beside its other fields.
 *
 * @module
 */
import { resolveParams } from "../params.ts";
import type { DagSpec } from "../spec.ts";
import type { SpecError } from "./issues.ts";
import { preview } from "./issues.ts";

/** Checks dates, limits and params of a scheduled DAG. */
export function checkSchedule(spec: DagSpec): SpecError[] {
  const errors: SpecError[] = [];
  const { schedule, start_date: start, end_date: end } = spec;
  if (start !== null && end !== null && Date.parse(end) < Date.parse(start)) {
    errors.push({ path: ["end_date"], message: `expected a date that is not before start_date ${start}, got ${end}` });
  }
  if (schedule === null) {
    return errors;
  }
  if (schedule.type === "continuous") {
    if (spec.max_active_runs !== 1) {
      const message = `expected 1 for the schedule @continuous, got ${spec.max_active_runs}`;
      errors.push({ path: ["max_active_runs"], message });
    }
    if (start === null) {
      errors.push({ path: ["start_date"], message: "expected a date for the schedule @continuous, got null" });
    }
  }
  const params = resolveParams(spec.params, {});
  for (const { path, message } of params.ok ? [] : params.errors) {
    const place = preview(path[0] ?? "");
    errors.push({
      path: ["params", ...path],
      message: `expected a default, since scheduled runs bring none: ${place} ${message}`,
    });
  }
  return errors;
}
