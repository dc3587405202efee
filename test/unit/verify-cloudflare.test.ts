import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "vitest";
import { PROJECT_ROOT } from "../../scripts/project.ts";
import { parseVerifyArguments } from "../../scripts/verify/arguments.ts";
import { CHECKS } from "../../scripts/verify/checks.ts";
import { CLEAN_UP, urlOf } from "../../scripts/verify/deployment.ts";

const KNOWN = CHECKS.map(({ number }) => number);

function configurationOf(...path: string[]): string {
  const text = readFileSync(join(PROJECT_ROOT, ...path, "wrangler.toml"), "utf8");
  // What is before it are names.
  return text.slice(text.indexOf("send_metrics"));
}

describe("the command line of verify:cloudflare", () => {
  test("runs all checks unless some are named", ({ expect }) => {
    expect(parseVerifyArguments([], KNOWN)).toEqual({
      help: false,
      checks: [1, 2, 3, 4, 5, 6, 7],
      hint: "weur",
      keep: false,
      dryRun: false,
    });
    expect(parseVerifyArguments(["--only", "3, 1,3", "--keep", "--dry-run"], KNOWN)).toMatchObject({
      checks: [1, 3],
      keep: true,
      dryRun: true,
    });
  });

  test("refuses checks and options that there are not", ({ expect }) => {
    for (const only of ["8", "1,", "", "one"]) {
      expect(() => parseVerifyArguments(["--only", only], KNOWN)).toThrow(
        `--only: expected numbers of checks (1,2,3,4,5,6,7), got ${JSON.stringify(only)}`,
      );
    }
    expect(() => parseVerifyArguments(["--all"], KNOWN)).toThrow("--all");
  });
});

describe("the Worker of verify:cloudflare", () => {
  test("has the configuration of the product, under other names", ({ expect }) => {
    const product = configurationOf();
    const renamed = product.replaceAll("jobbers-tasks", "jobbers-verify-tasks");
    expect(configurationOf("test", "cloudflare")).toBe(
      renamed.replaceAll("jobbers-payloads", "jobbers-verify-payloads"),
    );
  });

  test("is deleted with every queue and bucket that its configuration names", ({ expect }) => {
    const deleted = CLEAN_UP.map((args) => args.join(" ")).join("\n");
    const names = [...configurationOf("test", "cloudflare").matchAll(/^(?:queue|bucket_name) = "(.+)"$/gm)];
    expect(new Set(names.map((match) => match[1])).size).toBe(3);
    for (const [, name] of names) {
      expect(deleted).toContain(name);
    }
  });

  test("is called at the address that wrangler notes", ({ expect }) => {
    const notes = [
      { type: "wrangler-session", version: 1 },
      { type: "deploy", version: 1, targets: ["schedule: * * * * *", "https://jobbers-verify.ada.workers.dev"] },
    ];
    expect(urlOf(notes.map((note) => JSON.stringify(note)).join("\n"))).toBe("https://jobbers-verify.ada.workers.dev");
    expect(() => urlOf(JSON.stringify({ type: "deploy", targets: [] }))).toThrow(
      "expected wrangler to say the address",
    );
  });
});
