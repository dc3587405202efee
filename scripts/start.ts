/**
 * `npm start`: serves the built bundle on this machine, with its state in a folder.
 *
 * @module
 */
import { relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { checkAccess } from "./api-key.ts";
import { limitsLine, startLines } from "./greeting.ts";
import type { FaultSettings } from "./platform-limits.ts";
import { BUNDLE_FOLDER, LIMITED_BUNDLE_FOLDER, WRANGLER_CONFIG } from "./project.ts";
import { serve } from "./serve.ts";
import type { Serving } from "./serve.ts";

const HELP = `npm start -- [options]

  --port N           port to listen on (8787); 0 for any free one
  --host ADDRESS     address to listen on (127.0.0.1)
  --state DIR        folder of the state (.jobbers/state)
  --secret NAME      hand the environment variable NAME to the Worker as a secret; repeatable
  --config FILE      wrangler configuration to serve (wrangler.toml)
  --outdir DIR       folder of its bundle (dist)
  --platform-limits  serve under Cloudflare's limits: docs/platform-limits.md
  --fault-rate R     with it: how often, from 0 (the default) to 1, objects are reset and alarms late or lost
  --fault-seed N     with it: what that is drawn from (0)
  --drain-seconds N  time that running tasks have to end when the server is stopped (30)

The API key is the environment variable JOBBERS_API_KEY, of at least 32 characters if --host is no loopback address,
or a development key kept in the state folder.
Secrets in .dev.vars are handed on too.`;

const MAX_DRAIN_SECONDS = 3600;

/** What a parent process learns over its channel, if there is one. */
export interface ReadyMessage {
  ready: true;
  url: string;
  apiKey: string;
  runtimePid: number | null;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: "string", default: "8787" },
      host: { type: "string", default: "127.0.0.1" },
      state: { type: "string", default: ".jobbers/state" },
      secret: { type: "string", multiple: true, default: [] },
      config: { type: "string", default: WRANGLER_CONFIG },
      outdir: { type: "string" },
      "drain-seconds": { type: "string", default: "30" },
      "platform-limits": { type: "boolean", default: false },
      "fault-rate": { type: "string", default: "0" },
      "fault-seed": { type: "string", default: "0" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const stateFolder = resolve(values.state);
  const isLimited = values["platform-limits"];
  const faults = parseFaults(values["fault-rate"], values["fault-seed"]);
  const drainMs = parseDrain(values["drain-seconds"]);
  const givenKey = process.env["JOBBERS_API_KEY"] ?? null;
  for (const warning of checkAccess(values.host, givenKey)) {
    console.warn(warning);
  }
  const serving = await serve({
    configPath: resolve(values.config),
    bundleFolder: resolve(values.outdir ?? (isLimited ? LIMITED_BUNDLE_FOLDER : BUNDLE_FOLDER)),
    platformLimits: isLimited ? faults : null,
    stateFolder,
    host: values.host,
    port: parsePort(values.port),
    apiKey: givenKey,
    secrets: readSecrets(values.secret),
    onFailure(error) {
      console.error(`the runtime could not be started again: ${error.message}`);
      process.exit(1);
    },
  });
  stopOnSignals(serving, drainMs);
  if (isLimited) {
    console.log(limitsLine(faults.faultRate));
  }
  if (process.send === undefined) {
    const developmentKey = givenKey === null ? serving.apiKey : null;
    console.log(startLines({ url: serving.url, developmentKey }, shortPath(stateFolder)).join("\n"));
  } else {
    const message: ReadyMessage = {
      ready: true,
      url: serving.url,
      apiKey: serving.apiKey,
      runtimePid: serving.runtimePid(),
    };
    process.send(message);
  }
}

/** Relative to where the command was given, if it lies below. */
function shortPath(path: string): string {
  const fromHere = relative(process.cwd(), path);
  return fromHere.startsWith("..") ? path : fromHere;
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new Error(`--port: expected a number from 0 to 65535, got ${JSON.stringify(text)}`);
  }
  return port;
}

/** Milliseconds. An hour is the most: a supervisor waits no longer. */
function parseDrain(text: string): number {
  const seconds = Number(text);
  if (text === "" || !(seconds >= 0 && seconds <= MAX_DRAIN_SECONDS)) {
    throw new Error(`--drain-seconds: expected a number from 0 to ${MAX_DRAIN_SECONDS}, got ${JSON.stringify(text)}`);
  }
  return seconds * 1000;
}

function parseFaults(rateText: string, seedText: string): FaultSettings {
  const faultRate = Number(rateText);
  if (rateText === "" || !(faultRate >= 0 && faultRate <= 1)) {
    throw new Error(`--fault-rate: expected a number from 0 to 1, got ${JSON.stringify(rateText)}`);
  }
  const seed = Number(seedText);
  if (seedText === "" || !Number.isSafeInteger(seed) || seed < 0) {
    throw new Error(`--fault-seed: expected a whole number from 0, got ${JSON.stringify(seedText)}`);
  }
  return { faultRate, seed };
}

function readSecrets(names: string[]): Record<string, string> {
  return Object.fromEntries(
    names.map((name) => {
      const value = process.env[name];
      if (value === undefined || value === "") {
        throw new Error(`--secret ${name}: expected an environment variable of that name, found none`);
      }
      return [name, value];
    }),
  );
}

/** The first signal stops in order, a second one at once. A parent that is gone counts as a signal. */
function stopOnSignals(serving: Serving, drainMs: number): void {
  let stopping = false;
  function stop(): void {
    if (stopping) {
      process.exit(1);
    }
    stopping = true;
    console.log(`stopping: running tasks have ${drainMs / 1000} s to end, a second signal stops at once`);
    serving.stop(drainMs).then(
      () => process.exit(0),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  }
  // Miniflare exits on these by itself, before the stop is done; from here on the stop is ours.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.removeAllListeners(signal);
    process.on(signal, stop);
  }
  process.on("disconnect", stop);
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
