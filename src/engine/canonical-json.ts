/**
 * JSON text that is the same for the same value.
 *
 * @module
 */

/**
 * JSON text with the keys of every object sorted by code unit and without white space. Arrays keep their order;
 * properties that are undefined are left out, as JSON does.
 *
 * @example
 * canonicalJson({ b: [2, 1], a: null }); // '{"a":null,"b":[2,1]}'
 * @throws TypeError for what JSON cannot hold.
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === "boolean" || typeof value === "string") {
    return JSON.stringify(value);
  }
  if (typeof value === "number" && Number.isFinite(value)) {
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) {
    return `[${value.map(canonicalJson).join(",")}]`;
  }
  if (typeof value === "object") {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
    return `{${members.join(",")}}`;
  }
  throw new TypeError(`expected a JSON value, got ${typeof value === "number" ? String(value) : typeof value}`);
}
