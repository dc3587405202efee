/**
 * The meaning of JSON Schema's keywords. The cases in `json-schema-suite.json` are those of the JSON Schema Test Suite for
 * draft 2020-12 (https://github.com/json-schema-org/JSON-Schema-Test-Suite, MIT, see `json-schema-suite.LICENSE`), but
 * for dynamic references and for references to schemas that lie elsewhere.
 */
import { describe, it } from "vitest";
import { StepBudget } from "../../src/engine/json-schema/budget.ts";
import { Mismatches } from "../../src/engine/json-schema/evaluation.ts";
import { FORMATS } from "../../src/engine/json-schema/formats.ts";
import { SchemaCheck } from "../../src/engine/json-schema/schema-check.ts";
import { schemaMismatches, schemaProblems } from "../../src/engine/json-schema-check.ts";
import type { Json } from "../../src/engine/spec.ts";
import suite from "./json-schema-suite.json" with { type: "json" };

type Case = [name: string, schema: Json, fitting: Json[], others: Json[]];

function fits(schema: Json, value: Json): boolean {
  const found = new Mismatches();
  const collected = new SchemaCheck(schema, new StepBudget()).fits(schema, value, null, found, null);
  const alone = new SchemaCheck(schema, new StepBudget()).fits(schema, value, null, null, null);
  // Whether mismatches are asked for must not change the answer.
  return collected === alone && (found.list.length === 0) === collected ? collected : !alone;
}

describe("JSON Schema", () => {
  it("means what its test suite says, keyword by keyword", ({ expect }) => {
    const wrong = (suite as Case[]).flatMap(([name, schema, fitting, others]) => [
      ...fitting.filter((value) => !fits(schema, value)).map((value) => ({ name, value, fits: true })),
      ...others.filter((value) => fits(schema, value)).map((value) => ({ name, value, fits: false })),
    ]);
    expect(wrong).toEqual([]);
    expect(suite.length).toBeGreaterThan(300);
  });

  it("takes each schema of that suite for one that can be used", ({ expect }) => {
    const refused = (suite as Case[]).filter(
      ([, schema]) =>
        typeof schema === "object" && schema !== null && !Array.isArray(schema) && schemaProblems(schema).length > 0,
    );
    expect(refused.map(([name]) => name)).toEqual([]);
  });

  it("counts a reference that leads back to itself as one that cannot be used", ({ expect }) => {
    const back = {
      $ref: "#/$defs/a",
      $defs: { a: { anyOf: [{ type: "null" }, { $ref: "#/$defs/b" }] }, b: { not: { $ref: "#/$defs/a" } } },
    };
    expect(schemaProblems(back)).toEqual([
      { path: [], expected: "a schema that can be used (a $ref leads back to itself)" },
    ]);
    expect(schemaMismatches(back, 1)[0]?.expected).toContain("a schema that can be used (");
    expect(schemaProblems({ properties: { child: { $ref: "#" } } })).toEqual([]);
  });
});

describe("a text of a format", () => {
  // Each as Python's jsonschema 4.26 with FormatChecker says, which Airflow 3.3.2 uses.
  const CASES: Record<string, { is: string[]; isNot: string[] }> = {
    date: {
      is: ["2022-01-02", "2024-02-29"],
      isNot: ["20220102", "2022-02-30", "2023-02-29", "0000-01-01", "2022-13-01", ""],
    },
    "date-time": {
      is: ["2022-01-02T03:04:05Z", "2022-01-02t03:04:05.678z", "2022-01-02T03:04:05+04:00"],
      isNot: ["2022-01-02T03:04:05", "2022-01-02 03:04:05Z", "2022-02-30T03:04:05Z", "2022-01-02T24:04:05Z", "x"],
    },
    time: {
      is: ["03:04:05", "3:4:5", "23:59:59"],
      isNot: ["03:04:05Z", "24:00:00", "03:04:60", "03:04:05.1", " 03:04:05", "03:04"],
    },
    duration: {
      is: ["P1D", "P1Y2M3DT4H5M6S", "P1W", "P-1D", "P0.5Y", "PT0S", "P2Y1D", "PT1H5S", "+P1D", "PT1,5S", "P1M"],
      isNot: ["PT", "P", "PT1", "P1", "1D", "P1D2H", "PT1D", "P1YT", "P1W2D", "pt1s", "P0001-01-01T00:00:00"],
    },
    email: { is: ["a@b", "@"], isNot: ["x"] },
    "idn-email": { is: ["@"], isNot: ["x"] },
    "idn-hostname": {
      is: ["bücher.de", "a.", "1.2.3.4", "xn--bcher-kva", "faß.de"],
      isNot: ["a b", "-a", "", "a..b", "x".repeat(64), "A_b", "ab--cd"],
    },
    ipv4: { is: ["1.2.3.4", "255.255.255.0"], isNot: ["01.2.3.4", "1.2.3", "256.1.1.1", "1.2.3.4 ", "1.2.3.4."] },
    ipv6: {
      is: ["::1", "::ffff:1.2.3.4", "::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::"],
      isNot: [
        "1::2::3",
        "fe80::1%eth0",
        "1:2:3:4:5:6:7",
        "12345::",
        ":1::",
        "::1.2.3",
        "[::1]",
        "",
        "1:2:3:4:5:6:7:8:9",
        "1.2.3.4",
      ],
    },
    uuid: {
      is: ["2EB8AA08-AA98-11EA-B4AA-73B441D16380"],
      isNot: [
        "2eb8aa08aa9811eab4aa73b441d16380",
        "{2eb8aa08-aa98-11ea-b4aa-73b441d16380}",
        "2eb8aa08-aa98-11ea-b4aa73b4-41d16380",
      ],
    },
    regex: { is: ["a", "[a-z]{2}"], isNot: ["(", "a**"] },
  };

  for (const [format, { is, isNot }] of Object.entries(CASES)) {
    it(`${format} is one to Airflow as well`, ({ expect }) => {
      const fitting = (text: string): boolean => schemaMismatches({ format }, text).length === 0;
      expect(is.filter((text) => !fitting(text))).toEqual([]);
      expect(isNot.filter(fitting)).toEqual([]);
    });
  }

  it("is any text where Airflow checks nothing", ({ expect }) => {
    for (const format of ["hostname", "uri", "uri-reference", "url", "iri", "json-pointer", "color", "my-own"]) {
      expect(schemaMismatches({ format }, "a b"), format).toEqual([]);
    }
    expect(schemaMismatches({ format: "date" }, 5)).toEqual([]);
    expect([...FORMATS.keys()].toSorted()).toEqual(Object.keys(CASES).toSorted());
  });

  it("has at most 8,000 characters", ({ expect }) => {
    expect(schemaMismatches({ format: "email" }, `${"a".repeat(7999)}@`)).toEqual([]);
    expect(schemaMismatches({ format: "email" }, `${"a".repeat(8000)}@`)).toEqual([
      { path: [], expected: 'a string of at most 8000 characters, of the format "email"' },
    ]);
  });
});
