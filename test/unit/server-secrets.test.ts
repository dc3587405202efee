import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, onTestFinished, test } from "vitest";
import { checkAccess, isLoopback } from "../../scripts/api-key.ts";
import { envFileOf, readDevVars } from "../../scripts/dev-secrets.ts";
import { startLines } from "../../scripts/greeting.ts";

const LONG = "k".repeat(32);

describe("a server's key", () => {
  test("may be short on a loopback address, with a warning", ({ expect }) => {
    for (const host of ["127.0.0.1", "127.1.2.3", "localhost", "::1", "[::1]"]) {
      expect(isLoopback(host)).toBe(true);
      expect(checkAccess(host, "a")).toEqual([expect.stringContaining("has 1 characters")]);
    }
    expect(checkAccess("127.0.0.1", LONG)).toEqual([]);
    expect(checkAccess("127.0.0.1", null)).toEqual([]);
  });

  test("has at least 32 characters elsewhere", ({ expect }) => {
    for (const host of ["0.0.0.0", "::", "192.168.1.7", "jobs.example.com", "127.0.0.1.example.com"]) {
      expect(isLoopback(host)).toBe(false);
      expect(() => checkAccess(host, "k".repeat(31))).toThrow(/at least 32 characters.*got 31/);
    }
  });

  test("goes over plain HTTP elsewhere, with a warning", ({ expect }) => {
    expect(checkAccess("0.0.0.0", LONG)).toEqual([expect.stringMatching(/plain HTTP.*TLS/)]);
    expect(checkAccess("0.0.0.0", null)).toEqual([expect.stringMatching(/plain HTTP.*TLS/)]);
  });

  test("is shown if it is the development key, and never if it was given", ({ expect }) => {
    const url = "http://127.0.0.1:8787";
    expect(startLines({ url, developmentKey: LONG }, "state").join("\n")).toContain(`Bearer ${LONG}`);
    expect(startLines({ url, developmentKey: null }, "state").join("\n")).toContain('Bearer $JOBBERS_API_KEY"');
  });
});

describe("secrets for wrangler dev", () => {
  test("are read from .dev.vars, and there need be none", ({ expect }) => {
    const folder = mkdtempSync(join(tmpdir(), "jobbers-unit-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, ".dev.vars");
    expect(readDevVars(file)).toEqual({});
    writeFileSync(file, `# users\nJOBBERS_USERS='{"ada": "pbkdf2-sha256$100000$x"}'\nPLAIN=one\n`);
    expect(readDevVars(file)).toEqual({ JOBBERS_USERS: '{"ada": "pbkdf2-sha256$100000$x"}', PLAIN: "one" });
  });

  test("are refused if no env file can hold them", ({ expect }) => {
    for (const value of ["both ' and `", "ends in \\", "a\rb"]) {
      expect(() => envFileOf({ ODD: value })).toThrow(/^ODD: expected a value/);
    }
  });
});
