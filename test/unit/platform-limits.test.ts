import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "vitest";
import { LIMITS, limitValues, only } from "../../platform/limits.ts";
import { readSettings } from "../../platform/settings.ts";
import { limitRows } from "../../platform/table.ts";

const DOCUMENT = join(import.meta.dirname, "../../docs/platform-limits.md");

/** A row of Markdown without the spaces that the formatter lays columns out with. */
function cells(row: string): string {
  return row
    .split("|")
    .map((cell) => cell.trim())
    .join("|");
}

describe("the table of the platform's limits", () => {
  it("stands in the document as in the code", ({ expect }) => {
    const rows = readFileSync(DOCUMENT, "utf8").split("\n").map(cells);
    for (const row of limitRows()) {
      expect(rows).toContain(cells(row));
    }
    const documented = rows.filter((row) => row.startsWith("|`") && row.includes("https://developers.cloudflare.com"));
    expect(documented.length).toBe(Object.keys(LIMITS).length);
  });

  it("names a page of Cloudflare's documentation for each, and a date", ({ expect }) => {
    for (const { page, asOf, value } of Object.values(LIMITS)) {
      expect(page).toMatch(/^https:\/\/developers\.cloudflare\.com\//);
      expect(asOf).toMatch(/^2026(-\d\d){1,2}$/);
      expect(value).toBeGreaterThanOrEqual(0);
    }
  });

  it("gives figures, some of them replaced, or all others switched off", ({ expect }) => {
    expect(limitValues({ subrequests: 7 })).toMatchObject({ subrequests: 7, connections: 6, wall_ms: 900_000 });
    expect(only({ connections: 6 })).toMatchObject({ connections: 6, subrequests: Number.POSITIVE_INFINITY });
  });
});

describe("the settings that the Worker is given", () => {
  it("are those of the configuration, and no faults unless there is a rate", ({ expect }) => {
    expect(readSettings(undefined)).toEqual({ values: {}, faultRate: 0, seed: 0 });
    const text = JSON.stringify({ values: { subrequests: 1_000_000 }, faultRate: 0.01, seed: 7 });
    expect(readSettings(text)).toEqual({ values: { subrequests: 1_000_000 }, faultRate: 0.01, seed: 7 });
    expect(() => readSettings('{"faultRate": 2}')).toThrow("faultRate");
  });
});
