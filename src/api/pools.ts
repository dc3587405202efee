/**
 * What the routes of pools do: the catalog has their names, each pool's object all else. A name is put down before its object
 * makes the pool, and taken away after the object unmade it, so that whatever is cut in between can be asked for again.
 *
 * @module
 */
import type { Page, Result } from "../engine/objects.ts";
import { matchesPattern } from "../engine/like.ts";
import type { LedgerView } from "../engine/permits/ledger-view.ts";
import { DEFAULT_POOL } from "../engine/permits/names.ts";
import type { PoolObject } from "../engine/permits/objects.ts";
import { HALF_MADE_MS, type PoolName } from "../engine/permits/pool-names.ts";
import type { ApiEnv } from "./env.ts";
import { ApiError, notFound, unwrap } from "./errors.ts";
import { eachAtMost } from "./gather.ts";
import { KnownNames } from "./known-names.ts";
import { catalogObject, poolObject } from "./objects.ts";
import { poolConfig, type PoolBody, type PoolPatchBody } from "./schemas/pool.ts";

const pools = new KnownNames();

/** A pool and its name. */
export interface NamedPool {
  name: string;
  view: LedgerView;
}

/**
 * One page of the pools whose name fits; `key` is `id`, the order of creation, or `pool`, the name, with `-` turned round. `now`
 * in epoch milliseconds.
 */
export async function findPools(
  env: ApiEnv,
  pattern: string | null,
  key: string,
  { limit, offset }: { limit: number; offset: number },
  now: number,
): Promise<Page<NamedPool>> {
  const entries = (await allEntries(env)).filter(({ name }) => pattern === null || matchesPattern(name, pattern));
  const sorted = key.endsWith("pool") ? entries.toSorted((a, b) => (a.name < b.name ? -1 : 1)) : entries;
  const ordered = key.startsWith("-") ? sorted.toReversed() : sorted;
  const answers = await eachAtMost(ordered.slice(offset, offset + limit), async (entry) => ({
    entry,
    answer: await poolObject(env, entry.name).describe(true),
  }));
  const items: NamedPool[] = [];
  for (const { entry, answer } of answers) {
    if (answer.ok || answer.refusal.code !== "not_found") {
      items.push({ name: entry.name, view: unwrap(answer) });
    } else if (entry.added_at < now - HALF_MADE_MS) {
      // Its making or deletion was cut. One that is under way is younger, or puts the name down anew.
      await catalogObject(env).removePool(entry);
      pools.forget(env.CATALOG, entry.name);
    }
  }
  return { items, total: ordered.length - (answers.length - items.length) };
}

/** In the order of creation; `default_pool` was there first. */
async function allEntries(env: ApiEnv): Promise<PoolName[]> {
  const made = await catalogObject(env).listPools();
  return [{ id: 0, name: DEFAULT_POOL, added_at: 0 }, ...made.filter(({ name }) => name !== DEFAULT_POOL)];
}

/**
 * The object of a pool whose name was put down. The catalog is asked first, because to ask an object makes it. A pool that was
 * deleted elsewhere may be taken for known for 30 s, so its object must be asked: it says not_found.
 *
 * @throws ApiError 404.
 */
export async function knownPool(env: ApiEnv, name: string): Promise<PoolObject> {
  const isInCatalog = async (): Promise<boolean> => (await catalogObject(env).findPool(name)) !== null;
  if (name !== DEFAULT_POOL && !(await pools.hasLately(env.CATALOG, name, isInCatalog))) {
    throw poolNotFound(name);
  }
  return poolObject(env, name);
}

/** The value of a pool's answer. @throws ApiError, 404 in Airflow's words. */
export function ofPool<T>(name: string, answer: Result<T>): T {
  if (!answer.ok && answer.refusal.code === "not_found") {
    throw poolNotFound(name);
  }
  return unwrap(answer);
}

/** Makes a pool. @throws ApiError 409 if it is there, unless `isOverwriting`. */
export async function makePool(env: ApiEnv, pool: PoolBody, isOverwriting: boolean): Promise<LedgerView> {
  const { name } = pool;
  const config = { description: null, include_deferred: false, ...poolConfig(pool) };
  const isDefault = name === DEFAULT_POOL;
  const entry = isDefault ? null : await catalogObject(env).findPool(name);
  const isThere = isDefault || (entry !== null && (await poolObject(env, name).describe()).ok);
  if (isThere && !isOverwriting) {
    throw poolExists(name);
  }
  if (!isDefault) {
    // Also if the name is there: a deletion that has read it must not take it away any more.
    unwrap(await catalogObject(env).addPool(name));
  }
  const made = await poolObject(env, name).configure(config, isOverwriting ? "any" : "absent");
  if (!made.ok && made.refusal.code === "conflict") {
    throw poolExists(name);
  }
  return unwrap(made);
}

/**
 * Changes a pool: what the body gives, and if there is a mask, of that what it names.
 *
 * @throws ApiError 404; 400 for a change of `default_pool` that Airflow refuses, or if the body names another pool.
 */
export async function changePool(
  env: ApiEnv,
  name: string,
  patch: PoolPatchBody,
  mask: readonly string[],
): Promise<LedgerView> {
  if ([patch.name, patch.pool].some((given) => typeof given === "string" && given !== "" && given !== name)) {
    throw new ApiError(400, "Invalid body, pool name from request body doesn't match uri parameter");
  }
  const config = poolConfig(patch, mask);
  if (name === DEFAULT_POOL && !isForDefaultPool(config, mask)) {
    throw new ApiError(400, "Only slots and included_deferred can be modified on Default Pool");
  }
  const pool = await knownPool(env, name);
  return ofPool(name, await pool.configure(config, name === DEFAULT_POOL ? "any" : "present"));
}

/** Airflow asks for a mask of these two; a body that gives nothing else says the same. */
function isForDefaultPool(config: object, mask: readonly string[]): boolean {
  const named = mask.length > 0 ? mask.map((field) => field.trim()) : Object.keys(config);
  return named.length > 0 && named.every((field) => field === "slots" || field === "include_deferred");
}

/** Deletes a pool. @throws ApiError 400 for `default_pool`, 404, or 409 that names who holds its slots or waits. */
export async function deletePool(env: ApiEnv, name: string): Promise<void> {
  if (name === DEFAULT_POOL) {
    throw new ApiError(400, "Default Pool can't be deleted");
  }
  const catalog = catalogObject(env);
  const entry = await catalog.findPool(name);
  if (entry === null) {
    throw poolNotFound(name);
  }
  const pool = poolObject(env, name);
  // Asks who holds slots whether they still do.
  ofPool(name, await pool.describe(true));
  unwrap(await pool.remove());
  await catalog.removePool(entry);
  pools.forget(env.CATALOG, name);
}

function poolNotFound(name: string): ApiError {
  return notFound(`The Pool with name: \`${name.slice(0, 256)}\` was not found`);
}

function poolExists(name: string): ApiError {
  return new ApiError(409, `The Pool with name: \`${name}\` already exists`);
}
