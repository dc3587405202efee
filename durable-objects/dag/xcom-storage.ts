/**
 * Values that task instances left: `return_value` lies beside its instance, every other key in `xcom`.
 *
 * @module
 */
import type { Report, StoredValue } from "../../src/engine/work.ts";
import type { Sql } from "./sql.ts";

/** The values of one `Dag` object. */
export class XComStorage {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
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
    const table = key === "return_value" ? "task_instance" : "xcom";
    const cursor = this.#sql.query(
      `SELECT map_index, value, value_r2 FROM ${table} WHERE dag_run_id = ?1 AND task_id = ?2 AND map_index >= 0
         AND (value IS NOT NULL OR value_r2 IS NOT NULL) ${key === "return_value" ? "AND state IS NOT 'removed'" : "AND key = ?3"}
       ORDER BY map_index`,
      ...(key === "return_value" ? [id, taskId] : [id, taskId, key]),
    );
    const values: { mapIndex: number; value: StoredValue }[] = [];
    for (const [mapIndex, value, r2] of cursor.raw()) {
      const stored = storedValue(value, r2);
      if (stored !== null) {
        values.push({ mapIndex: Number(mapIndex), value: stored });
      }
    }
    return values;
  }

  saveXComs(id: number, report: Report): void {
    for (const { key, value } of report.xcoms ?? []) {
      this.#sql.write(
        `INSERT INTO xcom (dag_run_id, task_id, map_index, key, value, value_r2) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (dag_run_id, task_id, map_index, key) DO UPDATE SET value = excluded.value, value_r2 = excluded.value_r2`,
        id,
        report.task_id,
        report.map_index,
        key,
        ...columnsOf(value),
      );
    }
  }

  /** A new try begins without the values of the one before. */
  clearXComs(id: number, taskId: string, mapIndex: number): void {
    this.#sql.write("DELETE FROM xcom WHERE dag_run_id = ? AND task_id = ? AND map_index = ?", id, taskId, mapIndex);
  }
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
