/**
 * Reads the entries of a bulk submission. By hand, because thousands of them come in one request: a loop over plain
 * checks costs a fraction of a schema, which is only asked where an entry has a time.
 *
 * @module
 */
import type { BatchEntry } from "../engine/objects.ts";
import type { Json } from "../engine/spec.ts";
import { ApiError, problem, type Problem } from "./errors.ts";
import { exceedsBytes, PAYLOAD_BYTES } from "./limits.ts";
import { suggestion } from "./nearest.ts";
import { parseStart, startTime } from "./run-at.ts";
import { describeIssues, MAX_PROBLEMS } from "./validation.ts";

const FIELDS: ReadonlySet<string> = new Set(["name", "payload", "delay", "run_at"]);

/**
 * The entries, or an error that names the first ones that do not fit, as `tasks[17].name`.
 *
 * @throws ApiError 422, or 413 if a payload is too large.
 */
export function readEntries(tasks: readonly unknown[], known: ReadonlyMap<string, unknown>, now: number): BatchEntry[] {
  const entries: BatchEntry[] = [];
  const problems: Problem[] = [];
  for (let index = 0; index < tasks.length && problems.length < MAX_PROBLEMS; index += 1) {
    const entry = readEntry(tasks[index], index, known, now, problems);
    if (entry !== null) {
      entries.push(entry);
    }
  }
  if (problems.length > 0) {
    throw new ApiError(422, problems.slice(0, MAX_PROBLEMS));
  }
  return entries;
}

function readEntry(
  task: unknown,
  index: number,
  known: ReadonlyMap<string, unknown>,
  now: number,
  problems: Problem[],
): BatchEntry | null {
  const at = (field: string) => ["body", "tasks", index, field];
  if (typeof task !== "object" || task === null || Array.isArray(task)) {
    problems.push(problem(["body", "tasks", index], `tasks[${index}]: expected an object`, task, "object_type"));
    return null;
  }
  for (const field in task) {
    if (!FIELDS.has(field)) {
      const message = `tasks[${index}].${field}: expected only the fields ${[...FIELDS].join(", ")}`;
      problems.push(problem(at(field), message, Reflect.get(task, field), "extra_forbidden"));
      return null;
    }
  }
  const { name, payload = null, delay, run_at: runAt } = task as Partial<Record<string, Json>>;
  if (typeof name !== "string") {
    const type = name === undefined ? "missing" : "string_type";
    problems.push(problem(at("name"), `tasks[${index}].name: expected the name of a task`, name, type));
    return null;
  }
  if (!known.has(name)) {
    const expected = `tasks[${index}].name: expected the name of a registered task${suggestion(name, known)}`;
    problems.push(problem(at("name"), expected, name, "unknown_task"));
    return null;
  }
  if (exceedsBytes(JSON.stringify(payload), PAYLOAD_BYTES)) {
    throw new ApiError(413, `tasks[${index}].payload: expected at most ${PAYLOAD_BYTES} bytes of JSON, got more`);
  }
  if (delay === undefined && runAt === undefined) {
    return { name, payload, runAt: null };
  }
  const start = parseStart({ delay, run_at: runAt });
  if (!start.success) {
    for (const found of describeIssues(start.error.issues, "body", { delay, run_at: runAt })) {
      const loc = ["body", "tasks", index, ...found.loc.slice(1)];
      problems.push({ ...found, loc, msg: `tasks[${index}].${found.loc.slice(1).join(".")}: ${found.msg}` });
    }
    return null;
  }
  return { name, payload, runAt: startTime(start.data, now, ["body", "tasks", index]) };
}
