import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "../..");

/** What each room may import: other rooms of ours by name, packages and runtime modules by their specifier. */
const ROOMS: Record<string, { folder: string; rooms: string[]; packages: RegExp }> = {
  engine: { folder: "src/engine", rooms: [], packages: /^(zod|croner|node:crypto)$/ },
  sdk: { folder: "src/sdk", rooms: ["engine"], packages: /^zod$/ },
  isolate: { folder: "src/isolate", rooms: [], packages: /^$/ },
  runner: { folder: "src/runner", rooms: ["engine", "sdk", "isolate"], packages: /^zod$/ },
  dags: { folder: "dags", rooms: ["sdk"], packages: /^(?!cloudflare:|node:)/ },
  "durable-objects": {
    folder: "durable-objects",
    rooms: ["engine", "sdk", "isolate", "runner"],
    packages: /^(zod|ulid|cloudflare:workers|node:.+)$/,
  },
  queues: { folder: "queues", rooms: ["engine", "sdk", "isolate", "runner", "durable-objects"], packages: /./ },
  api: { folder: "src/api", rooms: ["engine", "sdk", "isolate", "durable-objects"], packages: /./ },
  client: { folder: "src/client", rooms: ["api"], packages: /^hono\/client$/ },
};

interface Import {
  file: string;
  /** As it stands in the source. */
  specifier: string;
  /** Path from the root, for a file of ours. */
  target: string | null;
}

function importsOf(folder: string): Import[] {
  const files = readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".ts"),
  );
  return files.flatMap((name) => {
    const file = join(ROOT, folder, name);
    const source = readFileSync(file, "utf8");
    return [
      ...source.matchAll(
        /^(?:import|export)\b[^;]*?\bfrom\s+"([^"]+)"|^import\s+"([^"]+)"|\bimport\(\s*"([^"]+)"\s*\)/gm,
      ),
    ].map((match) => {
      const specifier = match[1] ?? match[2] ?? match[3] ?? "";
      const path = specifier.startsWith(".") ? relative(ROOT, resolve(dirname(file), specifier)) : null;
      // A data file of a package has no specifier that every bundler resolves, so it is imported by its path; the manifest is data too.
      const target = path?.startsWith("node_modules/") === true || path === "package.json" ? null : path;
      return { file: relative(ROOT, file), specifier, target };
    });
  });
}

describe("imports point one way", () => {
  for (const [name, room] of Object.entries(ROOMS)) {
    test(`${room.folder} imports only what its room may`, ({ expect }) => {
      const allowed = [name, ...room.rooms].map((each) => `${ROOMS[each]?.folder ?? each}/`);
      const strays = importsOf(room.folder).filter(({ specifier, target }) =>
        target === null ? !room.packages.test(specifier) : !allowed.some((folder) => target.startsWith(folder)),
      );
      expect(strays).toEqual([]);
    });
  }

  test("every room has files, so that none of these checks passes by being empty", ({ expect }) => {
    const rooms = Object.values(ROOMS);
    expect(rooms.filter(({ folder }) => readdirSync(join(ROOT, folder)).length === 0)).toEqual([]);
    // What no import is read from would be checked for nothing.
    const silent = rooms.filter(({ folder }) => importsOf(folder).length === 0);
    expect(silent.map(({ folder }) => folder)).toEqual([]);
  });

  test("the engine reads no clock and rolls no dice", ({ expect }) => {
    const folder = join(ROOT, "src/engine");
    const impure = readdirSync(folder, { encoding: "utf8", recursive: true })
      .filter((name) => name.endsWith(".ts"))
      .filter((name) =>
        /\bDate\.now\(|\bMath\.random\(|\bnew Date\(\)|\bfetch\(|\bcrypto\./.test(
          readFileSync(join(folder, name), "utf8"),
        ),
      );
    expect(impure).toEqual([]);
  });
});
