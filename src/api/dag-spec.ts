/**
 * A DAG's spec as it comes over HTTP: checked as a whole, and against the tasks that this Worker has.
 *
 * @module
 */
import { specToStore } from "../engine/canonical-hash.ts";
import type { DagSpec, TaskSpec } from "../engine/spec.ts";
import { UNKNOWN_FIELD, validateDagSpec, type SpecError, type SpecValidation } from "../engine/validate-spec.ts";
import { refuseTooMany } from "./dag-spec-limits.ts";
import type { ApiRegistry } from "./env.ts";
import { ApiError, invalid, problem, type Problem } from "./errors.ts";
import { exceedsBytes } from "./limits.ts";
import { suggestion } from "./nearest.ts";
import { MAX_PROBLEMS } from "./validation.ts";

/** Bytes of a spec as it is stored, without its defaults: it is one row, and the platform's rows have 2 MB. */
export const SPEC_BYTES = 1_800_000;

/** A body: an object with any fields. */
export type RawSpec = Record<string, unknown>;

/**
 * The canonical spec of the DAG `dagId`. A `dag_id` that is left out is that of the path, an `operator` that of the
 * task's handler.
 *
 * @throws ApiError 422 that lists what does not fit, 413 if it is too large to be stored.
 */
export function readDagSpec(dagId: string, raw: RawSpec, tasks: ApiRegistry["tasks"]): DagSpec {
  if (raw["dag_id"] !== undefined && raw["dag_id"] !== dagId) {
    throw invalid(["body", "dag_id"], `expected the id in the path (${dagId.slice(0, 250)}), or none`, raw["dag_id"]);
  }
  refuseTooMany(raw);
  const validation = validate({ ...raw, dag_id: dagId, ...withOperators(raw["tasks"], tasks) });
  if (!validation.ok) {
    const problems = validation.errors.slice(0, MAX_PROBLEMS).map(specProblem);
    throw new ApiError(422, problems);
  }
  const { spec } = validation;
  const problems = handlerProblems(spec.tasks, tasks);
  if (problems.length > 0) {
    throw new ApiError(422, problems);
  }
  if (exceedsBytes(JSON.stringify(specToStore(spec)), SPEC_BYTES)) {
    throw new ApiError(413, `expected a spec of at most ${SPEC_BYTES} bytes as it is stored, got more`);
  }
  return spec;
}

function validate(input: unknown): SpecValidation {
  try {
    return validateDagSpec(input);
  } catch (error) {
    // Problems of parts are handed up as arguments of a call, and a call takes only so many.
    if (error instanceof RangeError) {
      return {
        ok: false,
        errors: [{ path: [], message: "expected a spec with fewer problems, got too many to list" }],
      };
    }
    throw error;
  }
}

function specProblem({ path, message }: SpecError): Problem {
  const type = message.startsWith(UNKNOWN_FIELD)
    ? "extra_forbidden"
    : message.endsWith("got nothing")
      ? "missing"
      : "value_error";
  return { loc: ["body", ...path], msg: message, type };
}

/** The raw tasks, each with the operator of its handler unless it names one. */
function withOperators(rawTasks: unknown, tasks: ApiRegistry["tasks"]): { tasks?: unknown[] } {
  if (!Array.isArray(rawTasks)) {
    return {};
  }
  return {
    tasks: rawTasks.map((task: unknown) => {
      if (
        typeof task !== "object" ||
        task === null ||
        Array.isArray(task) ||
        Reflect.get(task, "operator") !== undefined
      ) {
        return task;
      }
      const handler: unknown = Reflect.get(task, "handler");
      const operator = typeof handler === "string" ? tasks.get(handler)?.operator : undefined;
      return operator === undefined ? task : { ...task, operator };
    }),
  };
}

/** The first tasks whose handler is not there, or is of another operator. */
function handlerProblems(specs: readonly TaskSpec[], tasks: ApiRegistry["tasks"]): Problem[] {
  const problems: Problem[] = [];
  for (const [index, { handler, operator }] of specs.entries()) {
    if (operator === "empty" || operator === "latest_only") {
      continue;
    }
    const registered = tasks.get(handler);
    if (registered === undefined) {
      const expected = `expected the name of a registered task${suggestion(handler, tasks)}`;
      problems.push(problem(["body", "tasks", index, "handler"], expected, handler, "unknown_task"));
    } else if (registered.operator !== operator) {
      const expected = `expected ${JSON.stringify(registered.operator)}, the operator of the task ${JSON.stringify(handler)}`;
      problems.push(problem(["body", "tasks", index, "operator"], expected, operator));
    }
    if (problems.length === MAX_PROBLEMS) {
      break;
    }
  }
  return problems;
}
