/**
 * The tables of a `Pool` object: the size of its ledger, and one row per permit. A permit that waits costs a row, one that
 * is granted another, one that is given back a third; one that is granted at once, two in all.
 *
 * @module
 */
import type { LedgerChanges } from "../src/engine/permits/ledger.ts";
import type { LedgerConfig, StoredPermit } from "../src/engine/permits/permit.ts";
import { migrate, type Migration } from "./migrate.ts";

/** The schema; times are epoch milliseconds. */
export const POOL_MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    statements: [
      `CREATE TABLE ledger (
        singleton INTEGER PRIMARY KEY CHECK (singleton = 1),
        slots INTEGER NOT NULL CHECK (slots >= -1),
        description TEXT,
        include_deferred INTEGER NOT NULL CHECK (include_deferred IN (0, 1))
      ) STRICT`,
      `CREATE TABLE permit (
        owner TEXT NOT NULL,
        holder TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'held', 'deferred')),
        slots INTEGER NOT NULL CHECK (slots >= 1),
        priority INTEGER NOT NULL,
        requested_at INTEGER NOT NULL,
        lease_ms INTEGER NOT NULL CHECK (lease_ms >= 1),
        seq INTEGER NOT NULL,
        passes INTEGER NOT NULL CHECK (passes >= 0),
        since INTEGER NOT NULL,
        lease_end INTEGER,
        is_last_call INTEGER NOT NULL CHECK (is_last_call IN (0, 1)),
        is_known INTEGER NOT NULL CHECK (is_known IN (0, 1)),
        is_running INTEGER NOT NULL CHECK (is_running IN (0, 1)),
        PRIMARY KEY (owner, holder),
        CHECK ((state = 'waiting') = (lease_end IS NULL))
      ) STRICT, WITHOUT ROWID`,
    ],
  },
];

const COLUMNS = `owner, holder, state, slots, priority, requested_at, lease_ms, seq, passes, since, lease_end, is_last_call,
  is_known, is_running`;

/** Reads and writes of one `Pool` object. */
export class PoolStorage {
  /** Rows written by SQL and alarms since the object woke: what the platform bills. */
  rowsWritten = 0;
  readonly #storage: DurableObjectStorage;
  #hasTables = false;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
  }

  /** What is stored; nothing is written for a ledger of which nothing is. */
  read(): { config: LedgerConfig | null; permits: StoredPermit[] } {
    const { sql } = this.#storage;
    if (sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'permit'").toArray().length === 0) {
      return { config: null, permits: [] };
    }
    this.#migrate();
    const [config] = sql.exec<ConfigRow>("SELECT slots, description, include_deferred FROM ledger").toArray();
    return {
      config: config === undefined ? null : { ...config, include_deferred: config.include_deferred === 1 },
      permits: sql.exec<PermitRow>(`SELECT ${COLUMNS} FROM permit`).toArray().map(toPermit),
    };
  }

  /** Stores what changed; nothing is written if nothing did. Only inside a transaction. */
  save({ config, saved, removed }: LedgerChanges): void {
    if (config === undefined && saved.length === 0 && removed.length === 0) {
      return;
    }
    this.#migrate();
    if (config === null) {
      this.#write("DELETE FROM ledger");
    } else if (config !== undefined) {
      this.#write(
        `INSERT INTO ledger (singleton, slots, description, include_deferred) VALUES (1, ?, ?, ?)
         ON CONFLICT (singleton) DO UPDATE SET slots = excluded.slots, description = excluded.description,
           include_deferred = excluded.include_deferred`,
        config.slots,
        config.description,
        config.include_deferred ? 1 : 0,
      );
    }
    if (removed.length > 0) {
      this.#write(
        "DELETE FROM permit WHERE (owner, holder) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))",
        JSON.stringify(removed.map(({ owner, holder }) => [owner, holder])),
      );
    }
    if (saved.length > 0) {
      const values = COLUMNS.split(",").map((_, index) => `value ->> ${index}`);
      this.#write(
        `INSERT OR REPLACE INTO permit (${COLUMNS}) SELECT ${values.join(", ")} FROM json_each(?)`,
        JSON.stringify(saved.map(toValues)),
      );
    }
  }

  #migrate(): void {
    if (!this.#hasTables) {
      migrate(this.#storage, POOL_MIGRATIONS);
      this.#hasTables = true;
    }
  }

  #write(query: string, ...bindings: SqlStorageValue[]): void {
    this.rowsWritten += this.#storage.sql.exec(query, ...bindings).rowsWritten;
  }
}

type ConfigRow = Omit<LedgerConfig, "include_deferred"> & { include_deferred: number };

type PermitRow = Pick<
  StoredPermit,
  "owner" | "holder" | "state" | "slots" | "priority" | "seq" | "passes" | "since"
> & {
  requested_at: number;
  lease_ms: number;
  lease_end: number | null;
  is_last_call: number;
  is_known: number;
  is_running: number;
};

function toPermit(row: PermitRow): StoredPermit {
  const { requested_at, lease_ms, lease_end, is_last_call, is_known, is_running, ...same } = row;
  return {
    ...same,
    requestedAt: requested_at,
    leaseMs: lease_ms,
    leaseEnd: lease_end,
    isLastCall: is_last_call === 1,
    isKnown: is_known === 1,
    isRunning: is_running === 1,
  };
}

/** In the order of `COLUMNS`. */
function toValues(permit: StoredPermit): unknown[] {
  const { owner, holder, state, slots, priority, requestedAt, leaseMs, seq, passes, since, leaseEnd } = permit;
  const flags = [permit.isLastCall, permit.isKnown, permit.isRunning].map((flag) => (flag ? 1 : 0));
  return [owner, holder, state, slots, priority, requestedAt, leaseMs, seq, passes, since, leaseEnd, ...flags];
}
