/**
 * The embedded runtime: the built bundle on workerd, through Miniflare's API, configured by `wrangler.toml` alone.
 * `npm start`, the demo, the benchmark and the tests all serve by this module, so they measure and try the same thing.
 *
 * @module
 */
import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import { unstable_getMiniflareWorkerOptions as readWorkerOptions } from "wrangler";
import { z } from "zod";
import { MOST_LANES, readQueues } from "../src/engine/queues.ts";
import type { Queues } from "../src/engine/queues.ts";
import { orderText } from "../src/orders.ts";
import type { Order } from "../src/orders.ts";
import { tieRuntimeToThisProcess } from "./runtime-command.ts";
import { after, endGently, isAboutMemory, isRunning, reasonOf } from "./runtime-end.ts";
import { watchRuntime } from "./runtime-watch.ts";

/** What to serve, and where. */
export interface EmbeddedOptions {
  /** Path of the wrangler.toml that names bindings, queues and classes. */
  configPath: string;
  /** Path of the bundle's entry. */
  main: string;
  /** Folder for the objects' databases. */
  resources: string;
  host: string;
  /** 0 for any free port. */
  port: number;
  /** Variables and secrets; they win over those of the configuration. */
  bindings: Record<string, string>;
  /** Compatibility flags beside those of the configuration. */
  compatibilityFlags?: readonly string[];
  /** Batches have the size of wrangler.toml, not as many messages as a consumer has lanes. */
  keepsBatchSizes?: boolean;
  /** Called with the id of the runtime's process as soon as it has one, again if it crashed and is restarted; null when it is ended. */
  onRuntime?: (pid: number | null) => void;
  /** Called with each line that the runtime and the Worker write, after it was printed. */
  onLog?: (line: string) => void;
  /** Called when the runtime crashed and serves again. */
  onRestart?: () => void;
  /** Called when the runtime crashed and cannot be started again: nothing is served from then on. */
  onFailure?: (error: Error) => void;
}

/** A running embedded server. */
export interface EmbeddedServer {
  url: string;
  /** Id of the runtime's process now; null while it is down. */
  runtimePid(): number | null;
  /** Runs the Worker's `scheduled()` once, as a cron trigger would. @throws Error if it failed or could not be reached. */
  tick(): Promise<void>;
  /** Gives the Worker an order; returns when it is obeyed. */
  order(order: Order): Promise<void>;
  /**
   * Has the Worker end what runs, or hand it over after `drainMs`, lets the runtime answer the requests it has, and ends it.
   * Everything it answered for is on disk by then. A runtime that does not obey is ended a few seconds later.
   */
  stop(drainMs: number): Promise<void>;
}

const MODULE_TYPES: Record<string, "Text" | "Data" | "CompiledWasm"> = {
  ".txt": "Text",
  ".html": "Text",
  ".sql": "Text",
  ".csv": "Text",
  ".bin": "Data",
  ".wasm": "CompiledWasm",
};

/** The modules of a bundle folder: its entry first, then files that the bundler left beside it. */
function listModules(main: string): { type: "ESModule" | "Text" | "Data" | "CompiledWasm"; path: string }[] {
  const folder = dirname(main);
  const beside = readdirSync(folder).flatMap((name) => {
    const type = MODULE_TYPES[extname(name)];
    return type === undefined ? [] : [{ type, path: join(folder, name) }];
  });
  return [{ type: "ESModule", path: main }, ...beside];
}

/** The queues of wrangler.toml: who sends, by binding, and how batches are made, by queue. */
const producersSchema = z.record(z.string(), z.looseObject({ queueName: z.string() })).default({});
const consumersSchema = z
  .record(
    z.string(),
    z.looseObject({
      maxBatchSize: z.number().default(10),
      maxRetries: z.number().default(3),
      retryDelay: z.number().default(0),
    }),
  )
  .default({});

/** Bindings to other Workers. */
const servicesSchema = z.record(z.string(), z.custom<string | { name: string; entrypoint?: string }>()).default({});

/**
 * The queues that tasks use, as bindings to the Worker's own entrypoint that stands for them: see `queues/local-queue.ts`. A batch has as
 * many messages as a consumer has lanes, unless it keeps its size: here no consumer waits for a batch to end. A Worker's other queues stay as they are.
 */
function localQueues(worker: string, used: Queues, producers: unknown, consumers: unknown, keepsBatchSizes: boolean) {
  const settings = consumersSchema.parse(consumers);
  const widths = new Map([...used.values()].map(({ binding, lanes }) => [binding, lanes ?? MOST_LANES]));
  const all = Object.entries(producersSchema.parse(producers));
  const isLocal = ([binding, { queueName }]: (typeof all)[number]): boolean =>
    widths.has(binding) && settings[queueName] !== undefined;
  const local = all.filter(isLocal);
  const names = new Set(local.map(([, { queueName }]) => queueName));
  return {
    serviceBindings: Object.fromEntries(
      local.map(([binding, { queueName: queue }]) => [
        binding,
        {
          name: worker,
          entrypoint: "LocalQueue",
          props: {
            queue,
            ...settings[queue],
            ...(keepsBatchSizes ? {} : { maxBatchSize: widths.get(binding) }),
          },
        },
      ]),
    ),
    queueProducers: Object.fromEntries(all.filter((one) => !isLocal(one))),
    queueConsumers: Object.fromEntries(Object.entries(settings).filter(([queue]) => !names.has(queue))),
  };
}

/** What wrangler.toml's variables come to. */
const bindingsSchema = z.record(z.string(), z.json()).default({});

const flagsSchema = z.array(z.string()).default([]);

interface Schedulable {
  scheduled(event: { scheduledTime: Date; cron: string }): Promise<unknown>;
}

