/**
 * The object of one ledger of permits: a pool, or a concurrency key. Thin: let the ledger decide, store what
 * changed in the same transaction, arm the alarm, tell the owners.
 *
 * @module
 */
import { DurableObject } from "cloudflare:workers";
import type { Result } from "../src/engine/objects.ts";
import { explainPermit, ledgerView, listPermits } from "../src/engine/permits/ledger-view.ts";
import type { LedgerView, PermitExplanation, PermitView } from "../src/engine/permits/ledger-view.ts";
import { describeHolder } from "../src/engine/permits/holders.ts";
import { PermitLedger } from "../src/engine/permits/ledger.ts";
import {
  DEFAULT_POOL,
  DEFAULT_POOL_CONFIG,
  describeLedger,
  ledgerName,
  parseLedgerName,
} from "../src/engine/permits/names.ts";
import type { PoolObject } from "../src/engine/permits/objects.ts";
import type { Delivery, LedgerAnswer, LedgerChange, LedgerConfig } from "../src/engine/permits/permit.ts";
import { INFINITE } from "../src/engine/permits/permit.ts";
import { openPermitOwner, type ObjectEnv } from "./env.ts";
import { tellSweeper } from "./tell-sweeper.ts";
import { PoolStorage } from "./pool-storage.ts";

/** How long a fresh description waits for owners. */
const FRESH_MS = 2000;
/** Owners that are asked at once whether they still wait. */
const OWNERS_ASKED = 50;
/** Users of a ledger that a refusal names. */
const USERS_NAMED = 3;
const DEFAULT_POOL_LEDGER = ledgerName("pool", DEFAULT_POOL);

/** One ledger. */
export class Pool extends DurableObject<ObjectEnv> implements PoolObject {
  readonly #storage: PoolStorage;
  /** Undefined until it was read in this wake. */
  #ledger: PermitLedger | undefined;
  #alarmAt: number | null = null;
  /** When the sweeper looks whether what is due has happened; null if it does not. */
  #toldAt: number | null = null;

  constructor(ctx: DurableObjectState, env: ObjectEnv) {
    super(ctx, env);
    this.#storage = new PoolStorage(ctx.storage);
  }

  async exchange(owner: string, change: LedgerChange): Promise<LedgerAnswer> {
    return this.#act((ledger, now) => ledger.exchange(owner, change, now));
  }

