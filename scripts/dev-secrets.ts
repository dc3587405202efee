/**
 * Secrets on their way to `wrangler dev`.
 *
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { parseEnv } from "node:util";

/** Secrets of a `.dev.vars` file by name; none if there is no such file. */
export function readDevVars(file: string): Record<string, string> {
  return existsSync(file) ? stringsOf(parseEnv(readFileSync(file, "utf8"))) : {};
}

function stringsOf(parsed: NodeJS.Dict<string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(parsed).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

/**
 * The text of an env file that wrangler reads as these secrets, character by character: what looks like a variable in a
 * value (`$100000$…` of a password's hash) is no variable.
 *
 * @throws Error if a value cannot be written so that it is read as it is.
 */
export function envFileOf(secrets: Record<string, string>): string {
  return Object.entries(secrets)
    .map(([name, value]) => `${name}=${quoted(name, value)}\n`)
    .join("");
}

/** Single quotes and backticks keep what is in them; an escaped dollar sign is what wrangler makes a plain one of. */
function quoted(name: string, value: string): string {
  const escaped = value.replaceAll("$", String.raw`\$`);
  const quote = ["'", "`"].find((each) => !escaped.includes(each));
  if (quote === undefined || escaped.endsWith("\\") || escaped.includes("\r")) {
    throw new Error(
      `${name}: expected a value without a carriage return, that does not end in a backslash and does not have both ' and \`: \`wrangler dev\` reads no other as it is`,
    );
  }
  return `${quote}${escaped}${quote}`;
}
