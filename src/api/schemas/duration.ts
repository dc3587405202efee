/**
 * Durations as Airflow's API writes them: of tasks as an object, of DAGs as ISO 8601.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";

export const timeDeltaSchema = z
  .object({
    __type: z.literal("TimeDelta"),
    days: z.number().int(),
    seconds: z.number().int(),
    microseconds: z.number().int(),
  })
  .openapi("TimeDelta");
export type TimeDeltaJson = z.infer<typeof timeDeltaSchema>;

const MICROS = 1_000_000;
const DAY_SECONDS = 86_400;

/** Seconds as Python's timedelta has them, whose three parts count together. */
export function timeDeltaJson(seconds: number): TimeDeltaJson {
  const micros = Math.round(seconds * MICROS);
  const whole = Math.floor(micros / MICROS);
  return {
    __type: "TimeDelta",
    days: Math.floor(whole / DAY_SECONDS),
    seconds: whole % DAY_SECONDS,
    microseconds: micros % MICROS,
  };
}

/** Seconds as an ISO 8601 duration: `P1DT1H0.5S`. */
export function isoDuration(seconds: number): string {
  const { days, seconds: rest, microseconds } = timeDeltaJson(seconds);
  const hours = Math.floor(rest / 3600);
  const minutes = Math.floor((rest % 3600) / 60);
  const last = (rest % 60) + microseconds / MICROS;
  const time = [part(hours, "H"), part(minutes, "M"), part(last, "S")].join("");
  const date = part(days, "D");
  return date === "" && time === "" ? "PT0S" : `P${date}${time === "" ? "" : `T${time}`}`;
}

/** Never in scientific notation: the smallest part is a millionth. */
function part(amount: number, unit: string): string {
  return amount === 0 ? "" : `${Number.isInteger(amount) ? amount : amount.toFixed(6).replace(/0+$/, "")}${unit}`;
}
