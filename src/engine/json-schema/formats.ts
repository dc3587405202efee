/**
 * The formats of texts that are checked, and how: as Airflow does, that is as Python's `jsonschema` with its
 * `FormatChecker`, `idna`, `isoduration` and `rfc3339-validator`. Each takes time in proportion to the text at most.
 * A format that is not here, such as `uri`, `hostname` or a word of one's own, describes and refuses nothing.
 *
 * @module
 */

/** Characters of a text that can be of a checked format. */
export const FORMAT_CHARACTERS = 8000;

/** Steps to check a text, beside two for each character; more where the runtime reads it as an address. */
export function formatSteps(name: string): number {
  return name === "idn-hostname" ? 250 : 8;
}

/** By its name in a schema: says whether a text is of the format. */
export const FORMATS: ReadonlyMap<string, (text: string) => boolean> = new Map([
  ["date", isDate],
  ["date-time", isDateTime],
  ["duration", isDuration],
  ["email", hasAt],
  ["idn-email", hasAt],
  ["idn-hostname", isHostname],
  ["ipv4", isIpv4],
  ["ipv6", isIpv6],
  ["regex", isExpression],
  ["time", isTime],
  ["uuid", (text) => /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i.test(text)],
]);

function isDate(text: string): boolean {
  const [, year, month, day] = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text) ?? [];
  return isDay(Number(year), Number(month), Number(day));
}

function isDay(year: number, month: number, day: number): boolean {
  // A day that a month has not is one of the next month.
  return year >= 1 && day >= 1 && new Date(Date.UTC(2000 + (year % 400), month - 1, day)).getUTCMonth() === month - 1;
}

/** RFC 3339, without leap seconds. */
function isDateTime(text: string): boolean {
  const [, date] =
    /^(\d{4}-\d\d-\d\d)T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/i.exec(text) ??
    [];
  return date !== undefined && isDate(date);
}

/** Python's `%H:%M:%S`: of a day, without a zone and without fractions. */
function isTime(text: string): boolean {
  return /^(?:[01]?\d|2[0-3]):[0-5]?\d:[0-5]?\d$/.test(text);
}

const AMOUNT = String.raw`[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?`;
const DURATION = new RegExp(
  `^[+-]?P(?=.)(?:${AMOUNT}W|(?:${AMOUNT}Y)?(?:${AMOUNT}M)?(?:${AMOUNT}D)?)` +
    `(?:T(?=.)(?:${AMOUNT}H)?(?:${AMOUNT}M)?(?:${AMOUNT}S)?)?$`,
);

function isDuration(text: string): boolean {
  return DURATION.test(text);
}

function hasAt(text: string): boolean {
  return text.includes("@");
}

function isIpv4(text: string): boolean {
  return /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/.test(text);
}

function isIpv6(text: string): boolean {
  if (text.length > 45) {
    return false;
  }
  const halves = text.split("::");
  const groups = halves.map((half) => (half === "" ? [] : half.split(":")));
  const last = groups.at(-1)?.at(-1) ?? "";
  const isMixed = last.includes(".");
  const words = groups.flat().slice(0, isMixed ? -1 : undefined);
  const count = words.length + (isMixed ? 2 : 0);
  return (
    words.every((word) => /^[\da-f]{1,4}$/i.test(word)) &&
    (!isMixed || isIpv4(last)) &&
    (halves.length === 1 ? count === 8 : halves.length === 2 && count <= 7)
  );
}

/** A name of hosts in any script (IDNA 2008, without its rules on neighbouring letters). */
function isHostname(text: string): boolean {
  const labels = text.split(/[.\u3002\uff0e\uff61]/);
  if (labels.length > 1 && labels.at(-1) === "") {
    labels.pop();
  }
  return text.length <= 253 && labels.every(isLabel);
}

function isLabel(label: string): boolean {
  if (/^[\da-z](?:[\da-z-]{0,61}[\da-z])?$/i.test(label)) {
    return label.slice(2, 4) !== "--" || /^xn--/i.test(label);
  }
  if (
    !/^[\p{Ll}\p{Lo}\p{Lm}\p{Nd}](?:[\p{Ll}\p{Lo}\p{Lm}\p{Nd}\p{M}-]*[\p{Ll}\p{Lo}\p{Lm}\p{Nd}\p{M}])?$/u.test(label)
  ) {
    return false;
  }
  const url = `http://${label}/`;
  return label.slice(2, 4) !== "--" && URL.canParse(url) && new URL(url).hostname.length <= 63;
}

function isExpression(text: string): boolean {
  try {
    return new RegExp(text, "u").flags === "u";
  } catch {
    return false;
  }
}
