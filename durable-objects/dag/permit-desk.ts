/**
 * What a DAG's task instances need from outside of it: slots of pools and concurrency keys, starts of rate limits. Collects in
 * a transaction, asks after it, and takes the answers in a transaction of their own.
 *
 * Every wish is stored before it is asked for. What is said twice counts once, what gets lost is said again: wishes by this
 * object when it wakes or after an error, grants by their ledger. A release that gets lost is found by the ledger, which
 * asks after half a lease what is still wanted. A DAG without limits never comes here.
 *
 * @module
 */
import { executingElsewhere, isBehind, waitsForRoom } from "../../src/engine/across-runs.ts";
import { openWishes, setSurroundings, type Surroundings } from "../../src/engine/admission.ts";
import { holderName, parseHolder } from "../../src/engine/permits/holders.ts";
import type { RateRule } from "../../src/engine/permits/gcra.ts";
import type { LedgerAnswer, LedgerChange, OwnerAnswer, PermitRequest } from "../../src/engine/permits/permit.ts";
import { ledgersToRelease, nextStep, wants, type PermitNeeds, type PermitWish } from "../../src/engine/permits/wish.ts";
import { weightsOf } from "../../src/engine/priority.ts";
import { hasRates } from "../../src/engine/queues.ts";
import type { RunMachine } from "../../src/engine/run-machine.ts";
import type { RunChanges, RunState } from "../../src/engine/run-state.ts";
import type { NodeInstance, TaskNode } from "../../src/engine/task-node.ts";
import type { AnyTaskDefinition } from "../../src/sdk/index.ts";
import { openPool, type ObjectEnv } from "../env.ts";
import { queuesOf, ratesOf, rolesOf } from "../queues.ts";
import { needsPermits, permitNeeds } from "../permit-needs.ts";
import type { DagCore } from "./core.ts";
import { InputResolver } from "./inputs.ts";
import { adjustRates, reserveTimes } from "./rate-calls.ts";
import type { LoadedRun } from "./run-book.ts";

/** How long a slot is held without a word: a lost one is free after half of it, as its ledger asks then. */
export const LEASE_MS = 60_000;
const RETRY_MS = 2000;
/** How long a call may stay without an answer. */
const ANSWER_MS = 5000;
/** Task instances of backfills come after all others. */
const BACKFILL_PRIORITY = -10_000_000_000_000;

/** What goes to one ledger in one call. */
interface Batch {
  limit?: number;
  ask: PermitRequest[];
  release: string[];
}

/** Who holds something, or asked for it. */
interface Wisher {
  run: LoadedRun;
  instance: NodeInstance;
  wish: PermitWish;
}

/** Permits of one `Dag` object. */
export class PermitDesk implements Surroundings {
  readonly #core: DagCore;
  readonly #env: ObjectEnv;
  readonly #ctx: DurableObjectState;
  readonly #taskOf: (handler: string) => AnyTaskDefinition | undefined;
  readonly #runs = new WeakMap<RunState, LoadedRun>();
  #batches = new Map<string, Batch>();
  #reservations: Wisher[] = [];
  #cancellations = new Map<string, string[]>();
  #slowDowns: { limiter: string; until: number }[] = [];
  /** What an instance needs depends on roles that were not read lately. */
  #needsRoles = false;
  /** Grants that came in an answer: told with the next call that goes to their ledger anyway. */
  readonly #unacknowledged = new Map<string, string[]>();
  /** When wishes are sent out again, as a call failed, or null. */
  #retryAt: number | null = null;
  /** When they are if calls that are under way stay without an answer, or null. */
  #answerBy: number | null = null;
  /** Calls that carry wishes and have not been answered. */
  #underWay = 0;

  constructor(
    core: DagCore,
    ctx: DurableObjectState,
    env: ObjectEnv,
    taskOf: (handler: string) => AnyTaskDefinition | undefined,
  ) {
    this.#core = core;
    this.#ctx = ctx;
    this.#env = env;
    this.#taskOf = taskOf;
  }

  /** Takes up a run that was made or read. */
  watch(run: LoadedRun): void {
    this.#runs.set(run.machine.state, run);
    setSurroundings(run.machine.state, this);
  }

  // ── what the machines ask ───────────────────────────────────────────────────────────────────────────────────────

