import { describe, it } from "vitest";
import { objectNamed } from "../../src/isolate/place.ts";

/** A namespace that answers how it was asked. */
function namespace(jurisdiction: string | null = null) {
  return {
    getByName: (name: string, options?: object) => ({ name, jurisdiction, options: options ?? null }),
    jurisdiction: (within: string) => namespace(within),
  };
}

describe("where objects are made", () => {
  it("is the platform's affair without configuration, or with empty variables", ({ expect }) => {
    const plain = { name: "a", jurisdiction: null, options: null };
    expect(objectNamed({}, namespace(), "a")).toEqual(plain);
    expect(objectNamed({ LOCATION_HINT: "", JURISDICTION: "" }, namespace(), "a")).toEqual(plain);
  });

  it("is near the place that LOCATION_HINT names", ({ expect }) => {
    expect(objectNamed({ LOCATION_HINT: "weur" }, namespace(), "a")).toEqual({
      name: "a",
      jurisdiction: null,
      options: { locationHint: "weur" },
    });
  });

  it("is within JURISDICTION, with or without a hint", ({ expect }) => {
    expect(objectNamed({ JURISDICTION: "eu", LOCATION_HINT: "eeur" }, namespace(), "a")).toEqual({
      name: "a",
      jurisdiction: "eu",
      options: { locationHint: "eeur" },
    });
  });

  it.for([
    [
      { LOCATION_HINT: "europe" },
      'LOCATION_HINT: expected one of wnam, enam, sam, weur, eeur, apac, oc, afr, me, got "europe"',
    ],
    [{ JURISDICTION: "de" }, 'JURISDICTION: expected one of eu, fedramp, us, got "de"'],
  ] as const)("is refused if the platform has no such place: %j", ([places, message], { expect }) => {
    expect(() => objectNamed(places, namespace(), "a")).toThrow(message);
  });

  it("is refused within a jurisdiction on a runtime that has none", ({ expect }) => {
    const without = { getByName: () => ({}) };
    expect(() => objectNamed({ JURISDICTION: "eu" }, without, "a")).toThrow(
      "expected a runtime that knows jurisdictions",
    );
  });
});
