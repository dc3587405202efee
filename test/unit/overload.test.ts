import fc from "fast-check";
import { describe, test } from "vitest";
import { AdmissionControl } from "../../src/engine/overload.ts";

const NOW = Date.UTC(2026, 0, 1);
const FORGOTTEN_MS = 5001;

/** Lets requests in until one is refused, at most `most`. Gives how many were admitted. */
function fill(control: AdmissionControl, now: number, most = 10_000): number {
  for (let admitted = 0; admitted < most; admitted += 1) {
    if (!control.enter(now)) {
      return admitted;
    }
  }
  return most;
}

/** Keeps it full, and answers one request every `everyMs`, for `durationMs`. Gives when that ended. */
function serve(control: AdmissionControl, from: number, everyMs: number, durationMs: number): number {
  let now = from;
  fill(control, now);
  for (; now - from < durationMs; now += everyMs) {
    control.leave(now);
    fill(control, now);
  }
  return now;
}

describe("admission of requests", () => {
  test("takes as many at once as an assumed rate answers in time, when nothing was measured", ({ expect }) => {
    const control = new AdmissionControl();
    expect(fill(control, NOW)).toBe(400);
    expect(control.waiting).toBe(400);
    expect(control.enter(NOW)).toBe(false);
    expect(control.waiting).toBe(400);
    control.leave(NOW + 1);
    expect(control.enter(NOW + 1)).toBe(true);
  });

  test("takes 200 at once when nothing was measured", ({ expect }) => {
    expect(fill(new AdmissionControl(), NOW, 200)).toBe(200);
  });

  test.for([
    ["below the target for a fast service", 1, 400],
    ["below the target for one of 250 a second", 4, 100],
    ["at the least number for one that is slow", 50, 64],
  ] as const)("keeps the mean wait %s, by Little's law", ([, everyMs, most], { expect }) => {
    const control = new AdmissionControl();
    const now = serve(control, NOW, everyMs, 3000);
    // More is not let in, and what waits from before is answered first.
    while (control.waiting > 0) {
      control.leave(now);
    }
    const admitted = fill(control, now);
    expect(admitted).toBeLessThanOrEqual(most);
    expect(admitted).toBeGreaterThanOrEqual(Math.max(64, most * 0.95));
    expect(admitted > 64 ? admitted * everyMs : 0).toBeLessThanOrEqual(400);
  });

  test("forgets a measured rate when none was measured for five seconds", ({ expect }) => {
    const control = new AdmissionControl();
    const now = serve(control, NOW, 50, 3000);
    expect(control.enter(now)).toBe(false);
    while (control.waiting > 0) {
      control.leave(now);
    }
    expect(fill(control, now)).toBe(64);
    expect(control.enter(now + FORGOTTEN_MS)).toBe(true);
  });

  test("forgets a measured rate when the clock goes back", ({ expect }) => {
    const control = new AdmissionControl();
    const now = serve(control, NOW, 50, 3000);
    expect(control.enter(now)).toBe(false);
    expect(control.enter(NOW - 1)).toBe(true);
  });

  test("measures only while requests queue up: few that come slowly do not count as slow answers", ({ expect }) => {
    const control = new AdmissionControl();
    for (let now = NOW; now < NOW + 10_000; now += 100) {
      control.enter(now);
      control.leave(now + 50);
    }
    expect(fill(control, NOW + 10_000)).toBe(400);
  });

  test("gives the place of one that steps aside to another, and refuses it if there is none when it comes back", ({
    expect,
  }) => {
    const control = new AdmissionControl();
    expect(fill(control, NOW)).toBe(400);
    control.stepAside();
    control.stepAside();
    expect(control.waiting).toBe(398);
    expect(control.stepBack()).toBe(true);
    expect(fill(control, NOW)).toBe(1);
    expect(control.stepBack()).toBe(false);
    // Refused or not, it is counted until it leaves.
    expect(control.waiting).toBe(401);
    control.leave(NOW);
    expect(control.enter(NOW)).toBe(false);
  });

  test("never refuses below 64 that wait, counts each it took in, and loses none, whatever comes", ({ expect }) => {
    const step = fc.record({ kind: fc.constantFrom("enter", "leave"), count: fc.nat(120), wait: fc.nat(700) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const control = new AdmissionControl();
        let now = NOW;
        let waiting = 0;
        for (const { kind, count, wait } of steps) {
          now += wait;
          for (let turn = 0; turn < count; turn += 1) {
            if (kind === "enter") {
              const isAdmitted = control.enter(now);
              expect(isAdmitted || waiting >= 64).toBe(true);
              waiting += Number(isAdmitted);
            } else if (waiting > 0) {
              control.leave(now);
              waiting -= 1;
            }
            expect(control.waiting).toBe(waiting);
          }
        }
      }),
    );
  });
});
