/**
 * The instants of a cron expression in a time zone. `docs/timetables.md` says what happens when clocks are put forward or
 * back; here is how it comes about.
 *
 * A transition ends one stretch of clock time and begins another. The stretch before it is read on with the old offset: in
 * a gap for as long as the clocks skip, so that a skipped time comes as much later as the clocks were put forward; in a
 * fold only up to the time the clocks go back to, unless every hour is marked, in which case up to the transition. The
 * stretch after begins at the transition. Between them every marked wall time has a place, and away from transitions just one.
 *
 * @module
 */
import { parseCron } from "./cron-fields.ts";
import type { Ticks } from "./ticks.ts";
import { wallCron } from "./wall-cron.ts";
import type { WallCron } from "./wall-cron.ts";
import type { Transition, Zone } from "./zone.ts";

/** How far from a transition {@link Zone.transitionNear} sees it. */
const NEAR = 86_400_000;

class CronTicks implements Ticks {
  readonly #cron: WallCron;
  readonly #zone: Zone;
  /** Whether the hours run on through a fold, because every hour is marked. */
  readonly #everyHour: boolean;

  constructor(cron: WallCron, zone: Zone, everyHour: boolean) {
    this.#cron = cron;
    this.#zone = zone;
    this.#everyHour = everyHour;
  }

  next(at: number): number {
    let from = at;
    const here = this.#zone.transitionNear(from);
    if (here !== null) {
      const found = this.#nextAround(here, from);
      if (found <= here.at + NEAR) {
        return found;
      }
      from = Math.max(from, here.at + NEAR);
    }
    const offset = this.#zone.offsetAt(from);
    const wall = this.#cron.after(from + offset);
    const there = this.#zone.transitionNear(wall - offset);
    // Until then the offset may have changed, and back, without a marked time in between.
    return there === null
      ? wall - this.#zone.offsetAt(wall - offset)
      : this.#nextAround(there, Math.max(from, there.at - 2 * NEAR));
  }

  prev(at: number): number {
    let from = at;
    const here = this.#zone.transitionNear(from);
    if (here !== null) {
      const found = this.#prevAround(here, from);
      if (found >= here.at - NEAR) {
        return found;
      }
      from = Math.min(from, here.at - NEAR);
    }
    const offset = this.#zone.offsetAt(from);
    const wall = this.#cron.before(from + offset);
    const there = this.#zone.transitionNear(wall - offset);
    return there === null
      ? wall - this.#zone.offsetAt(wall - offset)
      : this.#prevAround(there, Math.min(from, there.at + 2 * NEAR));
  }

  alignNext(at: number): number {
    return this.next(at - 1);
  }

  alignPrev(at: number): number {
    return this.prev(at + 1);
  }

  /** The first instant after `at` by the stretches on both sides of a transition. */
  #nextAround(transition: Transition, at: number): number {
    const { before, after } = transition;
    const old = this.#cron.after(at + before) - before;
    const fresh = this.#cron.after(Math.max(at, transition.at - 1) + after) - after;
    return old < this.#endOfOld(transition) ? Math.min(old, fresh) : fresh;
  }

  /** The last instant before `at` by the stretches on both sides of a transition. */
  #prevAround(transition: Transition, at: number): number {
    const { before, after } = transition;
    const old = this.#cron.before(Math.min(at, this.#endOfOld(transition)) + before) - before;
    const fresh = this.#cron.before(at + after) - after;
    return fresh >= transition.at ? Math.max(old, fresh) : old;
  }

  /** The instant at which the old offset is read no more. */
  #endOfOld({ at, before, after }: Transition): number {
    return this.#everyHour && after < before ? at : at + (after - before);
  }
}

/**
 * The times of a cron expression on the clocks of a time zone.
 *
 * @throws CronError if the expression is none or never comes true.
 */
export function cronTicks(expression: string, zone: Zone): Ticks {
  const fields = parseCron(expression);
  return new CronTicks(wallCron(fields), zone, fields.hour.isEvery);
}
