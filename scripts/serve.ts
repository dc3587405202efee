/**
 * One embedded server of this product, whole: bundle, state folder, key, runtime and its minute tick.
 *
 * @module
 */
import { ensureBundle } from "./bundle.ts";
import { startEmbedded } from "./embedded.ts";
import { LIMITED_FLAGS, underLimits } from "./platform-limits.ts";
import type { FaultSettings } from "./platform-limits.ts";
import { isPortFree } from "./ports.ts";
import { developmentKey, openStateFolder } from "./state-folder.ts";
import { watchDisk } from "./disk-watch.ts";
import type { DiskWatch } from "./disk-watch.ts";
import { describeGarbledFiles, explainStartFailure, isAboutFullDisk, isAboutGarbledFile } from "./state-trouble.ts";
import { tickEveryMinute } from "./tick.ts";
import type { Ticking } from "./tick.ts";

/** How to serve. */
export interface ServeOptions {
  configPath: string;
  bundleFolder: string;
  stateFolder: string;
  host: string;
  /** 0 for any free port. */
  port: number;
  /** API key of the server; null for the development key of the state folder. */
  apiKey: string | null;
  /** Cloudflare's limits hold, with these settings; null: they do not. */
  platformLimits: FaultSettings | null;
  /** Further secrets, by name. */
  secrets: Record<string, string>;
  /** Called when the runtime crashed and cannot be started again. */
  onFailure: (error: Error) => void;
}

/** A server that serves. */
export interface Serving {
  url: string;
  apiKey: string;
  runtimePid(): number | null;
  /** Stops: what runs gets `drainMs` to end, and is handed over then. */
  stop(drainMs: number): Promise<void>;
}

/**
 * Serves until `stop`. Builds the bundle if it is not current. Ends the runtime that a killed server left on the state
 * folder. Throws if the port is taken, the state folder is used by another server, or the bundle does not start.
 */
export async function serve(options: ServeOptions): Promise<Serving> {
  const limited = options.platformLimits === null ? null : underLimits(options.configPath, options.platformLimits);
  const bundle = ensureBundle(options.configPath, options.bundleFolder, limited?.entry ?? null);
  // Before the port is looked at: a runtime left behind on this folder listens on it.
  const folder = await openStateFolder(options.stateFolder);
  try {
    if (options.port !== 0 && !(await isPortFree(options.host, options.port))) {
      throw new Error(
        `port ${options.port} of ${options.host} is taken: stop what listens there, or choose another with --port`,
      );
    }
    const apiKey = options.apiKey ?? developmentKey(options.stateFolder);
    const tellGarbled = tellGarbledFiles(folder.resources);
    // Both are there when the runtime serves, and it may write or crash before.
    let disk: DiskWatch | null = null;
    let ticking: Ticking | null = null;
    const server = await startEmbedded({
      configPath: options.configPath,
      main: bundle.main,
      resources: folder.resources,
      host: options.host,
      port: options.port,
      bindings: {
        ...options.secrets,
        JOBBERS_API_KEY: apiKey,
        ...(limited?.bindings ?? { TASK_CONSUMER: "detach", JOBBERS_MAX_WAIT_S: "60" }),
      },
      ...(limited === null ? {} : { compatibilityFlags: LIMITED_FLAGS, keepsBatchSizes: true }),
      onRuntime: (pid) => folder.noteRuntime(pid),
      onRestart() {
        disk?.repeat();
        ticking?.now();
      },
      onFailure: options.onFailure,
      onLog(line) {
        if (isAboutFullDisk(line)) {
          disk?.look();
        }
        tellGarbled(line);
      },
    });
    disk = watchDisk(options.stateFolder, (full) => {
      console.error(full ?? `the disk of ${options.stateFolder} has room again`);
      server.order({ order: "disk", full }).catch((error: unknown) => console.error(error));
    });
    ticking = tickEveryMinute(() => server.tick());
    return {
      url: server.url,
      apiKey,
      runtimePid: () => server.runtimePid(),
      async stop(drainMs) {
        ticking?.stop();
        disk?.stop();
        await server.stop(drainMs);
        folder.release();
      },
    };
  } catch (error) {
    folder.release();
    throw explainStartFailure(error, options.stateFolder);
  }
}

/** Least time between two looks for garbled files. */
const TELL_AGAIN_MS = 60_000;

/** Says which file is garbled when the runtime meets one: its own message does not. */
function tellGarbledFiles(resources: string): (line: string) => void {
  let toldAt = -Infinity;
  return (line) => {
    if (isAboutGarbledFile(line) && Date.now() - toldAt > TELL_AGAIN_MS) {
      toldAt = Date.now();
      console.error(describeGarbledFiles(resources) ?? `no garbled file was found below ${resources}`);
    }
  };
}