  needsPermits({ task: { spec } }: TaskNode): boolean {
    return needsPermits(spec, this.#taskOf(spec.handler), queuesOf(this.#env));
  }

  needs(state: RunState, instance: NodeInstance): PermitNeeds | null {
    const { spec } = instance.node.task;
    const run = this.#runs.get(state);
    if (run === undefined) {
      throw new Error("expected a run that this object knows");
    }
    const hasQueueRates = hasRates(queuesOf(this.#env));
    const rates = hasQueueRates
      ? ratesOf(this.#env, this.#core.outbox.nameFor(run, instance), spec.handler, Date.now())
      : [];
    if (rates === null) {
      this.#needsRoles = true;
      return null;
    }
    return permitNeeds(
      spec,
      this.#taskOf(spec.handler),
      () => new InputResolver(this.#core.storage, run).claimed(instance).input,
      rates,
    );
  }

  executingElsewhere(state: RunState, taskId: string): number {
    return executingElsewhere(this.#machines(), state, taskId);
  }

  isBehind(state: RunState, taskId: string): boolean {
    return isBehind(this.#machines(), state, taskId);
  }

  *#machines(): Generator<RunMachine> {
    for (const { machine } of this.#core.runs.loaded()) {
      yield machine;
    }
  }

  // ── within a transaction ────────────────────────────────────────────────────────────────────────────────────────

  /** Takes what a stored change wants asked or given back. */
  collect(run: LoadedRun, changes: RunChanges, now: number): void {
    for (const { instance, wish } of changes.releases) {
      this.#release({ run, instance, wish }, now);
    }
    for (const instance of changes.steps) {
      this.#step(run, instance, now);
    }
    this.#slowDowns.push(...changes.slowDowns);
  }

  #release({ run, instance, wish }: Wisher, now: number): void {
    const holder = this.#holder(run, instance, wish);
    for (const ledger of ledgersToRelease(wish)) {
      this.#batch(ledger).release.push(holder);
    }
    for (const { limiter } of wish.at !== null && wish.at > now ? wish.rates : []) {
      const cancelled = this.#cancellations.get(limiter) ?? [];
      cancelled.push(this.#reservationId(run, instance, wish));
      this.#cancellations.set(limiter, cancelled);
    }
  }

  #step(run: LoadedRun, instance: NodeInstance, now: number): void {
    const { wish } = instance;
    if (wish === null || instance.state !== "scheduled") {
      return;
    }
    const step = nextStep(wish, now);
    if (step.kind === "reserve") {
      this.#reservations.push({ run, instance, wish });
    } else if (step.kind === "ask") {
      const { ledger, slots, limit } = step.need;
      const batch = this.#batch(ledger);
      if (limit !== undefined) {
        batch.limit = limit;
      }
      const weight = weightsOf(run.machine.state.graph)[instance.node.task.index] ?? 1;
      batch.ask.push({
        holder: this.#holder(run, instance, wish),
        slots,
        priority: weight + (run.row.backfill_id === null ? 0 : BACKFILL_PRIORITY),
        requestedAt: instance.scheduledWhen ?? now,
        leaseMs: LEASE_MS,
      });
    }
  }

  /** Sends all wishes of a run out again that may never have arrived. */
  askAgain(run: LoadedRun, now: number): void {
    for (const instance of openWishes(run.machine.state)) {
      this.#step(run, instance, now);
    }
  }

  /** All that is held or asked for, to be given back once everything is deleted. */
  all(): Wisher[] {
    return this.#core
      .unfinished()
      .flatMap((run) =>
        run.machine.state.nodes.flatMap(({ instances }) =>
          instances.flatMap((instance) => (instance.wish === null ? [] : [{ run, instance, wish: instance.wish }])),
        ),
      );
  }

  /** Gives back what was held or asked for by task instances that are deleted. Whoever only waits would never be asked. */
  giveBack(wishers: readonly Wisher[], now: number): void {
    for (const wisher of wishers) {
      this.#release(wisher, now);
    }
    this.send(now);
  }

  /** Forgets what was collected: its transaction did not happen, or everything was deleted. */
  discard(): void {
    this.#batches = new Map();
    this.#reservations = [];
    this.#cancellations = new Map();
    this.#slowDowns = [];
    this.#needsRoles = false;
    this.#unacknowledged.clear();
    this.#retryAt = null;
    this.#answerBy = null;
    this.#underWay = 0;
  }

  // ── after it ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Sends what was collected. Does not wait: the platform holds calls back until the commit is durable. */
  send(now: number): void {
    if (this.#batches.size > 0) {
      const batches = this.#batches;
      this.#batches = new Map();
      for (const [ledger, batch] of batches) {
        this.#expectAnswer(batch.ask.length > 0, now);
        this.#ctx.waitUntil(this.#exchange(ledger, batch));
      }
    }
    if (this.#reservations.length > 0) {
      const wishers = this.#reservations;
      this.#reservations = [];
      this.#expectAnswer(true, now);
      this.#ctx.waitUntil(this.#reserve(wishers));
    }
    if (this.#needsRoles) {
      this.#needsRoles = false;
      this.#expectAnswer(true, now);
      this.#ctx.waitUntil(this.#readRoles());
    }
    if (this.#cancellations.size > 0 || this.#slowDowns.length > 0) {
      const cancellations = this.#cancellations;
      const slowDowns = this.#slowDowns;
      this.#cancellations = new Map();
      this.#slowDowns = [];
      this.#ctx.waitUntil(adjustRates(this.#env, this.#core.name, cancellations, slowDowns));
    }
  }

  /** When wishes are sent out again, or null. */
  nextDue(): number | null {
    return this.#retryAt === null || this.#answerBy === null
      ? (this.#retryAt ?? this.#answerBy)
      : Math.min(this.#retryAt, this.#answerBy);
  }

  /** Sends wishes out again if calls failed or stayed without an answer; only inside `act`. */
  retry(now: number): void {
    const due = this.nextDue();
    if (due !== null && due <= now) {
      this.#retryAt = null;
      this.#answerBy = null;
      for (const run of this.#core.unfinished()) {
        this.askAgain(run, now);
      }
    }
  }

  /** A ledger says what this object holds; see `PermitOwner`. */
  granted(ledger: string, holders: readonly string[]): OwnerAnswer {
    if (!this.#core.open()) {
      return { unwanted: [...holders], running: [] };
    }
    const now = Date.now();
    return this.#core.act(now, () => this.#take(ledger, holders, now));
  }

  /** Which holders do not want what they wait for in a ledger. */
  unwanted(ledger: string, holders: readonly string[]): string[] {
    const isOpen = this.#core.open();
    return holders.filter((holder) => {
      const found = isOpen ? this.#find(holder) : null;
      return found === null || !wants(found.instance.wish, found.token, ledger);
    });
  }

  #take(ledger: string, holders: readonly string[], now: number): OwnerAnswer {
    const answer: OwnerAnswer = { unwanted: [], running: [] };
    const touched = new Set<LoadedRun>();
    for (const holder of holders) {
      const found = this.#find(holder);
      if (found === null) {
        answer.unwanted.push(holder);
        continue;
      }
      const { run, instance, token } = found;
      touched.add(run);
      if (!run.machine.grant(instance, ledger, token, now)) {
        answer.unwanted.push(holder);
      } else if (instance.state === "running" || instance.state === "restarting") {
        answer.running.push(holder);
      }
    }
    this.#goOn(touched, now);
    return answer;
  }

  /** The task instance that a holder's name is of. All that are not over are in memory. */
  #find(holder: string): { run: LoadedRun; instance: NodeInstance; token: number } | null {
    const key = parseHolder(holder);
    const run = key === null ? null : this.#core.runs.peek(key.run_id);
    const instance = key === null ? undefined : run?.machine.find(key.task_id, key.map_index);
    return key === null || run === null || instance === undefined ? null : { run, instance, token: key.token };
  }

  #goOn(runs: ReadonlySet<LoadedRun>, now: number): void {
    for (const run of runs) {
      run.machine.advance(now);
      this.#core.store(run, now);
    }
  }

  async #exchange(ledger: string, batch: Batch): Promise<void> {
    const { limit, ask, release } = batch;
    const acknowledge = this.#unacknowledged.get(ledger) ?? [];
    this.#unacknowledged.delete(ledger);
    const change: LedgerChange = {
      ...(limit === undefined ? {} : { limit }),
      ...(release.length === 0 ? {} : { release }),
      ...(acknowledge.length === 0 ? {} : { acknowledge }),
      ...(ask.length === 0 ? {} : { ask }),
    };
    try {
      const answer = await openPool(this.#env, ledger).exchange(this.#core.name, change);
      this.#hasAnswer(ask.length > 0);
      this.#answered(ledger, answer);
    } catch (error) {
      console.warn({ event: "ledger_not_reached", dag_id: this.#core.name, ledger, error: String(error) });
      this.#batch(ledger).release.push(...release);
      this.#failed(ask.length > 0);
    }
  }

  #answered(ledger: string, { granted, waiting, too_large: tooLarge }: LedgerAnswer): void {
    if (granted.length + waiting.length + tooLarge.length === 0 || !this.#core.open()) {
      return;
    }
    const now = Date.now();
    this.#core.act(now, () => {
      const unwanted = new Set(this.#take(ledger, granted, now).unwanted);
      if (unwanted.size > 0) {
        this.#batch(ledger).release.push(...unwanted);
      }
      const wanted = granted.filter((holder) => !unwanted.has(holder));
      this.#unacknowledged.set(ledger, [...(this.#unacknowledged.get(ledger) ?? []), ...wanted]);
      this.#putOutside([...waiting, ...tooLarge], now);
    });
  }

  /** Those that a ledger has put in its line make room for others to ask. */
  #putOutside(holders: readonly string[], now: number): void {
    const touched = new Set<LoadedRun>();
    for (const holder of holders) {
      const found = this.#find(holder);
      if (found?.run.machine.standOutside(found.instance, found.token) === true) {
        touched.add(found.run);
      }
    }
    this.#goOn(touched, now);
  }

  /** Reads roles, and lets those in line go on whose needs depend on them. */
  async #readRoles(): Promise<void> {
    try {
      await rolesOf(this.#env, Date.now());
      this.#hasAnswer(true);
      if (this.#core.open()) {
        const now = Date.now();
        this.#core.act(now, () => this.#goOn(new Set(this.#core.inTurn(({ machine }) => waitsForRoom(machine))), now));
      }
    } catch (error) {
      console.warn({ event: "roles_not_read", dag_id: this.#core.name, error: String(error) });
      this.#failed(true);
    }
  }

  async #reserve(wishers: readonly Wisher[]): Promise<void> {
    const limiters = new Map<string, { rule: RateRule; ids: string[] }>();
    for (const { run, instance, wish } of wishers) {
      for (const { limiter, rule } of wish.rates) {
        const entry = limiters.get(limiter) ?? { rule, ids: [] };
        entry.ids.push(this.#reservationId(run, instance, wish));
        limiters.set(limiter, entry);
      }
    }
    try {
      const times = await reserveTimes(this.#env, limiters);
      this.#hasAnswer(true);
      this.#reserved(wishers, times);
    } catch (error) {
      console.warn({ event: "rate_limit_not_reached", dag_id: this.#core.name, error: String(error) });
      this.#failed(true);
    }
  }

  #reserved(wishers: readonly Wisher[], times: ReadonlyMap<string, number>): void {
    if (!this.#core.open()) {
      return;
    }
    const now = Date.now();
    this.#core.act(now, () => {
      const touched = new Set<LoadedRun>();
      for (const { run: asked, instance: asking, wish } of wishers) {
        const at = times.get(this.#reservationId(asked, asking, wish));
        // The object may have read its runs anew meanwhile.
        const run = this.#core.runs.peek(asked.row.run_id);
        const instance = run?.machine.find(asking.node.task.id, asking.mapIndex);
        if (run !== null && instance !== undefined && at !== undefined) {
          run.machine.reserved(instance, wish.token, at, now);
          touched.add(run);
        }
      }
      this.#goOn(touched, now);
    });
  }

  /** The alarm says wishes again whose call gets lost with this object. */
  #expectAnswer(hasWishes: boolean, now: number): void {
    if (hasWishes) {
      this.#underWay += 1;
      this.#answerBy ??= now + ANSWER_MS;
    }
  }

  #hasAnswer(hadWishes: boolean): void {
    this.#underWay = Math.max(0, this.#underWay - Number(hadWishes));
    this.#answerBy = this.#underWay === 0 ? null : this.#answerBy;
  }

  #failed(hadWishes: boolean): void {
    const now = Date.now();
    this.#hasAnswer(hadWishes);
    // Whatever becomes of the others: these must be asked again.
    this.#retryAt = now + RETRY_MS;
    this.#core.arm(now);
  }

  #batch(ledger: string): Batch {
    let batch = this.#batches.get(ledger);
    if (batch === undefined) {
      batch = { ask: [], release: [] };
      this.#batches.set(ledger, batch);
    }
    return batch;
  }

  #holder(run: LoadedRun, instance: NodeInstance, wish: PermitWish): string {
    return holderName(
      { run_id: run.row.run_id, task_id: instance.node.task.id, map_index: instance.mapIndex },
      wish.token,
    );
  }

  /** Ids of reservations are shared by all who ask. */
  #reservationId(run: LoadedRun, instance: NodeInstance, wish: PermitWish): string {
    const { token, rateToken = token } = wish;
    return `${this.#core.name} ${this.#holder(run, instance, { ...wish, token: rateToken })}`;
  }
}
