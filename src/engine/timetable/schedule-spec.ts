/**
 * The schedule of a DAG as it may be written, and the one form it is kept in.
 *
 * @module
 */
import { z } from "zod";
import { CRON_PRESETS, CronError, parseCron, tidyCron } from "./cron-fields.ts";
import { CALENDAR } from "./timetable.ts";
import { wallCron } from "./wall-cron.ts";

/** Limits of one schedule. */
export const SCHEDULE_LIMITS = {
  expressions: 32,
  events: 10_000,
  /** Seconds of a delta or of a data interval. */
  seconds: 10 * 366 * 86_400,
} as const;

/** One cron expression of five or six fields, or a preset; kept as the expression the preset stands for. */
const cronSchema = z.string().transform((text, context) => {
  try {
    wallCron(parseCron(text));
  } catch (error) {
    if (!(error instanceof CronError)) {
      throw error;
    }
    context.addIssue({ code: "custom", message: error.message, input: text });
    return z.NEVER;
  }
  return tidyCron(text);
});

const deltaSeconds = z.number().min(1).max(SCHEDULE_LIMITS.seconds);
const intervalSeconds = z.number().min(0).max(SCHEDULE_LIMITS.seconds);

// A union would say "invalid input" and no more.
const runImmediately = z.custom<boolean | number | null>(
  (value) =>
    value === null ||
    typeof value === "boolean" ||
    (typeof value === "number" && value >= 0 && value <= SCHEDULE_LIMITS.seconds),
  { error: `expected true, false, null or seconds up to ${SCHEDULE_LIMITS.seconds}` },
);
runImmediately._zod.toJSONSchema = () => ({
  anyOf: [{ type: ["boolean", "null"] }, { type: "number", minimum: 0, maximum: SCHEDULE_LIMITS.seconds }],
});

const eventDate = z.iso
  .datetime({ offset: true, error: "expected an ISO 8601 date-time with a zone, such as 2026-01-31T06:00:00Z" })
  .transform((text) => Date.parse(text))
  .refine((at) => at >= CALENDAR.first && at < CALENDAR.last, {
    error: "expected a date-time of the years 1000 to 2999",
  });

/** The kinds of schedules, each as an object: the one form that `scheduleSchema` gives. */
export const scheduleObjectSchema = z.discriminatedUnion("type", [
  /** One run, as soon as possible. */
  z.strictObject({ type: z.literal("once") }),
  /** A run whenever the one before has ended. Needs a start date. */
  z.strictObject({ type: z.literal("continuous") }),
  /** A run at each tick of one or several cron expressions. */
  z.strictObject({
    type: z.literal("cron_trigger"),
    expressions: z.array(cronSchema).min(1).max(SCHEDULE_LIMITS.expressions),
    /** Seconds from the start of a run's data interval to the tick. */
    interval_seconds: intervalSeconds.default(0),
    /** Without a start date: whether the first run is that of the tick before now, or how many seconds ago it may have been. */
    run_immediately: runImmediately.default(null),
  }),
  /** A run at the end of each interval between two ticks of a cron expression. */
  z.strictObject({ type: z.literal("cron_data_interval"), expression: cronSchema }),
  /** A run every so many seconds. */
  z.strictObject({
    type: z.literal("delta_trigger"),
    seconds: deltaSeconds,
    interval_seconds: intervalSeconds.default(0),
  }),
  /** A run at the end of each interval of so many seconds. */
  z.strictObject({ type: z.literal("delta_data_interval"), seconds: deltaSeconds }),
  /** A run at each of the dates. */
  z.strictObject({
    type: z.literal("events"),
    dates: z
      .array(eventDate)
      .max(SCHEDULE_LIMITS.events)
      .transform((dates) => [...new Set(dates)].toSorted((a, b) => a - b).map((at) => new Date(at).toISOString())),
    /** Whether a run made by hand is about the latest event instead of the time it was made. */
    restrict_to_events: z.boolean().default(false),
    /** Name of the timetable for people. */
    description: z.string().min(1).max(500).optional(),
  }),
]);

/** A schedule in its one form; see `docs/timetables.md`. */
export type ScheduleSpec = z.infer<typeof scheduleObjectSchema>;
/** A schedule as a person may write it: null, `@once`, `@continuous`, a preset, a cron expression, or an object. */
export type ScheduleInput = z.input<typeof scheduleObjectSchema> | string | null;

const WORDS: Readonly<Record<string, z.input<typeof scheduleObjectSchema>>> = {
  "@once": { type: "once" },
  "@continuous": { type: "continuous" },
};
const SHORT_WORDS = [...Object.keys(WORDS), ...Object.keys(CRON_PRESETS)];
const EXPECTED = `null, a cron expression, one of ${SHORT_WORDS.join(", ")}, or an object with a "type"`;

/** A schedule in short, as an object. */
function spelledOut(text: string): z.input<typeof scheduleObjectSchema> {
  const word = text.trim();
  return (Object.hasOwn(WORDS, word) ? WORDS[word] : undefined) ?? { type: "cron_trigger", expressions: [text] };
}

/**
 * The field of a DAG's spec. Gives the one form back, or null for no schedule; what it gave, it takes and leaves as it is.
 * Each way to be wrong has its own message, which a plain union of the kinds would not have.
 */
export const scheduleSchema = z.custom<ScheduleInput>().transform((input, context): ScheduleSpec | null => {
  if (input === null) {
    return null;
  }
  const isText = typeof input === "string";
  if (!isText && (typeof input !== "object" || Array.isArray(input))) {
    context.addIssue({ code: "custom", message: `expected ${EXPECTED}`, input });
    return z.NEVER;
  }
  const parsed = scheduleObjectSchema.safeParse(isText ? spelledOut(input) : input);
  if (parsed.success) {
    return parsed.data;
  }
  for (const issue of parsed.error.issues) {
    // A text has no inner places.
    context.issues.push({ ...issue, input, path: isText ? [] : issue.path } as z.core.$ZodRawIssue);
  }
  return z.NEVER;
});

// For the JSON Schema of what may be written. A copy of the schema (`.meta()`, `.describe()`) loses it.
scheduleSchema._zod.toJSONSchema = () => {
  const { $schema: _, ...schema } = z.toJSONSchema(
    z.union([z.null(), z.string().describe("@once, @continuous, a preset or a cron expression"), scheduleObjectSchema]),
    { io: "input" },
  );
  return schema;
};