  async configure(
    config: Partial<LedgerConfig>,
    when: "any" | "absent" | "present" = "any",
  ): Promise<Result<LedgerView>> {
    const { slots } = config;
    if (slots !== undefined && (!Number.isSafeInteger(slots) || slots < INFINITE)) {
      const message = `expected slots to be an integer from ${INFINITE} on, got ${slots}`;
      return { ok: false, refusal: { code: "invalid", message, loc: ["body", "slots"] } };
    }
    const refused = this.#act((ledger): Result<LedgerView> | null => {
      if (when === "absent" && ledger.config !== null) {
        const message = `expected no ${describeLedger(this.#name)}, there is one`;
        return { ok: false, refusal: { code: "conflict", message } };
      }
      if (when === "present" && ledger.config === null) {
        return this.#unknown();
      }
      const present = ledger.config ?? { slots: 0, description: null, include_deferred: false };
      ledger.configure({ ...present, ...config });
      return null;
    });
    // After the turn: what could be granted now is.
    return refused ?? this.#view(this.#look());
  }

  async describe(fresh = false): Promise<Result<LedgerView>> {
    if (fresh) {
      const answers = this.#look()
        .tellAll(Date.now())
        .map((delivery) => this.#deliver(delivery));
      if (answers.length > 0) {
        await waitAtMost(Promise.all(answers), FRESH_MS);
      }
    }
    return this.#view(this.#look());
  }

  async listPermits(limit: number, offset: number): Promise<Result<{ items: PermitView[]; total: number }>> {
    const ledger = this.#look();
    return ledger.config === null
      ? this.#unknown()
      : { ok: true, value: { items: listPermits(ledger).slice(offset, offset + limit), total: ledger.size } };
  }

  async explain(owner: string, holder: string): Promise<Result<PermitExplanation>> {
    const value = explainPermit(this.#look(), owner, holder);
    const message = `there is no permit of "${holder}" in ${describeLedger(this.#name)}`;
    return value === null ? { ok: false, refusal: { code: "not_found", message } } : { ok: true, value };
  }

  async remove(): Promise<Result<null>> {
    if (this.#name === DEFAULT_POOL_LEDGER) {
      return { ok: false, refusal: { code: "invalid", message: "Default Pool can't be deleted" } };
    }
    await this.#forgetUnwanted();
    return this.#act((ledger) => {
      if (ledger.size > 0) {
        const users = nameUsers(listPermits(ledger));
        const message = `expected ${describeLedger(this.#name)} not to be in use, ${ledger.size} hold slots of it or wait: ${users}`;
        return { ok: false, refusal: { code: "conflict", message } };
      }
      if (ledger.config !== null) {
        ledger.configure(null);
      }
      return { ok: true, value: null };
    });
  }

  async wake(): Promise<number | null> {
    const next = this.#act((ledger) => ledger.nextDue());
    this.#toldAt = next;
    return next;
  }

  /** Rows this object wrote since it woke, alarms included: what the platform bills, for the benchmark. */
  async rowsWritten(): Promise<number> {
    return this.#storage.rowsWritten;
  }

  /** The reconciler: owners that were not told are told, leases that are over are freed. Idempotent. */
  override async alarm(): Promise<void> {
    this.#alarmAt = null;
    this.#act(() => null);
  }

  get #name(): string {
    return this.ctx.id.name ?? "";
  }

  #open(now: number): PermitLedger {
    if (this.#ledger === undefined) {
      const { config, permits } = this.#storage.read();
      const made = config ?? (this.#name === DEFAULT_POOL_LEDGER ? DEFAULT_POOL_CONFIG : null);
      this.#ledger = new PermitLedger(made, permits, now);
    }
    return this.#ledger;
  }

  /** The ledger, for who only reads. An alarm may have been lost: to arm it again costs a write per wake. */
  #look(): PermitLedger {
    const now = Date.now();
    const ledger = this.#open(now);
    this.#arm(ledger, now);
    return ledger;
  }

  /** One turn: `decide` is called on the ledger, and what changed is stored in one transaction; then owners are told. */
  #act<T>(decide: (ledger: PermitLedger, now: number) => T): T {
    const now = Date.now();
    const ledger = this.#open(now);
    try {
      const { answer, deliveries, lapsed } = this.ctx.storage.transactionSync(() => {
        const decided = decide(ledger, now);
        const ticked = ledger.tick(now);
        this.#storage.save(ledger.drain());
        return { answer: decided, ...ticked };
      });
      this.#arm(ledger, now);
      for (const delivery of deliveries) {
        this.ctx.waitUntil(this.#deliver(delivery));
      }
      for (const { owner, holder } of lapsed) {
        console.warn({ event: "permit_lapsed", ledger: this.#name, owner, holder });
      }
      return answer;
    } catch (error) {
      // Memory is ahead of storage: it is read again next time.
      this.#ledger = undefined;
      throw error;
    }
  }

  /** Tells an owner what it holds. If that fails it is due again, and the alarm is armed for it. */
  async #deliver(delivery: Delivery): Promise<void> {
    const holders = delivery.permits.map(({ holder }) => holder);
    try {
      const answer = await openPermitOwner(this.env, delivery.owner).permitsGranted(this.#name, holders);
      this.#act((ledger, now) => {
        ledger.answered(delivery, answer, now);
      });
    } catch (error) {
      console.warn({ event: "owner_not_told", ledger: this.#name, owner: delivery.owner, error: String(error) });
    }
  }

  /**
   * Asks owners whether those who wait still do: the word that they do not may have been lost, and who waits for what is never
   * granted would stand in line for ever.
   */
  async #forgetUnwanted(): Promise<void> {
    const waiting = [...this.#look().permits].filter(({ state }) => state === "waiting");
    const some = [...Map.groupBy(waiting, ({ owner }) => owner)].slice(0, OWNERS_ASKED);
    const answers = some.map(async ([owner, permits]) => {
      const holders = permits.map(({ holder }) => holder);
      try {
        const unwanted = await openPermitOwner(this.env, owner).permitsUnwanted(this.#name, holders);
        if (unwanted.length > 0) {
          this.#act((ledger, now) => ledger.exchange(owner, { release: unwanted }, now));
        }
      } catch (error) {
        console.warn({ event: "owner_not_asked", ledger: this.#name, owner, error: String(error) });
      }
    });
    await waitAtMost(Promise.all(answers), FRESH_MS);
  }

  /** Arms the alarm, unless it is early enough already: it re-arms itself. */
  #arm(ledger: PermitLedger, now: number): void {
    const next = ledger.nextDue();
    // An alarm at or before now would be dropped inside alarm().
    const at = next === null ? null : Math.max(next, now + 1);
    if (at !== null && (this.#alarmAt === null || at < this.#alarmAt)) {
      this.#alarmAt = at;
      this.#storage.rowsWritten += 1;
      this.ctx.waitUntil(this.ctx.storage.setAlarm(at));
    }
    if (at !== null && (this.#toldAt === null || at < this.#toldAt) && parseLedgerName(this.#name).kind === "pool") {
      this.#toldAt = at;
      this.ctx.waitUntil(tellSweeper(this.env, this.#name, at));
    }
  }

  #view(ledger: PermitLedger): Result<LedgerView> {
    const value = ledgerView(ledger);
    return value === null ? this.#unknown() : { ok: true, value };
  }

  #unknown<T>(): Result<T> {
    return { ok: false, refusal: { code: "not_found", message: `there is no ${describeLedger(this.#name)}` } };
  }
}

/** Waits for a promise, but not longer; no timer is left behind, which would keep the object awake. */
async function waitAtMost(promise: Promise<unknown>, ms: number): Promise<void> {
  const stop = new AbortController();
  await Promise.race([promise, scheduler.wait(ms, { signal: stop.signal }).catch(() => undefined)]);
  stop.abort();
}

/** The first few of who holds or waits, in words. */
function nameUsers(permits: readonly PermitView[]): string {
  const named = permits.slice(0, USERS_NAMED).map(({ owner, holder }) => describeHolder(owner, holder));
  const others = permits.length - named.length;
  return `${named.join(", ")}${others > 0 ? ` and ${others} more` : ""}`;
}
