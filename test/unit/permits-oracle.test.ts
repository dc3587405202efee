import fc from "fast-check";
import { test } from "vitest";
import { LAST_CALL_MS } from "../../src/engine/permits/lease-book.ts";
import type { Delivery, LedgerChange, Permit, PermitRequest } from "../../src/engine/permits/permit.ts";
import { MAX_PASSES } from "../../src/engine/permits/waiting-list.ts";
import { NaiveLedger } from "./permits-oracle.ts";
import { Bench, config, storedOf } from "./permits-support.ts";

const RUNS = 2000;
const LEASES = [1000, 20_000, 300_000];

const owners = fc.constantFrom("x", "y", "z");
const holders = fc.constantFrom("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l");
const requests: fc.Arbitrary<PermitRequest> = fc.record({
  holder: holders,
  slots: fc.oneof({ arbitrary: fc.constant(1), weight: 3 }, { arbitrary: fc.integer({ min: 1, max: 6 }), weight: 1 }),
  priority: fc.integer({ min: 0, max: 2 }),
  requestedAt: fc.nat(5),
  leaseMs: fc.constantFrom(...LEASES),
});
const some = <T>(items: fc.Arbitrary<T>, maxLength = 3): fc.Arbitrary<T[]> => fc.array(items, { maxLength });
const changes: fc.Arbitrary<LedgerChange> = fc.record({
  release: some(holders),
  defer: some(holders, 1),
  resume: some(holders, 1),
  renew: some(holders, 1),
  acknowledge: some(holders),
  ask: some(requests, 6),
});

/** Small requests that come and go, for as long as a large one may wait: each gives back what the one before it held. */
const crowds: fc.Arbitrary<Move[]> = fc
  .array(fc.record({ holder: fc.constantFrom("m", "n", "o"), requestedAt: fc.integer({ min: 4, max: 9 }) }), {
    minLength: 2 * MAX_PASSES,
    maxLength: 3 * MAX_PASSES,
  })
  .map((asked) =>
    asked.map(({ holder, requestedAt }) => {
      const request = { holder, slots: 1, priority: 0, requestedAt, leaseMs: LEASES[2] ?? 1000 };
      return { kind: "exchange", owner: "x", change: { release: [holder], ask: [request] }, times: 1 };
    }),
  );

type Move =
  | { kind: "exchange"; owner: string; change: LedgerChange; times: number }
  | { kind: "advance"; ms: number }
  /** The owner of one delivery answers, whenever that was. */
  | { kind: "answer"; index: number; unwanted: string[]; times: number }
  | { kind: "lose"; index: number }
  | { kind: "configure"; slots: number; includesDeferred: boolean }
  | { kind: "evict" };

const moves: fc.Arbitrary<Move[]> = fc.array(
  fc.oneof(
    {
      arbitrary: fc.record({
        kind: fc.constant("exchange" as const),
        owner: owners,
        change: changes,
        times: fc.constantFrom(1, 1, 2),
      }),
      weight: 6,
    },
    {
      arbitrary: fc.record({
        kind: fc.constant("advance" as const),
        ms: fc.constantFrom(1, 500, 5000, 40_000, 1_000_000),
      }),
      weight: 2,
    },
    {
      arbitrary: fc.record({
        kind: fc.constant("answer" as const),
        index: fc.nat(5),
        unwanted: some(holders),
        times: fc.constantFrom(1, 1, 2),
      }),
      weight: 3,
    },
    { arbitrary: fc.record({ kind: fc.constant("lose" as const), index: fc.nat(5) }), weight: 1 },
    {
      arbitrary: fc.record({
        kind: fc.constant("configure" as const),
        slots: fc.integer({ min: -1, max: 8 }),
        includesDeferred: fc.boolean(),
      }),
      weight: 1,
    },
    { arbitrary: fc.record({ kind: fc.constant("evict" as const) }), weight: 1 },
  ),
  { minLength: 5, maxLength: 40 },
);