const scheduledResult = z.object({ outcome: z.string() });

/** Miniflare's own type of a Worker is lost where the runtime's global types are loaded. */
function isSchedulable(worker: unknown): worker is Schedulable {
  return (
    typeof worker === "object" && worker !== null && "scheduled" in worker && typeof worker.scheduled === "function"
  );
}

/** How long after the time of a drain the Worker's answer may take. */
const OBEY_MS = 6000;

/** Prints a line of the runtime as Miniflare does by itself. */
function print(level: string, message: string): void {
  if (level === "error" || level === "warn") {
    console.error(message);
  } else {
    console.log(message);
  }
}

/** Starts the bundle and returns when it accepts connections. @throws Error if the configuration of queues cannot be used. */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedServer> {
  // The rules say how files become modules; the bundler has applied them, so what is left is a list.
  const {
    modulesRules: _applied,
    queueProducers,
    queueConsumers,
    ...workerOptions
  } = readWorkerOptions(options.configPath).workerOptions;
  const bindings = { ...bindingsSchema.parse(workerOptions.bindings), ...options.bindings };
  // The objects would refuse all work, and say why in the log only.
  const queues = readQueues(bindings["QUEUES"]);
  const name = "jobbers";
  const { serviceBindings, ...otherQueues } = localQueues(
    name,
    queues,
    queueProducers,
    queueConsumers,
    options.keepsBatchSizes === true,
  );
  const token = randomBytes(24).toString("base64url");
  let isOutOfMemory = false;
  // A young generation of 1 MB instead of 16: after some thousand tasks the runtime holds up to 40 MB less, at the same speed.
  process.env["MINIFLARE_WORKERD_V8_FLAGS"] ??= "--max-semi-space-size=1";
  const converted = convertV4MiniflareOptions({
    workers: [
      {
        ...workerOptions,
        compatibilityFlags: [
          ...flagsSchema.parse(workerOptions.compatibilityFlags),
          ...(options.compatibilityFlags ?? []),
        ],
        name,
        modules: listModules(options.main),
        modulesRoot: dirname(options.main),
        // Nothing of ours uses the cache API, and its simulator costs a few megabytes.
        cacheAPI: false,
        ...otherQueues,
        serviceBindings: { ...servicesSchema.parse(workerOptions.serviceBindings), ...serviceBindings },
        bindings: { ...bindings, JOBBERS_ORDER_TOKEN: token },
        // One socket straight to workerd: a third of the latency of the path through Miniflare's own proxy.
        unsafeDirectSockets: [{ host: options.host, port: options.port }],
      },
    ],
    host: "127.0.0.1",
    port: 0,
    cf: false,
    log: new Log(LogLevel.WARN),
    logRequests: false,
    handleStructuredLogs({ level, message }) {
      print(level, message);
      isOutOfMemory ||= isAboutMemory(message);
      options.onLog?.(message);
    },
    telemetry: { enabled: false },
    unsafeObservability: false,
    resourcePersistencePath: options.resources,
  });
  let runtime: ChildProcess | null = null;
  let stopping = false;
  const endWatch = watchRuntime(tieRuntimeToThisProcess(), {
    started(child, pid) {
      runtime = child;
      options.onRuntime?.(pid);
    },
    ended(former, how) {
      if (!stopping) {
        console.error(`the runtime (process ${former}) ended${reasonOf(how, isOutOfMemory)}; it is started again`);
        isOutOfMemory = false;
        // After Miniflare has seen the end too: it is ready again when the new runtime serves.
        setImmediate(() => void miniflare.ready.then(() => options.onRestart?.(), fail));
      }
    },
  });
  const miniflare = new Miniflare(converted);
  let serving = false;

  function fail(error: unknown): void {
    if (serving && !stopping) {
      options.onFailure?.(error instanceof Error ? error : new Error(String(error)));
    }
  }

  let disposed: Promise<void> | null = null;
  async function disposeOnce(): Promise<void> {
    await miniflare.dispose();
    endWatch();
    options.onRuntime?.(null);
  }

  async function dispose(): Promise<void> {
    stopping = true;
    disposed ??= disposeOnce();
    await disposed;
  }

  async function callScheduled(cron: string): Promise<void> {
    // Asked for each time: what Miniflare gave before a crash of the runtime is dead.
    const worker: unknown = await miniflare.getWorker(name);
    if (!isSchedulable(worker)) {
      throw new Error("expected Miniflare to offer scheduled() on the Worker, it does not");
    }
    // What the handler throws is no error of the call.
    const { outcome } = scheduledResult.parse(await worker.scheduled({ scheduledTime: new Date(), cron }));
    if (outcome !== "ok") {
      throw new Error(
        `expected the Worker's scheduled handler to succeed, it ended with "${outcome}"; the log says why`,
      );
    }
  }

  async function stop(drainMs: number): Promise<void> {
    if (isRunning(runtime)) {
      const ended = once(runtime, "exit");
      const drained = callScheduled(orderText(token, { order: "drain", drain_ms: drainMs })).catch((error: unknown) => {
        console.error("the running tasks could not be handed over:", error);
      });
      await Promise.race([drained, ended, after(drainMs + OBEY_MS)]);
      await endGently(runtime, dispose);
    }
    await dispose();
  }

  try {
    await miniflare.ready;
    const url = await miniflare.unsafeGetDirectURL(name);
    serving = true;
    return {
      url: url.origin,
      runtimePid: () => (isRunning(runtime) ? (runtime.pid ?? null) : null),
      tick: () => callScheduled("* * * * *"),
      order: (order) => callScheduled(orderText(token, order)),
      stop,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}
