import fc from "fast-check";
import { describe, test } from "vitest";
import { newJobId } from "../../src/api/ids.ts";
import { batchKey, isUlid } from "../../src/engine/batch-ids.ts";
import {
  assignIntake,
  batchIntakeName,
  INTAKE_DIGITS,
  intakeName,
  intakeNamed,
  isIntakeName,
} from "../../src/engine/intake.ts";

const NOW = Date.UTC(2026, 0, 1);
const digit = fc.constantFrom(...Array.from(INTAKE_DIGITS));
const ulid = fc
  .tuple(fc.constantFrom(...Array.from("01234567")), fc.array(digit, { minLength: 25, maxLength: 25 }))
  .map(([first, rest]) => first + rest.join(""));

describe("the name of an intake object", () => {
  test("is that of a job's last digit, the same for all ids that end in it", ({ expect }) => {
    fc.assert(
      fc.property(ulid, ulid, (one, other) => {
        expect(intakeName(one)).toBe(`intake/${one.slice(-1)}`);
        expect(intakeName(one) === intakeName(other)).toBe(one.slice(-1) === other.slice(-1));
      }),
    );
  });

  test("is one of 32, whatever the id, and for batches as well", ({ expect }) => {
    const names = new Set(Array.from(INTAKE_DIGITS, intakeNamed));
    expect(names.size).toBe(32);
    fc.assert(
      fc.property(ulid, (id) => {
        expect(names).toContain(intakeName(id));
        expect(names).toContain(batchIntakeName(batchKey(id)));
      }),
    );
  });

  test("spreads batches over the objects, though their keys end in zeros", ({ expect }) => {
    const keys = Array.from({ length: 2000 }, (_, index) => batchKey(newJobId(NOW + index, 0)));
    expect(new Set(keys.map(batchIntakeName)).size).toBe(32);
  });

  test.for(["etl", "intake", "@batch:01JC6V9XH3ZQ5W8M2T4R7K0NPD", "pool/default", "Intake/0"])(
    "is not %s, of another object",
    (name, { expect }) => {
      expect(isIntakeName(name)).toBe(false);
      expect(isIntakeName(intakeNamed("0"))).toBe(true);
    },
  );
});

describe("the intake object of a new job", () => {
  test("is the isolate's first choice while it has little to do", ({ expect }) => {
    fc.assert(
      fc.property(ulid, fc.nat(255), fc.nat(63), (id, preferred, waiting) => {
        expect(assignIntake(id, preferred, waiting)).toBe(id.slice(0, -1) + INTAKE_DIGITS.charAt(preferred % 32));
      }),
    );
  });

  test("is the next one for every 64 submissions that wait, all the way round", ({ expect }) => {
    const id = newJobId(NOW, 0);
    const digits = Array.from({ length: 33 }, (_, step) => assignIntake(id, 30, step * 64).slice(-1));
    expect(digits.slice(0, 4)).toEqual(["Y", "Z", "0", "1"]);
    expect(new Set(digits.slice(0, 32)).size).toBe(32);
    expect(digits[32]).toBe(digits[0]);
    expect(assignIntake(id, 30, 63).slice(-1)).toBe("Y");
  });

  test("is the same for all jobs of an isolate, and another one when more wait", ({ expect }) => {
    const quiet = Array.from({ length: 100 }, (_, index) => newJobId(NOW + index, 0));
    expect(new Set(quiet.map(intakeName)).size).toBe(1);
    expect(quiet.every(isUlid)).toBe(true);
    const busy = newJobId(NOW, 64);
    expect(INTAKE_DIGITS.indexOf(busy.slice(-1))).toBe((INTAKE_DIGITS.indexOf(quiet[0]?.slice(-1) ?? "") + 1) % 32);
  });
});
