/**
 * What branches and short circuits skip, and the record by which a skip survives a clear (Airflow's `SkipMixin` and
 * `NotPreviouslySkippedDep`).
 *
 * @module
 */

/**
 * What a skipping task leaves behind: of its direct downstream tasks, those it follows; or those it skipped. It is looked
 * at again whenever one of them is about to be scheduled.
 */
export type SkipRecord = { followed: string[] } | { skipped: string[] };

/** What a skipping task decided. */
export interface SkipDecision {
  /** Ids of the tasks to skip, each once. */
  skip: string[];
  /** To be kept with the task instance; null if nothing was decided. */
  record: SkipRecord | null;
}

/** A branch answered with ids that name nothing in the DAG. */
export class BranchError extends Error {
  override readonly name = "BranchError";
  readonly invalid: readonly string[];
  readonly valid: readonly string[];

  /** @param places Where in the answer the invalid ids are, one for each. */
  constructor(places: readonly string[], invalid: readonly string[], valid: readonly string[]) {
    const expected = invalid.length === 1 ? "the id of a task or group" : "ids of tasks or groups";
    super(
      `${listed(places)}: expected ${expected} of the branch's DAG, got ${listIds(invalid)}; ${validChoices(valid)}`,
    );
    this.invalid = invalid;
    this.valid = valid;
  }
}

/** The end of an error about a branch's answer: which ids would do. */
export function validChoices(directDownstream: readonly string[]): string {
  return `directly downstream are ${listIds(directDownstream)}`;
}

/** A branch's answer, and the graph around it. */
export interface BranchQuestion {
  /** Ids of the tasks directly downstream. */
  directDownstream: readonly string[];
  /** Ids of tasks or groups to follow; null or none to skip everything. */
  returned: readonly string[] | null;
  /** The answer is a list and no single id; for errors. */
  isList: boolean;
  /** The task ids an id stands for: itself if it is a task, its roots if it is a group, null if it is neither. */
  expandId: (id: string) => readonly string[] | null;
  /** Ids of all tasks downstream of a task, near and far, without itself. */
  reachable: (taskId: string) => ReadonlySet<string>;
}

/**
 * Decides what a branch skips: what is directly downstream, not chosen, and not downstream of anything chosen either, so
 * that a join right behind the branch still runs. Ids elsewhere in the DAG are valid, as in Airflow, and choose nothing
 * of their own.
 *
 * @throws BranchError naming every returned id that is neither a task nor a group.
 */
export function branchSkips(question: BranchQuestion): SkipDecision {
  const { directDownstream, returned, isList, expandId, reachable } = question;
  const chosen = new Set<string>();
  const invalid: string[] = [];
  const places: string[] = [];
  for (const [position, id] of (returned ?? []).entries()) {
    const taskIds = expandId(id);
    if (taskIds === null) {
      invalid.push(id);
      places.push(isList ? `result[${position}]` : "result");
    }
    for (const taskId of taskIds ?? []) {
      chosen.add(taskId);
    }
  }
  if (invalid.length > 0) {
    throw new BranchError(places, invalid, directDownstream);
  }
  let undecided = directDownstream.filter((taskId) => !chosen.has(taskId));
  for (const from of chosen) {
    if (undecided.length === 0) {
      break;
    }
    const behind = reachable(from);
    undecided = undecided.filter((taskId) => !behind.has(taskId));
  }
  const skip = new Set(undecided);
  return {
    skip: [...skip],
    record: directDownstream.length === 0 ? null : { followed: directDownstream.filter((taskId) => !skip.has(taskId)) },
  };
}

/** A short circuit's answer, and the graph around it. */
export interface ShortCircuitQuestion {
  /** True goes on, false skips. */
  proceed: boolean;
  /** True: skip whatever is downstream, near and far. False: only what is directly downstream. */
  ignoreDownstreamTriggerRules: boolean;
  /** Ids of the tasks directly downstream. */
  directDownstream: readonly string[];
  /** Ids of all tasks downstream, near and far. Called only if it is needed. */
  allDownstream: () => Iterable<string>;
  isTeardown: (taskId: string) => boolean;
}

/** Decides what a short circuit skips. A teardown is never skipped by it: it answers to its setup. */
export function shortCircuitSkips(question: ShortCircuitQuestion): SkipDecision {
  const { proceed, ignoreDownstreamTriggerRules, directDownstream, allDownstream, isTeardown } = question;
  if (proceed) {
    return { skip: [], record: null };
  }
  const candidates = ignoreDownstreamTriggerRules ? allDownstream() : directDownstream;
  const skip = [...new Set(candidates)].filter((taskId) => !isTeardown(taskId));
  return { skip, record: skip.length === 0 ? null : { skipped: [...skip] } };
}

/**
 * Says whether the record of a finished direct upstream skips a task. A record of followed tasks is about direct
 * downstream tasks only: do not ask it about others.
 */
export function isSkippedByRecord(record: SkipRecord, taskId: string): boolean {
  return "followed" in record ? !record.followed.includes(taskId) : record.skipped.includes(taskId);
}

function listIds(ids: readonly string[]): string {
  return listed(ids.map((id) => `'${id}'`));
}

function listed(items: readonly string[]): string {
  const shown = items.slice(0, 20);
  const rest = items.length - shown.length;
  return shown.length === 0 ? "none" : shown.join(", ") + (rest > 0 ? ` and ${rest} more` : "");
}
