/**
 * How a test drives pools: as owners that it plays itself, with a memory of what they want and what they were told.
 *
 * @module
 */
import { env } from "cloudflare:workers";
import { openPool } from "../../durable-objects/env.ts";
import type { PoolObject } from "../../src/engine/permits/objects.ts";
import type { LedgerAnswer, LedgerChange, OwnerAnswer, PermitRequest } from "../../src/engine/permits/permit.ts";
import { clock, objectEnv } from "./lab.ts";
import { permitOwners } from "./permit-owners.ts";
import { fresh } from "./registry.ts";

export const LEASE_MS = 60_000;

export function poolOf(ledger: string): PoolObject {
  return openPool(objectEnv, ledger);
}

export function poolStub(ledger: string) {
  return env.POOL.getByName(ledger);
}

/** Waits until a pool has done what it does after its turn: owners that tests play answer at once. */
export async function settled(ledger: string): Promise<void> {
  await poolOf(ledger).describe();
}

export function wish(holder: string, fields: Partial<PermitRequest> = {}): PermitRequest {
  return { holder, slots: 1, priority: 1, requestedAt: clock.now(), leaseMs: LEASE_MS, ...fields };
}

/** An owner as a DAG's object is one: it notes what it wants before it asks, and what it was granted before it answers. */
export class Owner {
  readonly name = fresh("owner");
  readonly ledger: string;
  readonly wants = new Set<string>();
  readonly holds = new Set<string>();
  /** Holders in the order in which they were granted. */
  readonly granted: string[] = [];
  /** What was told, call by call. */
  told: string[][] = [];
  /** How often it breaks before it answers, and how often after it noted what it was told. */
  breaksBefore = 0;
  breaksAfter = 0;
  #whenTold: (() => void) | null = null;

  constructor(ledger: string) {
    this.ledger = ledger;
    permitOwners.play(this.name, async (_ledger, holders) => this.#tell(holders));
  }

  async ask(...requests: PermitRequest[]): Promise<LedgerAnswer> {
    for (const { holder } of requests) {
      this.wants.add(holder);
    }
    return this.exchange({ ask: requests });
  }

  async release(...holders: string[]): Promise<LedgerAnswer> {
    this.forget(...holders);
    return this.exchange({ release: holders });
  }

  /** Wants these no longer, without a word to the pool. */
  forget(...holders: string[]): void {
    for (const holder of holders) {
      this.wants.delete(holder);
      this.holds.delete(holder);
    }
  }

  async exchange(change: LedgerChange): Promise<LedgerAnswer> {
    const answer = await poolOf(this.ledger).exchange(this.name, change);
    this.#note(answer.granted);
    return answer;
  }

  /** Resolves when the pool tells this owner something, and it has answered. */
  async nextTold(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#whenTold = resolve;
    await promise;
  }

  #tell(holders: string[]): OwnerAnswer {
    this.told.push(holders);
    this.#whenTold?.();
    if (this.breaksBefore > 0) {
      this.breaksBefore -= 1;
      throw new Error("broken on purpose, before");
    }
    this.#note(holders);
    if (this.breaksAfter > 0) {
      this.breaksAfter -= 1;
      throw new Error("broken on purpose, after");
    }
    return {
      unwanted: holders.filter((holder) => !this.wants.has(holder)),
      running: holders.filter((holder) => this.holds.has(holder)),
    };
  }

  #note(granted: readonly string[]): void {
    for (const holder of granted) {
      if (this.wants.has(holder) && !this.holds.has(holder)) {
        this.holds.add(holder);
        this.granted.push(holder);
      }
    }
  }
}
