import { describe, it } from "vitest";
import { networkOf } from "../../src/api/auth/login-brake.ts";
import { beginLogin, countsOf, LOGIN_RULES, loginSucceeded } from "../../src/engine/login-guard.ts";
import { EMPTY_CELL, type RateCell } from "../../src/engine/permits/gcra.ts";

const START = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;

/** Counts of failed logins, as the object keeps them. */
class Counts {
  readonly cells = new Map<string, RateCell>();
  now = START;

  /** Null if it is let through, or milliseconds to wait. */
  begin(name: string, network: string, isKnown = false): number | null {
    const begun = beginLogin(countsOf(name, network, isKnown), (key) => this.cells.get(key) ?? EMPTY_CELL, this.now);
    if ("retryAfterMs" in begun) {
      return begun.retryAfterMs;
    }
    begun.cells.forEach((cell, key) => this.cells.set(key, cell));
    return null;
  }

  succeed(name: string, network: string, isKnown = false): void {
    const taken = loginSucceeded(countsOf(name, network, isKnown), (key) => this.cells.get(key) ?? null, this.now);
    taken.forEach((cell, key) => this.cells.set(key, cell));
  }

  /** How many in a row are let through now. */
  most(login: () => number | null): number {
    for (let count = 0; ; count += 1) {
      if (login() !== null) {
        return count;
      }
    }
  }
}

describe("failed logins", () => {
  it("are let through ten times for a name from one network, then once a minute", ({ expect }) => {
    const counts = new Counts();
    const login = (): number | null => counts.begin("ada", "home");
    expect(counts.most(login)).toBe(10);
    expect(login()).toBe(MINUTE);
    counts.now += MINUTE;
    expect(counts.most(login)).toBe(1);
    counts.now += 60 * MINUTE;
    expect(counts.most(login)).toBe(10);
  });

  it("of one name are let through fifty times from all networks, and three hundred times in total", ({ expect }) => {
    const counts = new Counts();
    let network = 0;
    expect(counts.most(() => counts.begin("ada", `net ${(network += 1)}`))).toBe(LOGIN_RULES.name.burst);
    let name = 0;
    const rest = LOGIN_RULES.all.burst - LOGIN_RULES.name.burst;
    expect(counts.most(() => counts.begin(`name ${(name += 1)}`, `net ${name}`))).toBe(rest);
  });

  it("of strangers do not hold up who comes from a network that is known of the name", ({ expect }) => {
    const counts = new Counts();
    let network = 0;
    counts.most(() => counts.begin("ada", `net ${(network += 1)}`));
    let name = 0;
    counts.most(() => counts.begin(`name ${(name += 1)}`, `net ${name}`));
    expect(counts.begin("ada", "elsewhere")).toBeGreaterThan(0);
    expect(counts.begin("ada", "home", true)).toBeNull();
  });

  it("leave nothing of a refusal: what is refused makes nothing wait longer", ({ expect }) => {
    const counts = new Counts();
    counts.most(() => counts.begin("ada", "home"));
    const before = new Map(counts.cells);
    for (let tries = 0; tries < 1000; tries += 1) {
      counts.begin("ada", "home");
    }
    expect(counts.cells).toEqual(before);
  });

  it("are none if they succeed", ({ expect }) => {
    const counts = new Counts();
    for (let tries = 0; tries < 1000; tries += 1) {
      expect(counts.begin("ada", "home")).toBeNull();
      counts.succeed("ada", "home");
    }
    expect([...counts.cells.values()].every(({ at }) => at <= counts.now)).toBe(true);
  });
});

describe("the network of an address", () => {
  it.for([
    ["192.0.2.7", "192.0.2.7"],
    ["2001:DB8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["2001:0db8:0001::1", "2001:db8:1:0::/64"],
    ["::1", "0:0:0:0::/64"],
    [null, "unknown"],
  ] as const)("%s is %s", ([address, network], { expect }) => {
    expect(networkOf(address)).toBe(network);
  });
});
