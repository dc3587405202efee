/**
 * One embedded server of this product, whole: bundle, state folder, key, runtime and its minute tick.
 *
 * @module
 */
import { ensureBundle } from "./bundle.ts";
import { startEmbedded } from "./embedded.ts";
import { isPortFree } from "./ports.ts";
import { developmentKey, openStateFolder } from "./state-folder.ts";
import { tickEveryMinute } from "./tick.ts";

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
  /** Further secrets, by name. */
  secrets: Record<string, string>;
}

/** A server that serves. */
export interface Serving {
  url: string;
  apiKey: string;
  runtimePid(): number | null;
  stop(): Promise<void>;
}

/**
 * Serves until `stop`. Builds the bundle if it is not current. Throws if the port is taken, the state folder is used by
 * another server, or the bundle does not start.
 */
export async function serve(options: ServeOptions): Promise<Serving> {
  if (options.port !== 0 && !(await isPortFree(options.host, options.port))) {
    throw new Error(
      `port ${options.port} of ${options.host} is taken: stop what listens there, or choose another with --port`,
    );
  }
  const bundle = ensureBundle(options.configPath, options.bundleFolder);
  const folder = await openStateFolder(options.stateFolder);
  const apiKey = options.apiKey ?? developmentKey(options.stateFolder);
  try {
    const server = await startEmbedded({
      configPath: options.configPath,
      main: bundle.main,
      resources: folder.resources,
      host: options.host,
      port: options.port,
      bindings: { ...options.secrets, JOBBERS_API_KEY: apiKey, TASK_CONSUMER: "detach" },
      onRuntime: (pid) => folder.noteRuntime(pid),
    });
    const stopTicking = tickEveryMinute(() => server.tick());
    return {
      url: server.url,
      apiKey,
      runtimePid: () => server.runtimePid(),
      async stop() {
        stopTicking();
        await server.stop();
        folder.release();
      },
    };
  } catch (error) {
    folder.release();
    throw error;
  }
}
