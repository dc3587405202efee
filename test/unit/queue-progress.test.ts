import fc from "fast-check";
import { describe, test } from "vitest";
import { QueueProgress } from "../../src/engine/queue-progress.ts";

const NOW = Date.UTC(2026, 0, 1);
const PATIENCE = 10_000;

describe("a queue", () => {
  test("of which nothing was claimed does not move", ({ expect }) => {
    expect(new QueueProgress().isMoving("default", NOW, PATIENCE, NOW)).toBe(false);
  });

  test("moves while a worker claims what was sent no later than a message, and for the patience after", ({
    expect,
  }) => {
    const progress = new QueueProgress();
    progress.note("default", NOW - 5000, NOW);
    expect(progress.isMoving("default", NOW, PATIENCE, NOW)).toBe(true);
    expect(progress.isMoving("default", NOW, PATIENCE, NOW + PATIENCE - 1)).toBe(true);
    expect(progress.isMoving("default", NOW, PATIENCE, NOW + PATIENCE)).toBe(false);
  });

  test("has lost a message when what was sent long after it was claimed", ({ expect }) => {
    const progress = new QueueProgress();
    progress.note("default", NOW + PATIENCE - 1, NOW + PATIENCE);
    expect(progress.isMoving("default", NOW, PATIENCE, NOW + PATIENCE)).toBe(true);
    progress.note("default", NOW + PATIENCE, NOW + PATIENCE + 1);
    expect(progress.isMoving("default", NOW, PATIENCE, NOW + PATIENCE + 1)).toBe(false);
    // One that was sent early and claimed late takes that back for none.
    progress.note("default", NOW, NOW + PATIENCE + 2);
    expect(progress.isMoving("default", NOW, PATIENCE, NOW + PATIENCE + 2)).toBe(false);
  });

  test("says nothing of another queue", ({ expect }) => {
    const progress = new QueueProgress();
    progress.note("heavy", NOW, NOW);
    expect(progress.isMoving("default", NOW, PATIENCE, NOW)).toBe(false);
  });

  test("whose workers stop counts as moving for no longer than the patience, whatever was claimed", ({ expect }) => {
    const claim = fc.record({ sentAt: fc.nat(60_000), claimedAt: fc.nat(60_000) });
    fc.assert(
      fc.property(fc.array(claim, { minLength: 1 }), fc.nat(60_000), (claims, sentAt) => {
        const progress = new QueueProgress();
        const inOrder = claims.toSorted((one, other) => one.claimedAt - other.claimedAt);
        for (const one of inOrder) {
          progress.note("default", NOW + one.sentAt, NOW + one.claimedAt);
        }
        const last = inOrder.at(-1)?.claimedAt ?? 0;
        expect(progress.isMoving("default", NOW + sentAt, PATIENCE, NOW + last + PATIENCE)).toBe(false);
        const latest = Math.max(...claims.map((one) => one.sentAt));
        expect(progress.isMoving("default", NOW + sentAt, PATIENCE, NOW + last)).toBe(latest < sentAt + PATIENCE);
      }),
    );
  });
});
