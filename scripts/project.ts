/**
 * Where things stand in the project folder.
 *
 * @module
 */
import { join, resolve } from "node:path";

export const PROJECT_ROOT = resolve(import.meta.dirname, "..");

/** The configuration of the product. */
export const WRANGLER_CONFIG = join(PROJECT_ROOT, "wrangler.toml");

/** The folder `npm run build` writes the bundle to. */
export const BUNDLE_FOLDER = join(PROJECT_ROOT, "dist");

/** The entry that wraps the product in Cloudflare's limits, and the folder of its bundle. */
export const LIMITED_ENTRY = join(PROJECT_ROOT, "platform", "entry.ts");
export const LIMITED_BUNDLE_FOLDER = join(PROJECT_ROOT, "dist", "platform");

/**
 * Environment for wrangler: nothing sent or fetched over the network, no traces kept of every call, and no explorer,
 * which answers any process of the machine, without a key, with all that the objects store.
 */
export const WRANGLER_ENVIRONMENT = {
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_HIDE_BANNER: "true",
  X_LOCAL_OBSERVABILITY: "false",
  X_LOCAL_EXPLORER: "false",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
} as const;

/** Path of wrangler's command, run with this same Node. */
export const WRANGLER_COMMAND = join(PROJECT_ROOT, "node_modules", "wrangler", "bin", "wrangler.js");
