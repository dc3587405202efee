/**
 * The ledger of a limited thing: slots held as leases, and a waiting list. Pure. Whoever keeps one calls an event, then
 * `tick`, stores what `drain` gives, all in one transaction, and then delivers what `tick` gave.
 *
 * What is said twice counts once: a holder has one permit, however often it is asked for, granted or released. An event costs
 * O(log n) for each permit it names, moves or grants. Who is next says `waiting-list.ts`, how long a lease lasts `lease-book.ts`.
 *
 * @module
 */
import { LeaseBook } from "./lease-book.ts";
import {
  INFINITE,
  requestIssue,
  waitingPermit,
  type Delivery,
  type LedgerAnswer,
  type LedgerChange,
  type LedgerConfig,
  type OwnerAnswer,
  type Permit,
  type PermitRequest,
  type StoredPermit,
} from "./permit.ts";
import { WaitingList } from "./waiting-list.ts";

/** What is to be stored after an event. */
export interface LedgerChanges {
  /** Undefined if it did not change. */
  config?: LedgerConfig | null;
  saved: Permit[];
  removed: Permit[];
}

/** One ledger. */
export class PermitLedger {
  #config: LedgerConfig | null;
  readonly #permits = new Map<string, Permit>();
  readonly #waiting = new WaitingList();
  readonly #leases = new LeaseBook();
  /** Slots by state of their permits. */
  readonly #slots = { waiting: 0, held: 0, deferred: 0 };
  #arrivals = 0;
  #isConfigChanged = false;
  readonly #saved = new Set<Permit>();
  readonly #removed = new Map<string, Permit>();

  /**
   * @param config Null if nobody has made this ledger: what is asked of it waits.
   * @param permits What was stored.
   */
  constructor(config: LedgerConfig | null, permits: Iterable<StoredPermit>, now: number) {
    this.#config = config;
    for (const stored of permits) {
      const permit: Permit = { ...stored, due: now, tries: 0 };
      this.#permits.set(keyOf(permit.owner, permit.holder), permit);
      this.#arrivals = Math.max(this.#arrivals, permit.seq + 1);
      this.#slots[permit.state] += permit.slots;
      if (permit.state === "waiting") {
        this.#waiting.add(permit);
      } else {
        this.#leases.load(permit, now);
      }
    }
  }

  get config(): LedgerConfig | null {
    return this.#config;
  }

  /** All permits, in no order. */
  get permits(): Iterable<Permit> {
    return this.#permits.values();
  }

  /** How many permits there are. */
  get size(): number {
    return this.#permits.size;
  }

  /** Slots asked for by who waits. */
  get waitingSlots(): number {
    return this.#slots.waiting;
  }

  /** Slots of deferred holders, included or not. */
  get deferredSlots(): number {
    return this.#slots.deferred;
  }

  /** Slots in use: those held, and those of deferred holders if the ledger includes them. */
  get occupied(): number {
    return this.#slots.held + (this.#config?.include_deferred === true ? this.#slots.deferred : 0);
  }

  /** Slots there are: `Infinity` without a limit, 0 if nobody made the ledger. */
  get total(): number {
    const slots = this.#config?.slots ?? 0;
    return slots === INFINITE ? Number.POSITIVE_INFINITY : slots;
  }

  find(owner: string, holder: string): Permit | undefined {
    return this.#permits.get(keyOf(owner, holder));
  }

  /** Sets the size. A ledger that shrinks takes nothing back: it grants nothing until enough was released. */
  configure(config: LedgerConfig | null): void {
    this.#config = config;
    this.#isConfigChanged = true;
  }

