/**
 * A query for runs: what SQL can filter and order by as SQL, of known names only, and the rest as a predicate.
 *
 * @module
 */
import { matchesPattern } from "../../src/engine/like.ts";
import type { Range, RunFilter } from "../../src/engine/objects.ts";
import type { RunSketch } from "./storage.ts";

const DURATION = "((end_date - start_date) / 1000.0)";

/** Columns runs may be ordered by; anything else was refused before it came here. */
const ORDER: Readonly<Record<string, string>> = {
  id: "id",
  run_id: "run_id",
  run_after: "run_after",
  logical_date: "logical_date",
  start_date: "start_date",
  end_date: "end_date",
  updated_at: "updated_at",
  state: "state",
  conf: "conf",
  duration: DURATION,
};

const RANGES = {
  run_after: "run_after",
  logical_date: "logical_date",
  start_date: "start_date",
  end_date: "end_date",
  updated_at: "updated_at",
  duration: DURATION,
} as const satisfies Partial<Record<keyof RunFilter, string>>;

const COMPARISONS = { gte: ">=", gt: ">", lte: "<=", lt: "<" } as const satisfies Record<keyof Range, string>;

/** The ORDER BY of a list of runs: nulls last, or first if descending; the sequence number breaks ties, the way the first key goes. */
export function runOrder(orderBy: readonly string[]): string {
  const parts = orderBy.flatMap((key) => {
    const column = ORDER[key.replace(/^-/, "")];
    return column === undefined
      ? []
      : [key.startsWith("-") ? `${column} DESC NULLS FIRST` : `${column} ASC NULLS LAST`];
  });
  return [...parts, orderBy[0]?.startsWith("-") === true ? "id DESC" : "id ASC"].join(", ");
}

/** The WHERE of a filter with its bindings. */
export function runWhere(filter: RunFilter): { where: string; bindings: SqlStorageValue[] } {
  const clauses = ["true"];
  const bindings: SqlStorageValue[] = [];
  const oneOf = (column: string, values: readonly (string | number)[] | undefined): void => {
    if (values !== undefined) {
      clauses.push(`${column} IN (SELECT value FROM json_each(?))`);
      bindings.push(JSON.stringify(values));
    }
  };
  oneOf("run_id", filter.run_ids);
  oneOf("state", filter.state);
  oneOf("run_type", filter.run_type);
  oneOf("version_number", filter.dag_version);
  for (const [field, column] of Object.entries(RANGES)) {
    const range = filter[field as keyof typeof RANGES] ?? {};
    for (const [bound, sign] of Object.entries(COMPARISONS)) {
      const value = range[bound as keyof Range];
      if (value !== undefined) {
        clauses.push(`${column} ${sign} ?`);
        bindings.push(value);
      }
    }
  }
  return { where: clauses.join(" AND "), bindings };
}

/** Says whether a run fits what SQL does not filter by: patterns are longer than the platform's LIKE takes. */
export function fitsPatterns(run: RunSketch, filter: RunFilter): boolean {
  const { run_id_pattern: runId, triggering_user_name_pattern: user, conf_contains: conf } = filter;
  return (
    (runId === undefined || matchesPattern(run.run_id, runId)) &&
    (user === undefined || matchesPattern(run.triggering_user_name ?? "", user)) &&
    (conf === undefined || run.conf.toLowerCase().includes(conf.toLowerCase()))
  );
}
