/**
 * Which DAGs a list shows, in which order. What the code defines is known here; objects are asked only for what they alone
 * know: specs of registered DAGs, whether one is paused, how its runs stand.
 *
 * @module
 */
import { isInRange } from "../engine/range.ts";
import { matchesPattern } from "../engine/like.ts";
import type { DagStatsView, DagView, Page, Range, Result } from "../engine/objects.ts";
import type { DagSpec } from "../engine/spec.ts";
import type { ApiEnv, ApiRegistry } from "./env.ts";
import { unwrap } from "./errors.ts";
import { compareBy, eachAtMost, type SortValue } from "./gather.ts";
import { knownDagIds } from "./known-dag.ts";
import { dagObject } from "./objects.ts";
import { hasDescendingTies, sortKeys } from "./query.ts";
import type { Unavailable } from "./unavailable.ts";

/** Which DAGs. What is left out does not filter. */
export interface DagFilter {
  /** Each must fit: id and display name are the same. */
  patterns?: string[];
  tags?: string[];
  tags_match_mode?: "any" | "all";
  owners?: string[];
  paused?: boolean | undefined;
  /** States of the latest run; `none` if there is no run. */
  last_run_states?: string[][];
  last_run_start_date?: Range;
  last_run_end_date?: Range;
}

/** A DAG, and what is known of it so far. */
interface Candidate {
  dagId: string;
  spec?: DagSpec;
  view?: DagView;
  latest?: DagStatsView["latest"];
}

/** The sort keys of a list of DAGs, as Airflow names them. @throws ApiError 400 for any other. */
export function dagSortKeys(orderBy: string[]): string[] {
  return sortKeys(orderBy, ["dag_id", "next_dagrun", "last_run_state", "last_run_start_date"], {
    dag_display_name: "dag_id",
    state: "last_run_state",
    start_date: "last_run_start_date",
  });
}

/** All DAGs that fit, in order, but for those that cannot answer where they are asked. One that the catalog names and nobody registered in the end is left out where it is asked. */
export async function findDags(
  registry: ApiRegistry,
  env: ApiEnv,
  filter: DagFilter,
  keys: readonly string[],
  unavailable: Unavailable,
): Promise<DagList> {
  const { patterns = [], tags = [], owners = [], paused, last_run_states: states = [] } = filter;
  let found: Candidate[] = (await knownDagIds(registry, env))
    .filter((dagId) => patterns.every((pattern) => matchesPattern(dagId, pattern)))
    .map((dagId) => ({ dagId, ...specOf(registry, dagId) }));
  if (paused !== undefined || tags.length > 0 || owners.length > 0) {
    found = await described(env, unavailable, found, ({ spec }) => paused !== undefined || spec === undefined);
    found = found.filter((one) => fitsSpec(one, filter) && (paused === undefined || one.view?.is_paused === paused));
  }
  const bySpan = filter.last_run_start_date !== undefined || filter.last_run_end_date !== undefined;
  if (states.length > 0 || bySpan || keys.some((key) => key.includes("last_run"))) {
    found = (await withLatestRuns(env, unavailable, found)).filter((one) => fitsLatestRun(one, filter));
  }
  const compare = compareBy(keys, sortValue);
  // As in Airflow, the first key says which way those go that are equal in all of them.
  const sign = hasDescendingTies(keys) ? -1 : 1;
  found.sort((left, right) => compare(left, right) || sign * (left.dagId < right.dagId ? -1 : 1));
  return new DagList(env, unavailable, found);
}

/** What was found, not yet asked for more than it took to find it. */
export class DagList {
  readonly #env: ApiEnv;
  readonly #unavailable: Unavailable;
  readonly #found: Candidate[];

  constructor(env: ApiEnv, unavailable: Unavailable, found: Candidate[]) {
    this.#env = env;
    this.#unavailable = unavailable;
    this.#found = found;
  }

  get dagIds(): string[] {
    return this.#found.map(({ dagId }) => dagId);
  }

