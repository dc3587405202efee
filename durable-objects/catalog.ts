/**
 * The class of two kinds of objects. The one named "catalog" knows which DAGs were registered over HTTP, which has which backfill, which
 * pools there are, and which queues roles stand for. What a DAG or a pool is, its own object says. The others keep who has something to do, by
 * the hash of its name: see `engine/watch.ts`. One that nothing was registered at has no tables.
 *
 * @module
 */
import { DurableObject } from "cloudflare:workers";
import { MAX_REGISTERED_DAGS, type CatalogObject, type Result } from "../src/engine/objects.ts";
import { MAX_ROLES, roleRefusal, type QueueRole } from "../src/engine/queue-roles.ts";
import { MAX_POOLS, type PoolName } from "../src/engine/permits/pool-names.ts";
import type { Waking, Watched } from "../src/engine/watch.ts";
import type { ObjectEnv } from "./env.ts";
import { migrate, type Migration } from "./migrate.ts";
import { MAKE_POOL_TABLE, PoolNameTable } from "./pool-name-table.ts";
import { MAKE_ROLE_TABLE, QueueRoleTable } from "./queue-role-table.ts";
import { forgetRoles, queuesOf } from "./queues.ts";
import { MAKE_WATCH_TABLE, WatchTable } from "./watch-table.ts";

/** The schema; times are epoch milliseconds. */
export const CATALOG_MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    statements: [
      `CREATE TABLE registered_dag (
        dag_id TEXT PRIMARY KEY,
        registered_at INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID`,
    ],
  },
  {
    version: 2,
    statements: ["CREATE TABLE backfill (id INTEGER PRIMARY KEY AUTOINCREMENT, dag_id TEXT NOT NULL) STRICT"],
  },
  { version: 3, statements: [MAKE_POOL_TABLE] },
  { version: 4, statements: [MAKE_ROLE_TABLE] },
  { version: 5, statements: [MAKE_WATCH_TABLE] },
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

  async add(dagId: string): Promise<Result<null>> {
    this.#make();
    const others = this.#sql
      .exec<{ count: number }>("SELECT count(*) AS count FROM registered_dag WHERE dag_id <> ?", dagId)
      .one().count;
    if (others >= MAX_REGISTERED_DAGS) {
      const message = `expected at most ${MAX_REGISTERED_DAGS} registered DAGs, got one more: delete one first`;
      return { ok: false, refusal: { code: "conflict", message } };
    }
    this.#sql.exec(
      "INSERT INTO registered_dag (dag_id, registered_at) VALUES (?, ?) ON CONFLICT (dag_id) DO NOTHING",
      dagId,
      Date.now(),
    );
    return { ok: true, value: null };
  }

  async remove(dagId: string): Promise<void> {
    if (this.#open()) {
      this.#sql.exec("DELETE FROM registered_dag WHERE dag_id = ?", dagId);
    }
  }

  async listRoles(): Promise<QueueRole[]> {
    return this.#open() ? this.#roles.list() : [];
  }

  async setRole(role: string, queue: string): Promise<Result<QueueRole>> {
    const refusal = roleRefusal(queuesOf(this.env), role, queue);
    if (refusal !== null) {
      return { ok: false, refusal };
    }
    this.#make();
    const roles = this.#roles.list();
    if (roles.length >= MAX_ROLES && !roles.some((each) => each.role === role)) {
      const message = `expected at most ${MAX_ROLES} roles, got one more`;
      return { ok: false, refusal: { code: "invalid", message, loc: ["path", "role"] } };
    }
    const value = this.#roles.set(role, queue, Date.now());
    forgetRoles();
    return { ok: true, value };
  }

  async removeRole(role: string): Promise<void> {
    if (this.#open()) {
      this.#roles.remove(role);
      forgetRoles();
    }
  }

  async newBackfill(dagId: string): Promise<number> {
    this.#make();
    return this.#sql.exec<{ id: number }>("INSERT INTO backfill (dag_id) VALUES (?) RETURNING id", dagId).one().id;
  }

  async backfillDag(id: number): Promise<string | null> {
    const [row] = this.#open()
      ? this.#sql.exec<{ dag_id: string }>("SELECT dag_id FROM backfill WHERE id = ?", id).toArray()
      : [];
    return row?.dag_id ?? null;
  }

  async listPools(): Promise<PoolName[]> {
    return this.#open() ? this.#pools.list() : [];
  }

  async findPool(name: string): Promise<PoolName | null> {
    return this.#open() ? this.#pools.find(name) : null;
  }

  async addPool(name: string): Promise<Result<PoolName>> {
    this.#make();
    if (this.#pools.countOthers(name) >= MAX_POOLS) {
      const message = `expected at most ${MAX_POOLS} pools, got one more`;
      return { ok: false, refusal: { code: "invalid", message, loc: ["body", "name"] } };
    }
    return { ok: true, value: this.#pools.put(name, Date.now()) };
  }

  async removePool(entry: Pick<PoolName, "id" | "name">): Promise<void> {
    if (this.#open()) {
      this.#pools.remove(entry);
    }
  }

  async watched(): Promise<Watched[]> {
    return this.#open() ? this.#watched.list() : [];
  }

  async toWake(specHashes: ReadonlyMap<string, string>, now: number, limit: number): Promise<Waking[]> {
    if (!this.#open() && specHashes.size === 0) {
      return [];
    }
    this.#make();
    return this.#watched.toWake(specHashes, now, limit);
  }

  async expect(name: string, dueAt: number): Promise<void> {
    this.#make();
    this.#watched.expect(name, dueAt);
  }

  async swept(entries: readonly Watched[]): Promise<void> {
    this.#make();
    this.ctx.storage.transactionSync(() => this.#watched.swept(entries));
  }

  get #watched(): WatchTable {
    return new WatchTable(this.#sql);
  }

  get #pools(): PoolNameTable {
    return new PoolNameTable(this.#sql);
  }

  get #roles(): QueueRoleTable {
    return new QueueRoleTable(this.#sql);
  }

  get #sql(): SqlStorage {
    return this.ctx.storage.sql;
  }

  #make(): void {
    migrate(this.ctx.storage, CATALOG_MIGRATIONS);
    this.#isOpen = true;
  }

  /** False while there is nothing to read: who only asks makes no tables. */
  #open(): boolean {
    if (!this.#isOpen) {
      const found = this.#sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'registered_dag'").toArray();
      if (found.length === 0) {
        return false;
      }
      this.#make();
    }
    return true;
  }
}