/** The ledger and the naive one side by side, with all that must hold checked after every event. */
class Duel {
  readonly bench: Bench;
  readonly naive: NaiveLedger;
  events = 0;
  grants = 0;
  lapses = 0;
  /** When each lease ends by the owner's last word. */
  readonly #ends = new Map<string, number>();

  constructor(slots: number) {
    this.bench = new Bench(slots);
    this.naive = new NaiveLedger(slots);
  }

  play(move: Move): void {
    const { bench, naive } = this;
    const before = naive.granted.length;
    if (move.kind === "exchange") {
      for (let times = 0; times < move.times; times += 1) {
        bench.exchange(move.change, move.owner);
        naive.exchange(move.owner, move.change);
        this.#follow();
      }
    } else if (move.kind === "advance") {
      this.#advance(move.ms);
    } else if (move.kind === "answer") {
      this.#answer(move);
    } else if (move.kind === "lose") {
      bench.deliveries.splice(move.index, 1);
    } else if (move.kind === "configure") {
      const wasIncluding = naive.includesDeferred;
      naive.slots = move.slots;
      naive.includesDeferred = move.includesDeferred;
      bench.configure(config(move.slots, move.includesDeferred));
      this.#follow();
      this.#check(before, wasIncluding !== move.includesDeferred);
      return;
    } else {
      bench.evict();
    }
    this.#check(before, false);
  }

  /** Everybody answers, until nothing is on its way: then every owner must have been told what it holds. */
  finish(): void {
    const { bench } = this;
    bench.configure(config(-1));
    this.naive.slots = -1;
    this.naive.includesDeferred = false;
    this.#follow();
    this.#check(0, true);
    bench.answerAll();
    for (const [owner, names] of Map.groupBy(bench.ledger.permits, ({ owner: name }) => name)) {
      bench.exchange({ acknowledge: names.map(({ holder }) => holder) }, owner);
    }
    if ([...bench.ledger.permits].some(({ isKnown, state }) => !isKnown || state === "waiting")) {
      throw new Error("expected every owner to know what it holds, and nobody to wait where there is no limit");
    }
    // Nobody says another word: every lease lapses, and nothing is left.
    bench.deliveries = [];
    bench.advance(Math.max(...LEASES) + LAST_CALL_MS + 1);
    this.naive.drop(this.naive.list.slice());
    if (bench.ledger.size + bench.stored.size + bench.ledger.occupied + bench.ledger.deferredSlots !== 0) {
      throw new Error(`expected nothing to be left, found ${JSON.stringify([...bench.stored.values()])}`);
    }
    if (bench.ledger.nextDue() !== null) {
      throw new Error("expected nothing to be due in an empty ledger");
    }
  }

