/**
 * Values that task instances left: `return_value` lies beside its instance, every other key in `xcom`.
 *
 * @module
 */
import { matchesPattern } from "../../src/engine/like.ts";
import type { Page, Range, XComQuery, XComView } from "../../src/engine/objects.ts";
import type { Report, StoredValue, TaskInstanceKey } from "../../src/engine/work.ts";
import { PayloadStorage } from "../payload-storage.ts";
import type { Sql } from "./sql.ts";

/** A task instance of a run. */
type Place = Pick<TaskInstanceKey, "task_id" | "map_index">;

/** Every value there is; of what a handler returned nothing tells the time but the end of its task instance. */
const ENTRIES = `SELECT dag_run_id, task_id, map_index, 'return_value' AS key, coalesce(end_date, start_date) AS timestamp
    FROM task_instance WHERE value IS NOT NULL OR value_r2 IS NOT NULL
  UNION ALL SELECT dag_run_id, task_id, map_index, key, nullif(timestamp, 0) FROM xcom`;

/** Ids of tasks of any version. */
const TASK_IDS = `SELECT DISTINCT json_extract(task.value, '$.task_id')
  FROM dag_version, json_each(dag_version.spec, '$.tasks') AS task`;

const BOUNDS = [
  ["gte", ">="],
  ["gt", ">"],
  ["lte", "<="],
  ["lt", "<"],
] as const satisfies readonly (readonly [keyof Range, string])[];

/** Columns that values may be ordered by; anything else was refused before it came here. */
const ORDER: Readonly<Record<string, string>> = {
  key: "x.key",
  run_id: "r.run_id",
  task_id: "x.task_id",
  map_index: "x.map_index",
  timestamp: "timestamp",
  run_after: "r.run_after",
};

