import { describe, it } from "vitest";
import { Turns } from "../../src/engine/turns.ts";

describe("turns", () => {
  it("are given until as many are taken as may be, and again when one ended", ({ expect }) => {
    const turns = new Turns(2, 1000);
    const [first, second] = [turns.take(0), turns.take(0)];
    expect([typeof first, typeof second, turns.take(500)]).toEqual(["symbol", "symbol", null]);
    turns.end(first ?? Symbol("none"));
    turns.end(first ?? Symbol("none"));
    expect([turns.take(600) === null, turns.take(600)]).toEqual([false, null]);
  });

  it("count no longer than they may last, also when the clock was set back", ({ expect }) => {
    const turns = new Turns(1, 1000);
    turns.take(5000);
    expect([turns.take(5999), turns.take(6000) === null, turns.take(6000)]).toEqual([null, false, null]);
    expect(turns.take(100) === null).toBe(false);
  });
});
