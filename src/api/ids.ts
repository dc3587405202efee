/**
 * ULIDs in requests, and new ones.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import { ulid } from "ulid";
import { parseMemberId, ULID_PATTERN } from "../engine/batch-ids.ts";
import { assignIntake } from "../engine/intake.ts";
import { invalid } from "./errors.ts";

const EXPECTED = "expected a ULID: 26 upper-case characters of Crockford's base 32, the first 0 to 7";

/** A ULID in a request. Lower case is refused, so that one job has one address. */
export const ulidInput = z
  .string()
  .regex(ULID_PATTERN, EXPECTED)
  .openapi({ example: "01JC6V9XH3ZQ5W8M2T4R7K0NPD", description: "A ULID, in upper case" });

/** A new ULID, of randomness that is drawn once, for the library draws one byte at a time. */
export function newUlid(now: number): string {
  const random = crypto.getRandomValues(new Uint8Array(16));
  let position = 0;
  return ulid(now, () => (random[position++ % random.length] ?? 0) / 256);
}

/** Which intake object this isolate prefers; drawn at first use, since the platform allows no randomness before a request. */
let preferredIntake: number | undefined;

/**
 * A new job id: a ULID that cannot be mistaken for a member of a batch, and says which intake object keeps the job.
 *
 * @param waiting Submissions that wait for an answer now.
 */
export function newJobId(now: number, waiting: number): string {
  preferredIntake ??= crypto.getRandomValues(new Uint8Array(1))[0] ?? 0;
  for (;;) {
    const id = assignIntake(newUlid(now), preferredIntake, waiting);
    if (parseMemberId(id) === null) {
      return id;
    }
  }
}

/**
 * The id that a caller chose, in the body or as `Idempotency-Key`, or undefined.
 *
 * @throws ApiError 422 if the header is no ULID, or if both are there and differ.
 */
export function chosenId(bodyId: string | undefined, header: string | undefined): string | undefined {
  if (header === undefined) {
    return bodyId;
  }
  if (!ULID_PATTERN.test(header)) {
    throw invalid(["header", "Idempotency-Key"], EXPECTED, header);
  }
  if (bodyId !== undefined && bodyId !== header) {
    throw invalid(["header", "Idempotency-Key"], `expected the same id as in the body (${bodyId})`, header);
  }
  return header;
}
