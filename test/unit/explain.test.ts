import { describe, test } from "vitest";
import { sayPast, type PreviousRunFacts } from "../../src/engine/explain-past.ts";
import { explainWish, sayHeartbeat, timeWaitedFor, type WishFacts } from "../../src/engine/explain-wait.ts";
import { asSentence, counted, inSeconds, listed, whenAndIn } from "../../src/engine/explain-words.ts";
import { livenessDeadline } from "../../src/engine/liveness.ts";
import { newWish, takeGrant, takeTime, type PermitNeeds, type PermitWish } from "../../src/engine/permits/wish.ts";
import type { TaskInstanceState } from "../../src/engine/states.ts";

const NOW = Date.UTC(2026, 0, 1);
const SILENT: WishFacts = { place: () => Promise.resolve(null), slowedUntil: () => Promise.resolve(null) };

function wishOf(needs: PermitNeeds): PermitWish {
  const wish = newWish(needs, 1);
  if (wish === null) {
    throw new Error("expected a wish");
  }
  return wish;
}

function rate(limiter: string): PermitNeeds["rates"][number] {
  return { limiter, rule: { limit: 20, perMs: 1500 } };
}

describe("words", () => {
  test("have at most one decimal of a second, and none below zero", ({ expect }) => {
    expect([6000, 5992, 3249, 49, -5].map(inSeconds)).toEqual(["6 s", "6 s", "3.2 s", "0 s", "0 s"]);
    expect(whenAndIn(NOW + 1250, NOW)).toBe("2026-01-01T00:00:01.250Z, in 1.3 s");
  });

  test("name the first few and count the others", ({ expect }) => {
    expect(listed([])).toBe("");
    expect(listed(["a"])).toBe("a");
    expect(listed(["a", "b", "c"])).toBe("a, b and c");
    expect(listed(["a", "b", "c", "d", "e"])).toBe("a, b, c and 2 more");
    expect(listed(["a", "b"], 3, 12)).toBe("a, b and 10 more");
    expect([counted(1, "slot"), counted(0, "slot")]).toEqual(["1 slot", "0 slots"]);
  });

  test("are a sentence with a capital letter and one full stop", ({ expect }) => {
    expect(["pool `x` is full", "Done.", "`m` is mapped", "why?"].map(asSentence)).toEqual([
      "Pool `x` is full.",
      "Done.",
      "`m` is mapped.",
      "why?".replace("w", "W"),
    ]);
  });
});

