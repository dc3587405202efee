/**
 * `npm run dev`: `wrangler dev` for an author, with a development key, and ticking. Arguments are handed on to wrangler.
 *
 * @module
 */
import { resolve } from "node:path";
import { checkAccess } from "./api-key.ts";
import { startDevServer } from "./dev-server.ts";
import { keyLines } from "./greeting.ts";
import { isPortFree } from "./ports.ts";
import { WRANGLER_CONFIG } from "./project.ts";
import { tickEveryMinute } from "./tick.ts";

const HOST = "127.0.0.1";
const { port, more } = readArguments(process.argv.slice(2));
if (!(await isPortFree(HOST, port))) {
  console.error(`port ${port} of ${HOST} is taken: stop what listens there, or choose another with --port`);
  process.exit(1);
}

const givenKey = process.env["JOBBERS_API_KEY"] ?? null;
for (const warning of checkAccess(HOST, givenKey)) {
  console.warn(warning);
}
const server = startDevServer({
  configPath: WRANGLER_CONFIG,
  stateFolder: resolve(".jobbers/dev"),
  port,
  apiKey: givenKey,
  output: "inherit",
  more,
});
// wrangler ends by itself on these; this process then ends with it.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => void server.stop());
server.child.once("exit", (code) => process.exit(code ?? 0));

await server.ready();
const developmentKey = givenKey === null ? server.apiKey : null;
console.log(["", ...keyLines({ url: server.url, developmentKey }), ""].join("\n"));
tickEveryMinute(() => server.tick());

/** Takes `--port` out; everything else is wrangler's. */
function readArguments(given: string[]): { port: number; more: string[] } {
  const at = given.indexOf("--port");
  const text = at === -1 ? "8787" : (given[at + 1] ?? "");
  const parsed = Number(text);
  if (text === "" || !Number.isInteger(parsed) || parsed < 1 || parsed > 65_535) {
    console.error(`--port: expected a number from 1 to 65535, got ${JSON.stringify(text)}`);
    process.exit(1);
  }
  return { port: parsed, more: at === -1 ? given : given.toSpliced(at, 2) };
}