  /** One page. Its places are those of DAGs that exist: one that turns out not to is passed over. */
  async page({ limit, offset }: { limit: number; offset: number }): Promise<Page<DagView>> {
    const items: DagView[] = [];
    let total = this.#found.length;
    let at = offset;
    while (items.length < limit && at < this.#found.length) {
      const wanted = this.#found.slice(at, at + limit - items.length);
      // One round is the rule; another one fills the places of those that do not exist.
      // oxlint-disable-next-line no-await-in-loop
      const views = await described(this.#env, this.#unavailable, wanted, ({ view }) => view === undefined);
      items.push(...views.flatMap(({ view }) => view ?? []));
      total -= wanted.length - views.length;
      at += wanted.length;
    }
    return { items, total };
  }
}

/** Specs of all DAGs: of those that were registered, their objects are asked. */
export async function allSpecs(registry: ApiRegistry, env: ApiEnv, unavailable: Unavailable): Promise<DagSpec[]> {
  const all = (await knownDagIds(registry, env)).map((dagId): Candidate => ({ dagId, ...specOf(registry, dagId) }));
  return (await described(env, unavailable, all, ({ spec }) => spec === undefined)).flatMap(({ spec }) => spec ?? []);
}

function specOf(registry: ApiRegistry, dagId: string): { spec?: DagSpec } {
  const spec = registry.dags.get(dagId)?.spec;
  return spec === undefined ? {} : { spec };
}

/** Asks the objects of those that need it; leaves out those that do not exist or cannot answer. */
async function described(
  env: ApiEnv,
  unavailable: Unavailable,
  candidates: readonly Candidate[],
  needsIt: (candidate: Candidate) => boolean,
): Promise<Candidate[]> {
  const answers = await eachAtMost(candidates, async (one) => {
    const view = needsIt(one)
      ? await unavailable.ask(one.dagId, async () => orNull(await dagObject(env, one.dagId).describe()), null)
      : undefined;
    return view === null ? null : { ...one, ...(view === undefined ? {} : { view, spec: view.spec }) };
  });
  return answers.filter((one) => one !== null);
}

async function withLatestRuns(
  env: ApiEnv,
  unavailable: Unavailable,
  candidates: readonly Candidate[],
): Promise<Candidate[]> {
  const answers = await eachAtMost(candidates, async (one) => {
    const stats = await unavailable.ask(one.dagId, async () => orNull(await dagObject(env, one.dagId).stats()), null);
    return stats === null ? null : { ...one, latest: stats.latest };
  });
  return answers.filter((one) => one !== null);
}

function orNull<T>(answer: Result<T>): T | null {
  return !answer.ok && answer.refusal.code === "not_found" ? null : unwrap(answer);
}

function fitsSpec({ spec }: Candidate, { tags = [], tags_match_mode: mode, owners = [] }: DagFilter): boolean {
  const hasTag = (tag: string): boolean => spec?.tags.includes(tag) === true;
  const owner = spec?.owner.toLowerCase() ?? "";
  return (
    (tags.length === 0 || (mode === "all" ? tags.every(hasTag) : tags.some(hasTag))) &&
    (owners.length === 0 || owners.some((wanted) => owner.includes(wanted.toLowerCase())))
  );
}

function fitsLatestRun({ latest = null }: Candidate, filter: DagFilter): boolean {
  return (
    (filter.last_run_states ?? []).every((states) => states.includes(latest?.state ?? "none")) &&
    isInRange(latest?.start_date ?? null, filter.last_run_start_date) &&
    isInRange(latest?.end_date ?? null, filter.last_run_end_date)
  );
}

function sortValue({ dagId, latest = null }: Candidate, field: string): SortValue {
  switch (field) {
    case "dag_id":
      return dagId;
    case "last_run_state":
      return latest?.state ?? null;
    case "last_run_start_date":
      return latest?.start_date ?? null;
    default:
      return null;
  }
}