describe("why a task instance that needs permits waits", () => {
  test.for<[string, string]>([
    ["queue:rated", "Rate limit of queue `rated` (20 per 1.5 s) lets it start at 2026-01-01T00:00:01.000Z, in 1 s."],
    [
      "queue:rated:load",
      "Rate limit of `load` on queue `rated` (20 per 1.5 s) lets it start at 2026-01-01T00:00:01.000Z, in 1 s.",
    ],
    ["key:queue:rated", "Rate limit `queue:rated` (20 per 1.5 s) lets it start at 2026-01-01T00:00:01.000Z, in 1 s."],
  ])("%s", async ([limiter, sentence], { expect }) => {
    const wish = wishOf({ ledgers: [], rates: [rate(limiter)] });
    takeTime(wish, NOW + 1000, NOW);
    expect(await explainWish(wish, SILENT, NOW)).toEqual({ name: "Rate Limit", reason: sentence });
  });

  test("names the slow-down that its time comes from, and no other", async ({ expect }) => {
    const wish = wishOf({ ledgers: [], rates: [rate("key:x:k")] });
    takeTime(wish, NOW + 60_000, NOW);
    const said = async (until: number) =>
      (await explainWish(wish, { ...SILENT, slowedUntil: () => Promise.resolve(until) }, NOW))?.reason;
    expect(await said(NOW + 60_000)).toBe(
      "Rate limit `x:k` was slowed down by a handler until 2026-01-01T00:01:00.000Z; it starts then.",
    );
    expect(await said(NOW + 50_000)).toBe(
      "Rate limit `x:k` was slowed down by a handler until 2026-01-01T00:00:50.000Z; it starts at 2026-01-01T00:01:00.000Z, in 60 s.",
    );
    // It was slowed down after the time was given: it is asked for again when that comes.
    expect(await said(NOW + 70_000)).toMatch(/^Rate limit `x:k` \(20 per 1\.5 s\) lets it start at/u);
    const broken = { ...SILENT, slowedUntil: () => Promise.reject(new Error("no answer")) };
    expect((await explainWish(wish, broken, NOW))?.reason).toMatch(/lets it start/u);
  });

  test("says that a ledger or a rate limit has not answered, and what comes after", async ({ expect }) => {
    const wish = wishOf({ ledgers: [{ ledger: "pool:db", slots: 1 }], rates: [rate("key:x")] });
    expect((await explainWish(wish, SILENT, NOW))?.reason).toBe(
      "Pool `db` has been asked and has not answered yet; after that it needs a start of rate limit `x`.",
    );
    const broken = { ...SILENT, place: () => Promise.reject(new Error("no answer")) };
    expect((await explainWish(wish, broken, NOW))?.reason).toBe(
      "Pool `db` does not answer now, it is asked again; after that it needs a start of rate limit `x`.",
    );
    takeGrant(wish, "pool:db");
    expect((await explainWish(wish, SILENT, NOW))?.reason).toBe(
      "Rate limit `x` (20 per 1.5 s) has been asked for a time and has not answered yet.",
    );
    takeTime(wish, NOW + 500, NOW);
    expect(timeWaitedFor(wish, NOW)).toBe("waits for rate limit `x` until 2026-01-01T00:00:00.500Z");
    takeTime(wish, NOW + 500, NOW + 500);
    expect(await explainWish(wish, SILENT, NOW + 500)).toBeNull();
    expect(timeWaitedFor(wish, NOW + 500)).toBeNull();
  });
});

test("a heartbeat is said with when the next is expected, and from when on it counts as dead", ({ expect }) => {
  expect(sayHeartbeat(NOW - 5240, 5000, NOW)).toBe(
    `its last heartbeat was 5.2 s ago, expected every 5 s; without another it counts as dead at ${new Date(livenessDeadline(NOW - 5240, 5000)).toISOString()}`,
  );
});

describe("what is waited for in the run before", () => {
  function previous(states: Record<string, TaskInstanceState[]>, waitsFor: string | null = null): PreviousRunFacts {
    return { run_id: "m", logical_date: NOW, statesOf: (id) => states[id] ?? [], waitsFor: () => waitsFor };
  }

  test.for<[string, PreviousRunFacts]>([
    [
      "it waits for `a` of run `m` (2026-01-01), which failed: clear or mark it",
      previous({ a: ["success", "failed"] }),
    ],
    ["it waits for `a` of run `m` (2026-01-01), which is running", previous({ a: ["success", "running"] })],
    [
      "it waits for `a` of run `m` (2026-01-01), which could not run, as something upstream of it failed: clear or mark that",
      previous({ a: ["upstream_failed"] }),
    ],
    [
      "it waits for `a` of run `m` (2026-01-01), which has not started: `a` itself waits for run `l`",
      previous({ a: [null] }, "l"),
    ],
    [
      "it waits for `b` of run `m` (2026-01-01), downstream of `a` (wait_for_downstream), which failed: clear or mark it",
      previous({ a: ["success"], b: ["failed"] }),
    ],
    [
      "it waits for `a` of run `m` (2026-01-01), which does not have it (ignore_first_depends_on_past is false, or an earlier run has it)",
      previous({ a: ["removed"] }),
    ],
  ])("%s", ([sentence, facts], { expect }) => {
    expect(sayPast("a", ["b"], facts)).toBe(sentence);
  });
});
