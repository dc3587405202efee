/**
 * The keywords about texts and numbers, and about what a value is.
 *
 * @module
 */
import type { Json } from "../spec.ts";
import { shortJson, type Evaluation } from "./evaluation.ts";
import { FORMAT_CHARACTERS, FORMATS, formatSteps } from "./formats.ts";

/** Numbers have up to 600 digits here. */
const DIVISION_STEPS = 100;

/** Says what a value should be by one keyword that is not about its parts; null if it is, or the keyword is another. */
export function wantedByScalar(keyword: string, wanted: Json, value: Json, check: Evaluation): string | null {
  switch (keyword) {
    case "type":
      return isOfType(wanted, value) ? null : `type ${typeNames(wanted)}`;
    case "enum":
      return Array.isArray(wanted) && !check.choices(wanted).has(check.identity(value))
        ? `one of ${shortJson(wanted)}`
        : null;
    case "const":
      return check.identity(wanted) === check.identity(value) ? null : shortJson(wanted);
    default:
  }
  if (typeof value === "number" && typeof wanted === "number") {
    check.budget.take(keyword === "multipleOf" ? DIVISION_STEPS : 0);
    return wantedByNumber(keyword, wanted, value);
  }
  return typeof value === "string" ? wantedByText(keyword, wanted, value, check) : null;
}

function wantedByNumber(keyword: string, wanted: number, value: number): string | null {
  switch (keyword) {
    case "minimum":
      return value >= wanted ? null : `a number of at least ${wanted}`;
    case "maximum":
      return value <= wanted ? null : `a number of at most ${wanted}`;
    case "exclusiveMinimum":
      return value > wanted ? null : `a number above ${wanted}`;
    case "exclusiveMaximum":
      return value < wanted ? null : `a number below ${wanted}`;
    case "multipleOf":
      return isMultiple(value, wanted) ? null : `a multiple of ${wanted}`;
    default:
      return null;
  }
}

function wantedByText(keyword: string, wanted: Json, value: string, check: Evaluation): string | null {
  if (typeof wanted === "number") {
    switch (keyword) {
      case "minLength":
        return charactersOf(value, check) >= wanted ? null : `a string of at least ${wanted} characters`;
      case "maxLength":
        return charactersOf(value, check) <= wanted ? null : `a string of at most ${wanted} characters`;
      default:
        return null;
    }
  }
  if (typeof wanted !== "string") {
    return null;
  }
  switch (keyword) {
    case "pattern":
      return check.matches(wanted, value) ? null : `a string that matches ${shortJson(wanted)}`;
    case "format":
      return wantedByFormat(wanted, value, check);
    default:
      return null;
  }
}

function wantedByFormat(name: string, value: string, check: Evaluation): string | null {
  const isOfFormat = FORMATS.get(name);
  if (isOfFormat === undefined) {
    return null;
  }
  if (value.length > FORMAT_CHARACTERS) {
    return `a string of at most ${FORMAT_CHARACTERS} characters, of the format ${shortJson(name)}`;
  }
  check.budget.take(formatSteps(name) + 2 * value.length);
  return isOfFormat(value) ? null : `a string of the format ${shortJson(name)}`;
}

/** Characters as a reader counts them: code points. */
function charactersOf(text: string, { budget }: Evaluation): number {
  budget.take(1 + (text.length >> 3));
  let count = 0;
  for (let at = 0; at < text.length; at += 1) {
    // A pair of halves is one character.
    at += (text.codePointAt(at) ?? 0) > 0xffff ? 1 : 0;
    count += 1;
  }
  return count;
}

function isOfType(wanted: Json, value: Json): boolean {
  return Array.isArray(wanted) ? wanted.some((name) => isOfType(name, value)) : typeOf(wanted, value);
}

function typeOf(name: Json, value: Json): boolean {
  switch (name) {
    case "null":
      return value === null;
    case "array":
      return Array.isArray(value);
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value);
    case "integer":
      return Number.isInteger(value);
    default:
      return typeof value === name;
  }
}

/** Compares decimal digits: 0.3 is a multiple of 0.1. */
function isMultiple(value: number, divisor: number): boolean {
  if (!Number.isFinite(value) || !Number.isFinite(divisor) || divisor <= 0) {
    return false;
  }
  const [amount, exponent] = decimal(value);
  const [part, partExponent] = decimal(divisor);
  const shift = exponent - partExponent;
  return shift >= 0 ? (amount * 10n ** BigInt(shift)) % part === 0n : amount % (part * 10n ** BigInt(-shift)) === 0n;
}

/** A number as digits and a power of ten. */
function decimal(value: number): [bigint, number] {
  const [digits = "0", exponent = "0"] = Math.abs(value).toString().split("e");
  const [whole = "0", fraction = ""] = digits.split(".");
  return [BigInt(whole + fraction), Number(exponent) - fraction.length];
}

/** A schema's `type` in words: "string or null". */
export function typeNames(type: Json): string {
  return (Array.isArray(type) ? type : [type])
    .map((name) => (typeof name === "string" ? name : shortJson(name)))
    .join(" or ");
}