  /**
   * All that an owner says at once, in the order of `LedgerChange`; then whoever can be granted is.
   *
   * @throws RangeError for a request that is none; nothing must be stored then.
   */
  exchange(owner: string, change: LedgerChange, now: number): LedgerAnswer {
    if (change.limit !== undefined && change.limit !== this.#config?.slots) {
      this.configure({ description: null, include_deferred: false, ...this.#config, slots: change.limit });
    }
    const lost = new Set<string>();
    const each = (holders: readonly string[] | undefined, act: (permit: Permit) => void): void => {
      for (const holder of holders ?? []) {
        const permit = this.find(owner, holder);
        if (permit === undefined) {
          lost.add(holder);
        } else {
          act(permit);
        }
      }
    };
    for (const holder of change.release ?? []) {
      this.#free(this.find(owner, holder));
    }
    each(change.defer, (permit) => this.#defer(permit, now));
    each(change.resume, (permit) => this.#resume(permit, now));
    each(change.renew, (permit) => this.#renew(permit, now));
    each(change.acknowledge, (permit) => this.#confirm(permit));
    for (const request of change.ask ?? []) {
      this.#ask(owner, request, now);
      lost.delete(request.holder);
    }
    this.#settle(now);
    const named = [
      ...(change.resume ?? []),
      ...(change.renew ?? []),
      ...(change.ask ?? []).map(({ holder }) => holder),
    ];
    return this.#answer(owner, new Set(named), lost, now);
  }

  /** Frees what lapsed, grants what is free, and gives what is to be delivered now. */
  tick(now: number): { deliveries: Delivery[]; lapsed: Permit[] } {
    const { lapsed, called } = this.#leases.takeOver(now);
    for (const permit of lapsed) {
      this.#free(permit);
    }
    for (const permit of called) {
      this.#saved.add(permit);
    }
    this.#settle(now);
    return { deliveries: this.#leases.takeDeliveries(now), lapsed };
  }

  /** Everything that is held or deferred, to be told its owners whether it is due or not. */
  tellAll(now: number): Delivery[] {
    const leased = [...this.#permits.values()].filter(({ state }) => state !== "waiting");
    return this.#leases.tell(leased, now);
  }

  /** Takes an owner's answer to a delivery. What became of a permit in between counts, not what was delivered. */
  answered({ permits }: Delivery, answer: OwnerAnswer, now: number): void {
    const unwanted = new Set(answer.unwanted);
    const running = new Set(answer.running);
    for (const permit of permits) {
      if (this.find(permit.owner, permit.holder) !== permit || permit.state === "waiting") {
        continue;
      }
      if (unwanted.has(permit.holder)) {
        this.#free(permit);
        continue;
      }
      permit.isRunning = permit.state === "held" && running.has(permit.holder);
      if (this.#leases.isCheckDue(permit, now)) {
        this.#renew(permit, now);
      } else {
        this.#confirm(permit);
      }
    }
  }

  /** When `tick` is due next, or null. */
  nextDue(): number | null {
    return this.#leases.nextDue();
  }

  /** What changed since the last time. */
  drain(): LedgerChanges {
    const changes = {
      ...(this.#isConfigChanged ? { config: this.#config } : {}),
      saved: [...this.#saved],
      removed: [...this.#removed.values()],
    };
    this.#isConfigChanged = false;
    this.#saved.clear();
    this.#removed.clear();
    return changes;
  }

  #ask(owner: string, request: PermitRequest, now: number): void {
    const issue = requestIssue(request);
    if (issue !== null) {
      throw new RangeError(issue);
    }
    const key = keyOf(owner, request.holder);
    if (this.#permits.has(key)) {
      return;
    }
    const permit = waitingPermit(owner, request, this.#arrivals, now);
    this.#arrivals += 1;
    this.#permits.set(key, permit);
    this.#slots.waiting += permit.slots;
    this.#waiting.add(permit);
    this.#saved.add(permit);
    this.#removed.delete(key);
  }

  #defer(permit: Permit, now: number): void {
    if (permit.state === "held") {
      permit.isRunning = false;
      this.#become(permit, "deferred", now);
      this.#renew(permit, now);
    }
  }

  #resume(permit: Permit, now: number): void {
    if (permit.state !== "deferred") {
      return;
    }
    if (this.#config?.include_deferred === true) {
      this.#become(permit, "held", now);
      this.#renew(permit, now);
    } else {
      permit.passes = 0;
      this.#leases.end(permit);
      this.#become(permit, "waiting", now);
      this.#waiting.add(permit);
    }
  }

  #renew(permit: Permit, now: number): void {
    if (permit.state !== "waiting") {
      this.#leases.renew(permit, now);
      this.#saved.add(permit);
    }
  }

  #confirm(permit: Permit): void {
    if (permit.state !== "waiting") {
      this.#leases.confirm(permit);
    }
  }

  #free(permit: Permit | undefined): void {
    if (permit === undefined) {
      return;
    }
    const key = keyOf(permit.owner, permit.holder);
    this.#slots[permit.state] -= permit.slots;
    if (permit.state === "waiting") {
      this.#waiting.remove(permit);
    } else {
      this.#leases.end(permit);
    }
    this.#permits.delete(key);
    this.#saved.delete(permit);
    this.#removed.set(key, permit);
  }

  /** Grants for as long as the next in line fits. */
  #settle(now: number): void {
    for (;;) {
      const next = this.#waiting.takeNext(this.total - this.occupied, this.total);
      if (next === null) {
        return;
      }
      this.#become(next.permit, "held", now);
      this.#leases.begin(next.permit, now);
      // How often they were passed is stored, or evictions could let a large request starve.
      for (const passed of next.passed) {
        this.#saved.add(passed);
      }
    }
  }

  #become(permit: Permit, state: Permit["state"], now: number): void {
    this.#slots[permit.state] -= permit.slots;
    this.#slots[state] += permit.slots;
    permit.state = state;
    permit.since = now;
    this.#saved.add(permit);
  }

  #answer(owner: string, named: ReadonlySet<string>, lost: ReadonlySet<string>, now: number): LedgerAnswer {
    const answer: LedgerAnswer = { granted: [], waiting: [], too_large: [], lost: [...lost] };
    for (const permit of this.#leases.unknownTo(owner)) {
      this.#leases.toldByAnswer(permit, now);
      answer.granted.push(permit.holder);
    }
    for (const holder of named) {
      const permit = this.find(owner, holder);
      if (permit === undefined || (permit.state === "held" && !permit.isKnown)) {
        continue;
      }
      if (permit.state === "held") {
        answer.granted.push(holder);
      } else {
        (permit.slots > this.total ? answer.too_large : answer.waiting).push(holder);
      }
    }
    return answer;
  }
}

/** The length keeps owners and holders apart, whatever characters they have. */
function keyOf(owner: string, holder: string): string {
  return `${owner.length}:${owner}${holder}`;
}
