import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "vitest";

const ROOT = join(import.meta.dirname, "../..");

/** An event by its levels and all fields that one of its places writes. */
type Events = Record<string, { levels: string[]; fields: string[] }>;

/** The calls of `console` in the product's code: the level and the text between the parentheses. */
function logCalls(): { place: string; level: string; text: string }[] {
  return ["src", "durable-objects", "queues"]
    .flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" }).map((name) => join(folder, name)),
    )
    .filter((name) => name.endsWith(".ts"))
    .flatMap((place) => {
      const code = readFileSync(join(ROOT, place), "utf8");
      return [...code.matchAll(/\bconsole\.(\w+)\(/g)].map((match) => ({
        place,
        level: match[1] ?? "",
        text: partsOf(code.slice(match.index + match[0].length), ")").join(","),
      }));
    });
}

/** The text up to a closing bracket, cut at the commas that stand in no bracket and no string. */
function partsOf(code: string, close: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let quote = "";
  let part = "";
  for (const char of code) {
    if (quote === "" && depth === 0 && (char === close || char === ",")) {
      parts.push(part.trim());
      part = "";
      if (char === close) {
        break;
      }
      continue;
    }
    if (quote === "") {
      depth += "({[".includes(char) ? 1 : ")}]".includes(char) ? -1 : 0;
      quote = "\"'`".includes(char) ? char : "";
    } else if (char === quote) {
      quote = "";
    }
    part += char;
  }
  return parts.filter((each) => each !== "");
}

function eventsOf(entries: readonly { name: string; level: string; fields: readonly string[] }[]): Events {
  const events: Events = {};
  for (const { name, level, fields } of entries) {
    const { levels = [], fields: before = [] } = events[name] ?? {};
    events[name] = {
      levels: [...new Set([...levels, level])].toSorted(),
      fields: [...new Set([...before, ...fields])].toSorted(),
    };
  }
  return events;
}

function eventsOfCode(): Events {
  return eventsOf(
    logCalls().map(({ place, level, text }) => {
      const fields = partsOf(text.replace(/^\{/, ""), "}").map((part) => /^(\w+)/.exec(part)?.[1] ?? part);
      const name = /^\{\s*event: "(\w+)"/.exec(text)?.[1];
      if (name === undefined) {
        throw new Error(`expected what ${place} logs to be an object that begins with its event, got ${text}`);
      }
      return { name, level, fields: fields.filter((field) => field !== "event") };
    }),
  );
}

function eventsOfPage(): Events {
  const lines = readFileSync(join(ROOT, "docs/log-events.md"), "utf8").split("\n");
  return eventsOf(
    lines.flatMap((line) => {
      const [, name, level, when, fields] = /^\| `(\w+)` +\| (\w+) +\| (.+?) +\| (.*?) *\|$/.exec(line) ?? [];
      return name === undefined || level === undefined || when === undefined
        ? []
        : [{ name, level, fields: [...(fields ?? "").matchAll(/`(\w+)`/g)].map((match) => match[1] ?? "") }];
    }),
  );
}

describe("the page of log events", () => {
  it("has every event that the code writes, with its level and its fields, and no other", ({ expect }) => {
    const events = eventsOfCode();
    expect(Object.keys(events).length).toBeGreaterThan(30);
    expect(eventsOfPage()).toEqual(events);
  });
});
