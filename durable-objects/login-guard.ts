/**
 * The one object that counts failed logins, over all isolates: see `engine/login-guard.ts`. It knows names and networks by
 * their digests alone. A count that has run out has no row, and what is refused writes none, so that the rows are bounded
 * by the rate that is let through.
 *
 * @module
 */
import { DurableObject } from "cloudflare:workers";
import { beginLogin, countsOf, KNOWN_FOR_MS, KNOWN_NETWORKS, loginSucceeded } from "../src/engine/login-guard.ts";
import type { LoginGuardObject } from "../src/engine/objects.ts";
import { EMPTY_CELL, type RateCell } from "../src/engine/permits/gcra.ts";
import type { ObjectEnv } from "./env.ts";
import { migrate, type Migration } from "./migrate.ts";

/** The schema; times are epoch milliseconds. */
export const LOGIN_GUARD_MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    statements: [
      `CREATE TABLE login_count (
        key TEXT PRIMARY KEY,
        cell TEXT NOT NULL CHECK (json_valid(cell)),
        runs_out_at INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID`,
      `CREATE TABLE known_network (
        name TEXT NOT NULL,
        network TEXT NOT NULL,
        seen_at INTEGER NOT NULL,
        PRIMARY KEY (name, network)
      ) STRICT, WITHOUT ROWID`,
    ],
  },
];
/** How old a network's time may be before it is written anew. */
const SEEN_AGAIN_MS = 86_400_000;

/** Counts failed logins. */
export class LoginGuard extends DurableObject<ObjectEnv> implements LoginGuardObject {
  #isOpen = false;

  async begin(name: string, network: string): Promise<{ retryAfterMs: number | null }> {
    this.#open();
    const now = Date.now();
    return this.ctx.storage.transactionSync(() => {
      const counts = countsOf(name, network, this.#isKnown(name, network, now));
      const begun = beginLogin(counts, (key) => this.#cell(key) ?? EMPTY_CELL, now);
      if ("retryAfterMs" in begun) {
        return begun;
      }
      this.#sql.exec("DELETE FROM login_count WHERE runs_out_at <= ?", now);
      this.#save(begun.cells);
      return { retryAfterMs: null };
    });
  }

  async succeeded(name: string, network: string): Promise<void> {
    this.#open();
    const now = Date.now();
    this.ctx.storage.transactionSync(() => {
      const isKnown = this.#isKnown(name, network, now);
      this.#save(loginSucceeded(countsOf(name, network, isKnown), (key) => this.#cell(key), now));
      this.#see(name, network, now);
    });
  }

  #see(name: string, network: string, now: number): void {
    const [known] = this.#sql
      .exec<{ seen_at: number }>("SELECT seen_at FROM known_network WHERE name = ? AND network = ?", name, network)
      .toArray();
    if (known !== undefined && now - known.seen_at < SEEN_AGAIN_MS) {
      return;
    }
    this.#sql.exec(
      `INSERT INTO known_network (name, network, seen_at) VALUES (?, ?, ?)
       ON CONFLICT (name, network) DO UPDATE SET seen_at = excluded.seen_at`,
      name,
      network,
      now,
    );
    this.#sql.exec("DELETE FROM known_network WHERE seen_at <= ?", now - KNOWN_FOR_MS);
    this.#sql.exec(
      `DELETE FROM known_network WHERE name = ?1 AND network NOT IN
         (SELECT network FROM known_network WHERE name = ?1 ORDER BY seen_at DESC LIMIT ?2)`,
      name,
      KNOWN_NETWORKS,
    );
  }

  #isKnown(name: string, network: string, now: number): boolean {
    const query = "SELECT 1 FROM known_network WHERE name = ? AND network = ? AND seen_at > ?";
    return this.#sql.exec(query, name, network, now - KNOWN_FOR_MS).toArray().length > 0;
  }

  #cell(key: string): RateCell | null {
    const [row] = this.#sql.exec<{ cell: string }>("SELECT cell FROM login_count WHERE key = ?", key).toArray();
    return row === undefined ? null : (JSON.parse(row.cell) as RateCell);
  }

  #save(cells: ReadonlyMap<string, RateCell>): void {
    for (const [key, cell] of cells) {
      this.#sql.exec(
        `INSERT INTO login_count (key, cell, runs_out_at) VALUES (?, ?, ?)
         ON CONFLICT (key) DO UPDATE SET cell = excluded.cell, runs_out_at = excluded.runs_out_at`,
        key,
        JSON.stringify(cell),
        // A part of a millisecond is a millisecond.
        cell.at + 1,
      );
    }
  }

  get #sql(): SqlStorage {
    return this.ctx.storage.sql;
  }

  #open(): void {
    if (!this.#isOpen) {
      migrate(this.ctx.storage, LOGIN_GUARD_MIGRATIONS);
      this.#isOpen = true;
    }
  }
}
