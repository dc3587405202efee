/**
 * Where the platform makes objects. An object stays where its first call made it, so that a hint must be set before the first
 * deployment; a jurisdiction is part of an object's identity.
 *
 * @module
 */

/** Where objects are made near, by the platform's names: https://developers.cloudflare.com/durable-objects/reference/data-location/ */
const LOCATION_HINTS = ["wnam", "enam", "sam", "weur", "eeur", "apac", "oc", "afr", "me"] as const;
/** Whose law the data of objects stays under, by the platform's names. */
const JURISDICTIONS = ["eu", "fedramp", "us"] as const;

/** The variables that say where. */
export interface Places {
  /** One of `LOCATION_HINTS`. Left out: near the first caller of each object. */
  LOCATION_HINT?: string | undefined;
  /** One of `JURISDICTIONS`. Left out: none. */
  JURISDICTION?: string | undefined;
}

/** Opens the Durable Objects of one class by name: a namespace of the platform, as far as it is used. */
export interface ObjectNamespace {
  getByName(name: string, options?: { locationHint?: DurableObjectLocationHint }): unknown;
  jurisdiction?(jurisdiction: DurableObjectJurisdiction): ObjectNamespace;
}

/**
 * The object of a name, where the configuration wants it.
 *
 * @throws Error if a variable has a value that the platform does not know.
 */
export function objectNamed(places: Places, namespace: ObjectNamespace, name: string): object {
  const hint = oneOf(LOCATION_HINTS, "LOCATION_HINT", places.LOCATION_HINT);
  const jurisdiction = oneOf(JURISDICTIONS, "JURISDICTION", places.JURISDICTION);
  const within = jurisdiction === null ? namespace : namespace.jurisdiction?.(jurisdiction);
  if (within === undefined) {
    throw new Error("JURISDICTION: expected a runtime that knows jurisdictions, this one does not");
  }
  return (hint === null ? within.getByName(name) : within.getByName(name, { locationHint: hint })) as object;
}

function oneOf<T extends string>(known: readonly T[], variable: string, value: string | undefined): T | null {
  if (value === undefined || value === "") {
    return null;
  }
  const found = known.find((one) => one === value);
  if (found === undefined) {
    throw new Error(`${variable}: expected one of ${known.join(", ")}, got ${JSON.stringify(value)}`);
  }
  return found;
}
