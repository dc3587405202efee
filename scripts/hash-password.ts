/**
 * `npm run hash-password`: reads a password from the standard input and prints what `JOBBERS_USERS` keeps of it. The
 * password is no argument, because those are shown to everybody on the machine and kept by the shell.
 *
 * @module
 */
import { stdin } from "node:process";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { hashPassword, MAX_PASSWORD, MIN_PASSWORD } from "../src/api/auth/passwords.ts";

async function readPassword(): Promise<string> {
  // What is typed is not shown: the line editor writes to nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const isTyped = stdin.isTTY;
  if (isTyped) {
    process.stderr.write("Password: ");
  }
  const lines = createInterface({ input: stdin, output: nowhere, terminal: isTyped });
  for await (const line of lines) {
    lines.close();
    if (isTyped) {
      process.stderr.write("\n");
    }
    return line;
  }
  return "";
}

const password = await readPassword();
if (password.length < MIN_PASSWORD || password.length > MAX_PASSWORD) {
  // Its length alone: a terminal keeps what it showed.
  console.error(
    `expected a password of ${MIN_PASSWORD} to ${MAX_PASSWORD} characters on the first line of the input, got ${password.length}`,
  );
  process.exit(1);
}
console.log(await hashPassword(password));
