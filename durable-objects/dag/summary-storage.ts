/**
 * What is known of a DAG as a whole: that it was registered, how its runs stand, which versions it has.
 *
 * @module
 */
import type { DagRunState } from "../../src/engine/states.ts";
import type { Sql } from "./sql.ts";

/** What one row or one number says over the tables of one `Dag` object. */
export class SummaryStorage {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Notes that the DAG came by registration; there must be a row of it. */
  setRegistered(): void {
    this.#sql.write("UPDATE dag SET is_registered = 1 WHERE is_registered = 0");
  }

  /** How many runs are in which state; a state that none is in is left out. */
  runsByState(): { state: DagRunState; count: number }[] {
    return this.#sql
      .query<{ state: DagRunState; count: number }>("SELECT state, count(*) AS count FROM dag_run GROUP BY state")
      .toArray();
  }

  /** The run of the latest `run_after`, the one made last among several; null if there is none. */
  latestRun(): { state: DagRunState; start_date: number | null; end_date: number | null } | null {
    const [run] = this.#sql
      .query<{ state: DagRunState; start_date: number | null; end_date: number | null }>(
        "SELECT state, start_date, end_date FROM dag_run ORDER BY run_after DESC, id DESC LIMIT 1",
      )
      .toArray();
    return run ?? null;
  }

  /** States of the latest runs by date, newest first. */
  latestStates(count: number): string[] {
    return this.#sql
      .query<{ state: string }>(
        "SELECT state FROM dag_run ORDER BY coalesce(logical_date, run_after) DESC, id DESC LIMIT ?",
        count,
      )
      .toArray()
      .map(({ state }) => state);
  }

  /** How many versions there are. */
  countVersions(): number {
    return this.#sql.query<{ count: number }>("SELECT count(*) AS count FROM dag_version").one().count;
  }

  /** The oldest version that no run is on, and that is not the newest; null if there is none. */
  oldestUnusedVersion(): number | null {
    const query = `SELECT min(version_number) AS oldest FROM dag_version
      WHERE version_number NOT IN (SELECT version_number FROM dag_run)
        AND version_number < (SELECT max(version_number) FROM dag_version)`;
    return this.#sql.query<{ oldest: number | null }>(query).one().oldest;
  }

  deleteVersion(versionNumber: number): void {
    this.#sql.write("DELETE FROM dag_version WHERE version_number = ?", versionNumber);
  }

  /** A page of versions, without their specs. */
  versions(
    limit: number,
    offset: number,
    descending: boolean,
  ): { rows: { version_number: number; created_at: number }[]; total: number } {
    const rows = this.#sql
      .query<{ version_number: number; created_at: number }>(
        `SELECT version_number, created_at FROM dag_version
         ORDER BY version_number ${descending ? "DESC" : "ASC"} LIMIT ? OFFSET ?`,
        limit,
        offset,
      )
      .toArray();
    const { total } = this.#sql.query<{ total: number }>("SELECT count(*) AS total FROM dag_version").one();
    return { rows, total };
  }
}
