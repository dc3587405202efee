import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, it } from "vitest";
import { openRateLimiter } from "../../durable-objects/env.ts";
import { RATE_LIMITER_MIGRATIONS } from "../../durable-objects/rate-limiter.ts";
import type { RateRule } from "../../src/engine/permits/gcra.ts";
import type { RateLimiterObject } from "../../src/engine/permits/objects.ts";
import { KEEP_MS } from "../../src/engine/permits/reservations.ts";
import { mostInWindow } from "../unit/rate-limits-support.ts";
import { alarmOf, clock, objectEnv, rowsOf, stopClock } from "./lab.ts";
import { fresh } from "./registry.ts";

stopClock();

const RULE: RateRule = { limit: 50, perMs: 1000 };

function limiterOf(key: string): RateLimiterObject {
  return openRateLimiter(objectEnv, key);
}

function stubOf(key: string) {
  return env.RATE_LIMITER.getByName(key);
}

function idsOf(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
}

describe("a rate limit of 50 per second", () => {
  for (const burst of [1, 10]) {
    it(`and a burst of ${burst} holds over 1,000 submissions, under concurrency, eviction, clock steps and repetition`, async ({
      expect,
    }) => {
      const key = fresh("limit");
      const rule = { ...RULE, burst };
      const times = new Map<string, number>();
      const reserve = async (ids: string[]): Promise<void> => {
        const given = await limiterOf(key).reserve(ids, rule);
        for (const [index, id] of ids.entries()) {
          expect(given[index]).toBe(times.get(id) ?? given[index]);
          times.set(id, given[index] ?? 0);
        }
      };
      for (const [round, step] of [0, -30_000, 40_000, -5000, 200, -59_000, 70_000, 1, -1, 3_600_000].entries()) {
        clock.advance(step);
        const calls = idsOf(`r${round}`, 20).map((call) => idsOf(call, 5));
        await Promise.all([...calls, ...calls.slice(0, 3)].map(reserve));
        await evictDurableObject(stubOf(key));
        // A repeated request is given the same, whatever happened in between.
        await Promise.all(calls.slice(5, 8).map(reserve));
      }
      expect(times.size).toBe(1000);
      const inOrder = [...times.values()].toSorted((a, b) => a - b);
      expect(mostInWindow(inOrder, 1000)).toBeLessThanOrEqual(50 + burst - 1);
      // After an hour's idleness: the burst, no more.
      const last = inOrder.slice(-100);
      expect(last.filter((at) => at === last[0]).length).toBe(burst);
    });
  }

  it("is kept by each key for itself", async ({ expect }) => {
    const [one, other] = [fresh("limit"), fresh("limit")];
    const now = clock.now();
    expect(await limiterOf(one).reserve(["a", "b"], RULE)).toEqual([now, now + 20]);
    expect(await limiterOf(other).reserve(["a", "b"], RULE)).toEqual([now, now + 20]);
  });

  it("is slowed down for who asks later, and for who waits and asks again", async ({ expect }) => {
    const key = fresh("limit");
    const now = clock.now();
    await limiterOf(key).reserve(["a", "b", "c"], RULE);
    await limiterOf(key).slowDown(now + 30_000);
    await limiterOf(key).slowDown(now + 1000);
    await evictDurableObject(stubOf(key));
    expect(await limiterOf(key).peek()).toEqual({
      rule: RULE,
      next_at: now + 30_000,
      reserved: 0,
      slowed_until: now + 30_000,
    });
    expect(await limiterOf(key).reserve(["d", "a", "c"], RULE)).toEqual([now + 30_000, now, now + 30_020]);
  });

  it("takes back what is cancelled", async ({ expect }) => {
    const key = fresh("limit");
    const now = clock.now();
    await limiterOf(key).reserve(idsOf("run", 1000), RULE);
    await limiterOf(key).cancel(idsOf("run", 1000));
    await evictDurableObject(stubOf(key));
    expect(await limiterOf(key).reserve(["next"], RULE)).toEqual([now + 20]);
  });
});

describe("what a rate limit stores", () => {
  it("is one row for each call that changed something, and no alarm", async ({ expect }) => {
    const key = fresh("limit");
    await limiterOf(key).reserve(idsOf("first", 3), RULE);
    const before = await stubOf(key).rowsWritten();
    await limiterOf(key).reserve(idsOf("many", 1000), RULE);
    expect((await stubOf(key).rowsWritten()) - before).toBe(1);
    await limiterOf(key).reserve(idsOf("many", 1000), RULE);
    await limiterOf(key).cancel(["nobody"]);
    await limiterOf(key).slowDown(0);
    expect((await stubOf(key).rowsWritten()) - before).toBe(1);
    expect(await alarmOf(stubOf(key))).toBe(null);
  });

  it("is forgotten ten minutes after the last of its times", async ({ expect }) => {
    const key = fresh("limit");
    await limiterOf(key).reserve(idsOf("old", 50), RULE);
    await limiterOf(key).slowDown(clock.now() + 1000);
    clock.advance(KEEP_MS + 2000);
    await evictDurableObject(stubOf(key));
    const now = clock.now();
    expect(await limiterOf(key).reserve(["old-0", "new"], RULE)).toEqual([now, now + 20]);
    await limiterOf(key).reserve(["newer"], RULE);
    const times = [
      [
        ["old-0", now],
        ["new", now + 20],
      ],
      [["newer", now + 40]],
    ];
    expect(await rowsOf(stubOf(key), "SELECT times FROM reservation ORDER BY seq")).toEqual(
      times.map((some) => ({ times: JSON.stringify(some) })),
    );
  });

  it("is nothing for who only looks, or whose rule is none", async ({ expect }) => {
    const key = fresh("limit");
    expect(await limiterOf(key).peek()).toEqual({ rule: null, next_at: null, reserved: 0, slowed_until: null });
    const failure: unknown = await limiterOf(key)
      .reserve(["a"], { limit: -1, perMs: 1000 })
      .catch((error: unknown) => error);
    expect(String(failure)).toContain("expected limit to be an integer from 1 to 1000000, got -1");
    expect(await rowsOf(stubOf(key), "SELECT name FROM sqlite_master WHERE name = 'reservation'")).toEqual([]);
    expect(await limiterOf(key).reserve(["a"], RULE)).toEqual([clock.now()]);
  });

  it("can be read by the next version of the schema", async ({ expect }) => {
    const versions = RATE_LIMITER_MIGRATIONS.map(({ version }) => version);
    expect(versions).toEqual(versions.map((_, index) => index + 1));
    const key = fresh("limit");
    await limiterOf(key).reserve(["a"], RULE);
    await runInDurableObject(stubOf(key), (_limiter, state) => {
      state.storage.sql.exec("INSERT INTO schema_migrations (version) VALUES (1000)");
    });
    await evictDurableObject(stubOf(key));
    const failure: unknown = await limiterOf(key)
      .peek()
      .catch((error: unknown) => error);
    expect(String(failure)).toContain("this Worker is older than its data");
  });
});
