/**
 * A query for task instances: its filter and its order over rows, whether they come from memory or from storage.
 *
 * @module
 */
import { DEFAULT_POOL } from "../../src/engine/permits/names.ts";
import { isInRange } from "../../src/engine/range.ts";
import { matchesPattern } from "../../src/engine/like.ts";
import type { TaskInstanceFilter } from "../../src/engine/objects.ts";
import { queueShown, rowPlace } from "../../src/engine/queue-spread.ts";
import type { TaskSpec } from "../../src/engine/spec.ts";
import type { TaskInstanceRow } from "../../src/engine/task-instance.ts";
import type { RunRow } from "./storage.ts";

/** One task instance with what it hangs on. */
export interface Listed {
  run: RunRow;
  /** Position of its task in the spec. */
  taskIndex: number;
  spec: TaskSpec;
  /** Groups its task is in, inner and outer. */
  groups: ReadonlySet<string>;
  row: TaskInstanceRow;
}

/** Says whether a task instance fits a filter; that of its run has been judged already. */
export function fitsFilter({ run, spec, groups, row }: Listed, filter: TaskInstanceFilter): boolean {
  return (
    row.deleted === 0 &&
    isOneOf(row.task_id, filter.task_ids) &&
    isOneOf(row.state ?? "none", filter.state) &&
    isOneOf(row.map_index, filter.map_index) &&
    isOneOf(row.try_number, filter.try_number) &&
    isOneOf(spec.operator, filter.operator) &&
    isOneOf(spec.pool ?? DEFAULT_POOL, filter.pool) &&
    (filter.queue === undefined || filter.queue.includes(queueOfRow(run, spec, row))) &&
    isOneOf(null, filter.executor) &&
    isOneOf(run.version_number, filter.dag_version) &&
    (filter.task_group_id === undefined || groups.has(filter.task_group_id)) &&
    isLike(row.task_id, filter.task_display_name_pattern) &&
    isLike(spec.operator, filter.operator_name_pattern) &&
    isLike(spec.pool ?? DEFAULT_POOL, filter.pool_name_pattern) &&
    (filter.queue_name_pattern === undefined || isLike(queueOfRow(run, spec, row), filter.queue_name_pattern)) &&
    isInRange(row.start_date, filter.start_date) &&
    isInRange(row.end_date, filter.end_date) &&
    isInRange(durationOf(row), filter.duration)
  );
}

function queueOfRow(run: RunRow, { queue }: TaskSpec, row: TaskInstanceRow): string {
  return queueShown(queue, rowPlace(run.run_id, row));
}

function isOneOf(value: string | number | null, wanted: readonly (string | number)[] | undefined): boolean {
  return wanted === undefined || (value !== null && wanted.includes(value));
}

function isLike(text: string, pattern: string | undefined): boolean {
  return pattern === undefined || matchesPattern(text, pattern);
}

/** Seconds, as filters have them. */
function durationOf({ start_date: start, end_date: end }: TaskInstanceRow): number | null {
  return start === null || end === null ? null : (end - start) / 1000;
}

type Sortable = string | number | null;

const KEYS: Readonly<Record<string, (listed: Listed) => Sortable>> = {
  id: ({ taskIndex }) => taskIndex,
  task_id: ({ row }) => row.task_id,
  map_index: ({ row }) => row.map_index,
  state: ({ row }) => row.state,
  start_date: ({ row }) => row.start_date,
  end_date: ({ row }) => row.end_date,
  duration: ({ row }) => durationOf(row),
  try_number: ({ row }) => row.try_number,
  operator: ({ spec }) => spec.operator,
  queued_when: ({ row }) => row.queued_when,
  scheduled_when: ({ row }) => row.scheduled_when,
  run_id: ({ run }) => run.run_id,
  logical_date: ({ run }) => run.logical_date,
  run_after: ({ run }) => run.run_after,
  data_interval_start: ({ run }) => run.data_interval_start,
  data_interval_end: ({ run }) => run.data_interval_end,
};

/**
 * The order of a list; nulls last, or first if descending. Ties, and lists without an order: run, task, map index, the way the
 * first key goes.
 */
export function listedOrder(orderBy: readonly string[]): (a: Listed, b: Listed) => number {
  const keys = orderBy.flatMap((key) => {
    const read = KEYS[key.replace(/^-/, "")];
    return read === undefined ? [] : [{ read, sign: key.startsWith("-") ? -1 : 1 }];
  });
  const ties = keys[0]?.sign ?? 1;
  return (a, b) => {
    for (const { read, sign } of keys) {
      const order = compare(read(a), read(b));
      if (order !== 0) {
        return order * sign;
      }
    }
    return ties * (a.run.id - b.run.id || a.taskIndex - b.taskIndex || a.row.map_index - b.row.map_index);
  };
}

function compare(a: Sortable, b: Sortable): number {
  if (a === b) {
    return 0;
  }
  if (a === null || b === null) {
    return a === null ? 1 : -1;
  }
  return a < b ? -1 : 1;
}
