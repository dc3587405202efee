/**
 * Names of ledgers: what kind of thing is limited, and which. The name of an object that keeps one is its ledger's name.
 *
 * @module
 */
import type { LedgerConfig } from "./permit.ts";

/** `pool`: made by users; `key`: a concurrency key. */
export type LedgerKind = "pool" | "key";

/** The pool that is always there and cannot be deleted, as in Airflow. Unlike there, only tasks that name it take slots of it. */
export const DEFAULT_POOL = "default_pool";
/** What `default_pool` is until somebody says otherwise. */
export const DEFAULT_POOL_CONFIG: LedgerConfig = { slots: 128, description: "Default pool", include_deferred: false };

/** The name of a ledger. */
export function ledgerName(kind: LedgerKind, name: string): string {
  return `${kind}:${name}`;
}

/** What a ledger's name says; a name of no kind is that of a pool. */
export function parseLedgerName(ledger: string): { kind: LedgerKind; name: string } {
  const kind = (["pool", "key"] as const).find((each) => ledger.startsWith(`${each}:`));
  return kind === undefined ? { kind: "pool", name: ledger } : { kind, name: ledger.slice(kind.length + 1) };
}

/** A ledger in words: "pool `db`". */
export function describeLedger(ledger: string): string {
  const { kind, name } = parseLedgerName(ledger);
  return `${kind === "key" ? "concurrency key" : kind} \`${name}\``;
}
