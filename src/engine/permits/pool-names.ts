/**
 * The names of pools: a pool's object knows itself, and nobody could list objects.
 *
 * A name is put down before its ledger is made, and taken away after the ledger was unmade. What is cut in between leaves a name
 * whose object says not_found: who lists pools leaves it out, and takes it away when it is old.
 *
 * @module
 */
import type { Result } from "../result.ts";

/** Pools there may be: their names are read as a whole. */
export const MAX_POOLS = 1000;

/** How old a name without a ledger is before it is taken away: far older than any request that makes one. */
export const HALF_MADE_MS = 3_600_000;

/** A name as it was put down. */
export interface PoolName {
  /** Grows; another one each time the name is put down. */
  id: number;
  name: string;
  /** Epoch milliseconds. */
  added_at: number;
}

/** What keeps the names; part of the catalog. */
export interface PoolNames {
  /** In the order in which they were put down. */
  listPools(): Promise<PoolName[]>;
  findPool(name: string): Promise<PoolName | null>;
  /** Puts a name down, anew if it is there. invalid: there are too many. May be repeated. */
  addPool(name: string): Promise<Result<PoolName>>;
  /** Takes a name away, unless it was put down anew since: somebody makes the pool again then. Idempotent. */
  removePool(entry: Pick<PoolName, "id" | "name">): Promise<void>;
}
