import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, it } from "vitest";
import { LOGIN_RULES } from "../../src/engine/login-guard.ts";
import { clock, rowsOf, stopClock } from "./lab.ts";
import { fresh } from "./registry.ts";

stopClock();

const DAY_MS = 86_400_000;

/** An object that no other test uses: the product has one. */
function guard() {
  return env.LOGIN_GUARD.getByName(fresh("logins"));
}

/** How many logins in a row are let through. */
async function most(login: () => Promise<{ retryAfterMs: number | null }>): Promise<number> {
  for (let count = 0; ; count += 1) {
    if ((await login()).retryAfterMs !== null) {
      return count;
    }
  }
}

describe("the object that counts failed logins", () => {
  it("counts on after it was evicted", async ({ expect }) => {
    const stub = guard();
    const login = async () => {
      const answer = await stub.begin("ada", "home");
      await evictDurableObject(stub);
      return answer;
    };
    expect(await most(login)).toBe(LOGIN_RULES.pair.burst);
    expect(await login()).toEqual({ retryAfterMs: 60_000 });
    clock.advance(60_000);
    expect(await most(login)).toBe(1);
  });

  it("counts logins at one time one after the other", async ({ expect }) => {
    const stub = guard();
    const answers = await Promise.all(Array.from({ length: 40 }, () => stub.begin("ada", "home")));
    expect(answers.filter(({ retryAfterMs }) => retryAfterMs === null)).toHaveLength(LOGIN_RULES.pair.burst);
  });

  it("keeps no rows of what has run out, and none of what it refuses, whatever names strangers make up", async ({
    expect,
  }) => {
    const stub = guard();
    let name = 0;
    const login = () => stub.begin(`name ${(name += 1)}`, `net ${name}`);
    expect(await most(login)).toBe(LOGIN_RULES.all.burst);
    const rows = async () => (await rowsOf(stub, "SELECT key FROM login_count")).length;
    const full = await rows();
    expect(full).toBe(2 * LOGIN_RULES.all.burst + 1);
    for (let tries = 0; tries < 100; tries += 1) {
      await login();
    }
    expect(await rows()).toBe(full);
    clock.advance(DAY_MS);
    await login();
    expect(await rows()).toBe(3);
  });

  it("lets a user in from where they logged in before, for thirty days, whatever others do", async ({ expect }) => {
    const stub = guard();
    expect(await stub.begin("ada", "home")).toEqual({ retryAfterMs: null });
    await stub.succeeded("ada", "home");
    let network = 0;
    const guess = () => stub.begin("ada", `net ${(network += 1)}`);
    expect(await most(guess)).toBe(LOGIN_RULES.name.burst);
    await evictDurableObject(stub);
    expect(await stub.begin("ada", "home")).toEqual({ retryAfterMs: null });
    expect((await stub.begin("ada", "office")).retryAfterMs).not.toBeNull();

    clock.advance(31 * DAY_MS);
    await most(guess);
    expect((await stub.begin("ada", "home")).retryAfterMs).not.toBeNull();
  });

  it("remembers the ten latest networks of a user", async ({ expect }) => {
    const stub = guard();
    for (let network = 1; network <= 12; network += 1) {
      clock.advance(1000);
      await stub.begin("ada", `net ${network}`);
      await stub.succeeded("ada", `net ${network}`);
    }
    const networks = await rowsOf(stub, "SELECT network FROM known_network ORDER BY seen_at");
    expect(networks.map(({ network }) => network)).toEqual(
      Array.from({ length: 10 }, (_, index) => `net ${index + 3}`),
    );
  });
});