  #advance(ms: number): void {
    const { bench } = this;
    const end = bench.now + ms;
    for (let next = bench.ledger.nextDue(); next !== null && next <= end; next = bench.ledger.nextDue()) {
      bench.now = Math.max(bench.now, next);
      bench.tick();
      this.#follow();
    }
    bench.now = end;
  }

  #answer({ index, unwanted, times }: Extract<Move, { kind: "answer" }>): void {
    const { bench, naive } = this;
    const delivery: Delivery | undefined = bench.deliveries[index];
    if (delivery === undefined) {
      return;
    }
    bench.deliveries.splice(index, 1);
    for (let time = 0; time < times; time += 1) {
      // Only what is still the permit that was delivered is given back; after an eviction that is unknown.
      const freed = delivery.permits.filter(
        (permit) =>
          bench.ledger.find(permit.owner, permit.holder) === permit &&
          permit.state !== "waiting" &&
          unwanted.includes(permit.holder),
      );
      bench.answer(delivery, { unwanted });
      naive.drop(freed);
      this.#follow();
    }
  }

  /** Takes what lapsed in the last tick out of the naive ledger, if it had a right to lapse, and grants. */
  #follow(): void {
    const { bench, naive } = this;
    this.events += 1;
    this.lapses += bench.justLapsed.length;
    for (const { owner, holder } of bench.justLapsed) {
      const over = bench.now - (this.#ends.get(`${owner}.${holder}`) ?? bench.now);
      if (over < LAST_CALL_MS) {
        throw new Error(`expected a last call before ${owner}.${holder} lapses, it lapsed ${over} ms after its lease`);
      }
    }
    naive.drop(bench.justLapsed);
    naive.settle();
    for (const { owner, holder, leaseEnd, isLastCall } of bench.ledger.permits) {
      if (leaseEnd === null) {
        this.#ends.delete(`${owner}.${holder}`);
      } else if (!isLastCall) {
        this.#ends.set(`${owner}.${holder}`, leaseEnd);
      }
    }
  }

  #check(grantedBefore: number, maySwell: boolean): void {
    const { bench, naive } = this;
    const states = (list: Iterable<NaiveLedger["list"][number] | Permit>): string[] =>
      [...list]
        .map(({ owner, holder, state, passes, slots }) => `${owner}.${holder}: ${state} ${passes} ${slots}`)
        .toSorted();
    const [real, told] = [states(bench.ledger.permits), states(naive.list)];
    if (JSON.stringify(real) !== JSON.stringify(told)) {
      throw new Error(`expected ${JSON.stringify(told)}, got ${JSON.stringify(real)}`);
    }
    // What owners know and what runs may be forgotten.
    const forgetful = { isKnown: false, isRunning: false };
    const stored = [...bench.stored.values()].map((permit) => ({ ...permit, ...forgetful }));
    const known = [...bench.ledger.permits].map((permit) => ({ ...storedOf(permit), ...forgetful }));
    const bySeq = (list: typeof stored): string => JSON.stringify(list.toSorted((a, b) => a.seq - b.seq));
    if (bySeq(stored) !== bySeq(known)) {
      throw new Error(`expected to be stored: ${bySeq(known)}, found ${bySeq(stored)}`);
    }
    if (bench.ledger.occupied !== naive.occupied) {
      throw new Error(`expected ${naive.occupied} slots occupied, got ${bench.ledger.occupied}`);
    }
    const granted = naive.granted.length - grantedBefore;
    this.grants += granted;
    if (granted > 0 && !maySwell && bench.ledger.occupied > bench.ledger.total) {
      throw new Error(`expected no grant beyond ${bench.ledger.total} slots, ${bench.ledger.occupied} are held`);
    }
    for (const permit of bench.ledger.permits) {
      if (permit.passes > MAX_PASSES) {
        throw new Error(`expected at most ${MAX_PASSES} passes, got ${permit.passes}`);
      }
      if ((permit.leaseEnd === null) !== (permit.state === "waiting")) {
        throw new Error(`expected a lease exactly if it does not wait, got ${JSON.stringify(permit)}`);
      }
    }
  }
}

test("the ledger agrees with a naive one after every event of random plays", ({ expect }) => {
  const sum = { events: 0, grants: 0, lapses: 0, saved: 0 };
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 6 }), moves, crowds, moves, (slots, before, crowd, after) => {
      const duel = new Duel(slots);
      for (const move of [...before, ...crowd, ...after]) {
        duel.play(move);
      }
      duel.finish();
      sum.events += duel.events;
      sum.grants += duel.grants;
      sum.lapses += duel.lapses;
      sum.saved += duel.naive.saved;
    }),
    { numRuns: RUNS },
  );
  expect(sum.events).toBeGreaterThan(10 * RUNS);
  expect(sum.grants).toBeGreaterThan(RUNS);
  expect(sum.lapses).toBeGreaterThan(RUNS / 10);
  expect(sum.saved).toBeGreaterThan(RUNS / 10);
});
