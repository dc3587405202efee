import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, it } from "vitest";
import { PROJECT_ROOT } from "../../scripts/project.ts";

function hash(input: string) {
  return spawnSync(process.execPath, [join(PROJECT_ROOT, "scripts/hash-password.ts")], { input, encoding: "utf8" });
}

describe("npm run hash-password", () => {
  it("prints what is kept of a password", ({ expect }) => {
    const { status, stdout } = hash("twelve chars\n");
    expect(status).toBe(0);
    expect(stdout).toMatch(/^pbkdf2-sha256\$100000\$/);
  });

  it("refuses one that is shorter than 12 characters, without showing it", ({ expect }) => {
    const { status, stdout, stderr } = hash("eleven char\n");
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toContain("expected a password of 12 to 1024 characters on the first line of the input, got 11");
    expect(stderr).not.toContain("eleven");
  });
});
