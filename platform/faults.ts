/**
 * What goes wrong by chance on the platform, drawn from a seed.
 *
 * @module
 */
import { dice, type Dice } from "./dice.ts";

/** Where a call stood when its object was reset: not begun; begun, with nothing on disk; done, with only the answer lost. */
export type ResetPoint = "before" | "during" | "after";

/** What becomes of an alarm that is due: it comes late by some milliseconds, or not at all. */
export type AlarmFate = { lateMs: number } | "lost";

/** One call of an object. */
export interface ObjectCall {
  /** Class of the object. */
  className: string;
  name: string;
  method: string;
}

/** Decides what goes wrong. */
export interface Faults {
  ofCall(call: ObjectCall): ResetPoint | null;
  ofAlarm(object: Omit<ObjectCall, "method">): AlarmFate | null;
}

/** How often something goes wrong, each from 0 to 1. */
export interface FaultRates {
  /** Calls in which the object is reset. */
  resets: number;
  /** Alarms that come late. */
  lateAlarms: number;
  /** Alarms that never come. */
  lostAlarms: number;
}

export const NO_FAULTS: Faults = { ofCall: () => null, ofAlarm: () => null };

/** Faults at such rates. @param mostLateMs How late an alarm comes at most. */
export function faultsAt(rates: FaultRates, seed: number, mostLateMs: number): Faults {
  const roll = dice(seed);
  return {
    ofCall: () => (roll() < rates.resets ? resetPoint(roll) : null),
    ofAlarm() {
      const chance = roll();
      if (chance < rates.lostAlarms) {
        return "lost";
      }
      return chance < rates.lostAlarms + rates.lateAlarms ? { lateMs: roll() * mostLateMs } : null;
    },
  };
}

/** Draws where a reset hits a call. */
export function resetPoint(roll: Dice): ResetPoint {
  const chance = roll();
  if (chance < 1 / 3) {
    return "before";
  }
  return chance < 2 / 3 ? "during" : "after";
}
