/**
 * The one object that knows which DAGs were registered over HTTP. It holds their ids and nothing else: what a DAG is, its own
 * object says. One that nobody registered anything at has no tables.
 *
 * @module
 */
import { DurableObject } from "cloudflare:workers";
import type { CatalogObject } from "../src/engine/objects.ts";
import type { ObjectEnv } from "./env.ts";
import { migrate, type Migration } from "./migrate.ts";

/** The schema; times are epoch milliseconds. */
const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    statements: [
      `CREATE TABLE registered_dag (
        dag_id TEXT PRIMARY KEY,
        registered_at INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID`,
    ],
  },
];

/** The catalog of registered DAGs. */
export class Catalog extends DurableObject<ObjectEnv> implements CatalogObject {
  #isOpen = false;

  async has(dagId: string): Promise<boolean> {
    return this.#open() && this.#sql.exec("SELECT 1 FROM registered_dag WHERE dag_id = ?", dagId).toArray().length > 0;
  }

  async list(): Promise<string[]> {
    return this.#open()
      ? this.#sql
          .exec<{ dag_id: string }>("SELECT dag_id FROM registered_dag")
          .toArray()
          .map((row) => row.dag_id)
          // By code unit as everywhere else; SQLite would sort by UTF-8.
          .toSorted()
      : [];
  }

  async add(dagId: string): Promise<void> {
    migrate(this.ctx.storage, MIGRATIONS);
    this.#isOpen = true;
    this.#sql.exec(
      "INSERT INTO registered_dag (dag_id, registered_at) VALUES (?, ?) ON CONFLICT (dag_id) DO NOTHING",
      dagId,
      Date.now(),
    );
  }

  async remove(dagId: string): Promise<void> {
    if (this.#open()) {
      this.#sql.exec("DELETE FROM registered_dag WHERE dag_id = ?", dagId);
    }
  }

  get #sql(): SqlStorage {
    return this.ctx.storage.sql;
  }

  /** False while there is nothing to read: who only asks makes no tables. */
  #open(): boolean {
    if (!this.#isOpen) {
      const found = this.#sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'registered_dag'").toArray();
      if (found.length === 0) {
        return false;
      }
      migrate(this.ctx.storage, MIGRATIONS);
      this.#isOpen = true;
    }
    return true;
  }
}