/** The values of one `Dag` object. */
export class XComStorage {
  /** Where large ones lie, and which of them are to be deleted there. */
  readonly payloads: PayloadStorage;
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
    this.payloads = new PayloadStorage(sql);
  }

  /** A value one instance left, under `return_value` or another key; null if there is none. */
  value(id: number, taskId: string, mapIndex: number, key: string): StoredValue | null {
    const columns = "SELECT value, value_r2 FROM";
    const where = "WHERE dag_run_id = ? AND task_id = ? AND map_index = ?";
    const cursor =
      key === "return_value"
        ? this.#sql.query(`${columns} task_instance ${where}`, id, taskId, mapIndex)
        : this.#sql.query(`${columns} xcom ${where} AND key = ?`, id, taskId, mapIndex, key);
    for (const [value, r2] of cursor.raw()) {
      return storedValue(value, r2);
    }
    return null;
  }

  /** Values of all instances of a mapped task that left one, by map index. */
  values(id: number, taskId: string, key: string): { mapIndex: number; value: StoredValue }[] {
    return [...this.eachValue(id, taskId, key)];
  }

  /** The same one after the other, for who may not hold all of them. Read it before anything is written. */
  *eachValue(
    id: number,
    taskId: string,
    key: string,
  ): Generator<{ mapIndex: number; value: StoredValue }, void, undefined> {
    const table = key === "return_value" ? "task_instance" : "xcom";
    const cursor = this.#sql.query(
      `SELECT map_index, value, value_r2 FROM ${table} WHERE dag_run_id = ?1 AND task_id = ?2 AND map_index >= 0
         AND (value IS NOT NULL OR value_r2 IS NOT NULL) ${key === "return_value" ? "AND state IS NOT 'removed'" : "AND key = ?3"}
       ORDER BY map_index`,
      ...(key === "return_value" ? [id, taskId] : [id, taskId, key]),
    );
    for (const [mapIndex, value, r2] of cursor.raw()) {
      const stored = storedValue(value, r2);
      if (stored !== null) {
        yield { mapIndex: Number(mapIndex), value: stored };
      }
    }
  }

  saveXComs(id: number, report: Report, now: number): void {
    for (const { key, value } of report.xcoms ?? []) {
      this.save(id, report, key, value, now);
    }
  }

  /** Stores a value under another key than `return_value`; call inside a transaction. */
  save(id: number, { task_id, map_index }: Place, key: string, value: StoredValue, now: number): void {
    this.#sql.write(
      `INSERT INTO xcom (dag_run_id, task_id, map_index, key, value, value_r2, timestamp) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (dag_run_id, task_id, map_index, key) DO UPDATE SET value = excluded.value, value_r2 = excluded.value_r2,
         timestamp = excluded.timestamp`,
      id,
      task_id,
      map_index,
      key,
      ...columnsOf(value),
      now,
    );
  }

  delete(id: number, { task_id, map_index }: Place, key: string): void {
    this.#sql.write(
      "DELETE FROM xcom WHERE dag_run_id = ? AND task_id = ? AND map_index = ? AND key = ?",
      id,
      task_id,
      map_index,
      key,
    );
  }

  /** A page of all values that fit a query, without the values. */
  list(query: XComQuery): Page<XComView> {
    const { where, bindings } = this.#where(query);
    const from = `FROM (${ENTRIES}) AS x JOIN dag_run AS r ON r.id = x.dag_run_id WHERE ${where}`;
    const { total } = this.#sql.query<{ total: number }>(`SELECT count(*) AS total ${from}`, ...bindings).one();
    const items = this.#sql
      .query<Pick<XComView, keyof XComView>>(
        `SELECT r.run_id, x.task_id, x.map_index, x.key, coalesce(x.timestamp, r.start_date, r.run_after) AS timestamp,
           r.logical_date, r.run_after ${from} ORDER BY ${orderOf(query.order_by ?? [])} LIMIT ? OFFSET ?`,
        ...bindings,
        query.limit,
        query.offset,
      )
      .toArray();
    return { items, total };
  }

  #where(query: XComQuery): { where: string; bindings: SqlStorageValue[] } {
    const clauses = ["true"];
    const bindings: SqlStorageValue[] = [];
    const add = (clause: string, binding: SqlStorageValue): void => {
      clauses.push(clause);
      bindings.push(binding);
    };
    const equal = (column: string, value: SqlStorageValue | undefined): void => {
      if (value !== undefined && value !== null) {
        add(`${column} = ?`, value);
      }
    };
    equal("r.run_id", query.run_id);
    equal("x.task_id", query.task_id);
    equal("x.key", query.key);
    equal("x.map_index", query.map_index);
    for (const column of ["logical_date", "run_after"] as const) {
      for (const [bound, sign] of BOUNDS) {
        const value = query[column]?.[bound];
        if (value !== undefined) {
          add(`r.${column} ${sign} ?`, value);
        }
      }
    }
    // The platform's LIKE takes no long patterns, so names are matched here.
    const fits = (column: string, names: string, pattern: string | undefined): void => {
      if (pattern !== undefined) {
        const all = [...this.#sql.query(names).raw()].flat();
        const fitting = all.filter((name) => typeof name === "string" && matchesPattern(name, pattern));
        add(`${column} IN (SELECT value FROM json_each(?))`, JSON.stringify(fitting));
      }
    };
    fits("r.run_id", "SELECT run_id FROM dag_run", query.run_id_pattern);
    fits("x.task_id", TASK_IDS, query.task_id_pattern);
    fits("x.key", "SELECT 'return_value' UNION SELECT key FROM xcom", query.key_pattern);
    return { where: clauses.join(" AND "), bindings };
  }

  /** A new try begins without the values of the one before. */
  clearXComs(id: number, taskId: string, mapIndex: number): void {
    this.#sql.write("DELETE FROM xcom WHERE dag_run_id = ? AND task_id = ? AND map_index = ?", id, taskId, mapIndex);
  }
}

/** The ORDER BY of a list, of known names only; Airflow's default breaks ties. */
function orderOf(orderBy: readonly string[]): string {
  const parts = orderBy.flatMap((key) => {
    const column = ORDER[key.replace(/^-/, "")];
    return column === undefined ? [] : [`${column} ${key.startsWith("-") ? "DESC" : "ASC"}`];
  });
  return [...parts, "x.task_id", "r.run_id", "x.map_index", "x.key"].join(", ");
}

/** The two columns a value lies in. */
export function columnsOf(value: StoredValue | null): [string | null, string | null] {
  if (value === null) {
    return [null, null];
  }
  return "json" in value ? [value.json, null] : [null, `${value.bytes}:${value.r2}`];
}

function storedValue(value: SqlStorageValue | undefined, r2: SqlStorageValue | undefined): StoredValue | null {
  if (typeof value === "string") {
    return { json: value };
  }
  if (typeof r2 === "string") {
    const colon = r2.indexOf(":");
    return { r2: r2.slice(colon + 1), bytes: Number(r2.slice(0, colon)) };
  }
  return null;
}
