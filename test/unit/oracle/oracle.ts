/**
 * The naive run: after every event the whole run is judged again and again until nothing changes. Slow, simple and
 * written apart from the machine that it checks. It takes for granted that the alarm rings on time: whoever drives it
 * ticks before any other event of a later moment.
 *
 * @module
 */
import { retryDelayMs } from "../../../src/engine/retry.ts";
import type { TaskInstanceState } from "../../../src/engine/states.ts";
import type { Outcome } from "../../../src/engine/work.ts";
import { judge } from "./verdict.ts";
import * as w from "./world.ts";
import type { Cell, World } from "./world.ts";

/** First re-send and `task_queued_timeout`, in milliseconds. */
export const TIMING = { resendAfterMs: 10_000, queuedTimeoutMs: 60_000 };

type Answer = "accepted" | "duplicate" | "late";
const RUNS: readonly TaskInstanceState[] = ["running", "restarting"];

export function begin(world: World, now: number): void {
  if (world.run.state === "queued") {
    world.run = { state: "running", reason: null, start: now };
    advance(world, now);
  }
}

export function hold(world: World, held: boolean, now: number): void {
  world.held = held;
  advance(world, now);
}

export function claim(world: World, cell: Cell | undefined, tries: number, now: number): boolean {
  if (cell === undefined || cell.state !== "queued" || cell.tries !== tries) {
    return false;
  }
  start(cell, now);
  return true;
}

/** A worker starts a try: the values of the one before are gone, and it must be heard of before its lease ends. */
export function start(cell: Cell, now: number): void {
  cell.hasJob = false;
  put(cell, "running");
  cell.startedAt = now;
  heard(cell, now);
  cell.token += 1;
  cell.gaveValue = false;
  cell.length = null;
  cell.answer = null;
}

/** The worker of a try beats, and names the job that shows it. */
export function beat(cell: Cell, token: number, now: number): boolean {
  const current = cell.state === "running" && cell.token === token;
  if (current) {
    cell.hasJob = true;
    heard(cell, now);
  }
  return current;
}

/** The object woke: what it knows of running tries is when their worker, which is one and the same here, last beat. */
export function wake(world: World, lastBeat: number): void {
  for (const cell of world.cells) {
    cell.excused = 0;
    if (cell.state === "running") {
      heard(cell, Math.max(cell.startedAt, lastBeat));
    }
  }
}

function reset(cell: Cell): void {
  put(cell, null);
  cell.losses = 0;
}

function heard(cell: Cell, now: number): void {
  cell.excused = 0;
  cell.due = now + Math.round(cell.task.heartrate * 1000 * 2.1) + (cell.hasJob ? 250 : 0);
}

/** An alarm that rings late says nothing about a worker, five times in a row at most: it has three times the delay more. */
function excuses(cell: Cell, now: number): boolean {
  const delay = now - (cell.due ?? now);
  if (delay <= 50 || cell.excused === 5) {
    return false;
  }
  cell.excused += 1;
  cell.due = now + Math.min(cell.task.heartrate * 1000, 3 * delay);
  return true;
}

export function report(world: World, cell: Cell, token: number, outcome: Outcome, now: number): Answer {
  if (cell.token !== token) {
    return "late";
  }
  if (cell.state !== "running") {
    return "duplicate";
  }
  cell.losses = 0;
  end(world, cell, outcome, now);
  return "accepted";
}

/** The worker of a try is known to be gone: the try fails, or a cleared cell may run again. */
export function workerGone(world: World, cell: Cell, token: number, outcome: Outcome, now: number): Answer {
  if (cell.state === "restarting" && cell.token === token + 1) {
    reset(cell);
  } else if (cell.state === "running" && cell.token === token) {
    cell.token += 1;
    end(world, cell, outcome, now);
  } else {
    return "duplicate";
  }
  advance(world, now);
  return "accepted";
}

export function tick(world: World, now: number): void {
  const { dagrun_timeout: timeout, tasks } = world.spec;
  if (world.run.state !== "running") {
    return;
  }
  if (timeout !== null && now >= (world.run.start ?? now) + timeout * 1000) {
    world.cells.filter((cell) => !w.OVER.includes(cell.state)).forEach((cell) => abandon(cell, RUNS));
    world.run = { ...world.run, state: "failed", reason: "timed_out" };
    return;
  }
  const place = (cell: Cell): number => tasks.indexOf(cell.task) * 100_000 + cell.index;
  const lapsed = world.cells
    .filter((cell) => isDue(cell, now) && !w.WAITING.includes(cell.state))
    .toSorted((a, b) => (a.due ?? 0) - (b.due ?? 0) || place(a) - place(b));
  for (const cell of lapsed) {
    if (!isDue(cell, now) || (RUNS.includes(cell.state) && excuses(cell, now))) {
      continue;
    }
    if (cell.state === "running") {
      cell.token += 1;
      lose(world, cell, now);
    } else if (cell.state === "restarting") {
      reset(cell);
    } else if (cell.state === "queued" && now - cell.queuedAt >= 3 * TIMING.queuedTimeoutMs) {
      fail(world, cell);
      cell.token += 1;
    } else if (cell.state === "queued") {
      send(world, cell, now);
    }
  }
  advance(world, now);
}

export function resendQueued(world: World, now: number): void {
  world.cells.filter((cell) => cell.state === "queued").forEach((cell) => send(world, cell, now));
}

export function clear(world: World, cells: readonly Cell[], now: number, resetRun = true): void {
  for (const cell of cells.filter(({ state }) => state !== null && state !== "restarting")) {
    cell.maxTries = cell.tries + cell.task.retries;
    cell.token += 1;
    if (cell.state === "running") {
      put(cell, "restarting", now + Math.round(cell.task.heartrate * 1000 * 2.1));
    } else {
      reset(cell);
    }
  }
  if (world.run.state === "success" || world.run.state === "failed") {
    world.run = resetRun ? { state: "queued", reason: null, start: null } : world.run;
  } else {
    advance(world, now);
  }
}

/** A user ends the run, but for the teardowns that are still to do; or queues it again. */
export function markRun(world: World, to: "queued" | "success" | "failed", now: number): void {
  if (to === "queued") {
    world.run = { state: "queued", reason: null, start: null };
    return;
  }
  const open = (cell: Cell): boolean => !w.OVER.includes(cell.state);
  const begun: readonly TaskInstanceState[] = ["running", "up_for_reschedule", "deferred"];
  for (const cell of world.cells.filter((one) => open(one) && !one.task.is_teardown)) {
    cell.token += 1;
    put(cell, begun.includes(cell.state) ? to : "skipped");
  }
  if (!world.cells.some((cell) => cell.task.is_teardown && open(cell)) && world.run.state !== to) {
    world.run = { start: world.run.start ?? now, state: to, reason: to === "success" ? "success" : "task_failure" };
  }
  advance(world, now);
}

/**
 * A user gives cells a state, all of them at once, and what has failed below their tasks runs again: with everything that
 * `below` names by id, but the marked tasks themselves.
 */
export function mark(
  world: World,
  cells: readonly Cell[],
  to: "success" | "failed" | "skipped",
  below: readonly string[],
  now: number,
): void {
  for (const cell of cells.filter(({ state }) => state !== to)) {
    cell.token += 1;
    put(cell, to);
  }
  const failed = world.cells.filter(
    ({ task, state }) => below.includes(task.task_id) && (state === "failed" || state === "upstream_failed"),
  );
  if (failed.length > 0) {
    clear(world, failed, now);
  } else {
    advance(world, now);
  }
}

/** Judges everything until nothing changes, queues what is scheduled, and says whether the run is over. */
export function advance(world: World, now: number): void {
  if (world.run.state !== "running") {
    return;
  }
  while (pass(world, now));
  if (!world.held) {
    for (const cell of world.cells.filter(({ state }) => state === "scheduled")) {
      put(cell, "queued");
      cell.queuedAt = now;
      cell.sends = 0;
      send(world, cell, now);
    }
  }
  decideEnd(world);
}

/**
 * One look at all that waits, as it was when the look began: first what is forced, then what may go on, and of that first
 * what skips others.
 */
function pass(world: World, now: number): boolean {
  const looked = world.cells
    .filter(({ state }) => w.WAITING.includes(state))
    .map((cell) => ({ cell, index: cell.index, verdict: judge(world, cell) }));
  let changed = false;
  for (const { cell, verdict } of looked) {
    if (verdict !== "pass" && verdict !== "wait") {
      put(cell, verdict);
      changed = true;
    }
  }
  const decides = ({ cell }: { cell: Cell }): boolean => cell.task.operator === "latest_only";
  const passed = looked.filter(({ verdict }) => verdict === "pass");
  const goOnAll = (those: typeof passed): Cell[] => {
    const gone = those.filter(({ cell, index }) => {
      const goes = w.WAITING.includes(cell.state) && cell.index === index && (cell.due === null || isDue(cell, now));
      if (goes) {
        goOn(world, cell);
      }
      return goes;
    });
    changed ||= gone.length > 0;
    return gone.map(({ cell }) => cell);
  };
  const decided = goOnAll(passed.filter(decides)).filter(({ state }) => state === "success");
  decided.forEach((cell) => decideLatest(world, cell, now));
  goOnAll(passed.filter((one) => !decides(one)));
  return changed;
}

function goOn(world: World, cell: Cell): void {
  const { task } = cell;
  if (w.expansionOf(world, task) !== null && cell.index < 0) {
    expand(world, cell);
    return;
  }
  if (cell.index >= 0) {
    revise(world, cell);
    if (cell.state === "removed") {
      return;
    }
  }
  cell.tries += cell.state === "up_for_reschedule" ? 0 : 1;
  put(cell, task.operator === "latest_only" || task.operator === "empty" ? "success" : "scheduled");
}

function decideLatest(world: World, cell: Cell, now: number): void {
  const direct = w.downstreamOf(world, cell.task.task_id).map(({ task_id }) => task_id);
  const isLatest = isLatestRun(world, now);
  cell.answer = { kind: "followed", ids: isLatest ? direct : [] };
  skipCells(world, cell, isLatest ? [] : direct);
}

/** The next run of a schedule has not ended its interval yet; a run by hand, or of no schedule, has no next. */
function isLatestRun({ spec, runType, interval }: World, now: number): boolean {
  if (runType === "manual" || spec.schedule === null) {
    return true;
  }
  if (spec.schedule.type !== "delta_data_interval" && spec.schedule.type !== "delta_trigger") {
    throw new Error(`the oracle does not know when ${spec.schedule.type} comes again`);
  }
  return interval.start <= now && now < interval.end + spec.schedule.seconds * 1000;
}

function expand(world: World, cell: Cell): void {
  const length = w.lengthOfExpansion(world, cell.task);
  if (length === null) {
    put(cell, "upstream_failed");
  } else if (length === 0) {
    put(cell, "skipped");
  } else {
    const group = w.mappedGroupOf(world, cell.task);
    const siblings = group === null ? [] : w.groupMembers(world, group);
    for (const task of [cell.task, ...siblings]) {
      if (w.cellsOf(world, task.task_id).every(({ index, state }) => index < 0 && w.WAITING.includes(state))) {
        w.expandTo(world, task, length);
      }
    }
  }
}

function revise(world: World, cell: Cell): void {
  const length = w.lengthOfExpansion(world, cell.task);
  if (length === null) {
    return;
  }
  for (const surplus of w.cellsOf(world, cell.task.task_id).filter(({ index }) => index >= length)) {
    if (surplus.state !== "removed") {
      surplus.token += RUNS.includes(surplus.state) ? 1 : 0;
      put(surplus, "removed");
    }
  }
  w.expandTo(world, cell.task, length);
}

function send(world: World, cell: Cell, now: number): void {
  cell.due = now + Math.min(TIMING.resendAfterMs * 2 ** cell.sends, 120_000);
  cell.sends += 1;
  world.sent.push({ task: cell.task.task_id, index: cell.index, tries: cell.tries });
}

/** Twice in a row one that lost its worker has one try more, which follows at once; then the try counts. */
function lose(world: World, cell: Cell, now: number): void {
  if (cell.losses === 2) {
    end(world, cell, failure(), now);
    return;
  }
  cell.losses += 1;
  cell.maxTries += 1;
  put(cell, "up_for_retry", now - 1);
}

function end(world: World, cell: Cell, reported: Outcome, now: number): void {
  const outcome = brokenPromise(world, cell, reported) ? failure() : reported;
  if (outcome.state === "up_for_reschedule") {
    put(cell, "up_for_reschedule", Math.max(outcome.at, now));
  } else if (outcome.state === "skipped") {
    put(cell, "skipped");
  } else if (outcome.state === "success") {
    const { value } = outcome;
    cell.gaveValue = value !== undefined && !("json" in value && JSON.parse(value.json) === null);
    cell.length = outcome.mapLength ?? null;
    skipBehind(world, cell, outcome);
    put(cell, "success");
  } else if (outcome.retryable && cell.maxTries !== 0 && cell.tries <= cell.maxTries) {
    put(cell, "up_for_retry", now + Math.max(delayOf(world, cell), outcome.retryAfterMs ?? 0));
  } else {
    fail(world, cell);
  }
}

function delayOf(world: World, { task, tries }: Cell): number {
  return retryDelayMs(
    { retryDelayS: task.retry_delay, backoff: task.retry_exponential_backoff, maxRetryDelayS: task.max_retry_delay },
    { dagId: world.spec.dag_id, taskId: task.task_id, logicalDate: world.logicalDate, tryNumber: tries },
  );
}

/** A success that gives nothing to map over, too much of it, or follows what does not exist. */
function brokenPromise(world: World, cell: Cell, outcome: Outcome): boolean {
  if (outcome.state !== "success") {
    return false;
  }
  const feeds = world.spec.tasks.some((task) => w.feedersOf(world, task).includes(cell.task.task_id));
  if (feeds && w.expansionOf(world, cell.task) === null) {
    const length = outcome.mapLength ?? Number.POSITIVE_INFINITY;
    if (length > world.spec.max_map_length) {
      return true;
    }
  }
  return cell.task.operator === "branch" && (outcome.follow ?? []).some((id) => meant(world, id) === null);
}

/** The tasks an id stands for: a task itself, or those members of a group that no other member precedes. */
function meant(world: World, id: string): string[] | null {
  if (world.spec.tasks.some((task) => task.task_id === id)) {
    return [id];
  }
  if (!world.spec.task_groups.some((group) => group.group_id === id)) {
    return null;
  }
  const members = w.groupMembers(world, id);
  const ids = members.map((task) => task.task_id);
  return members.filter((task) => !task.upstream_task_ids.some((up) => ids.includes(up))).map((task) => task.task_id);
}

function skipBehind(world: World, cell: Cell, outcome: Outcome & { state: "success" }): void {
  const direct = w.downstreamOf(world, cell.task.task_id).map((task) => task.task_id);
  let skipped: string[] = [];
  if (cell.task.operator === "branch") {
    const chosen = (outcome.follow ?? []).flatMap((id) => meant(world, id) ?? []);
    const kept = (id: string): boolean => chosen.some((from) => from === id || w.allDownstream(world, from).has(id));
    skipped = direct.filter((id) => !kept(id));
    cell.answer = direct.length === 0 ? null : { kind: "followed", ids: direct.filter(kept) };
  } else if (cell.task.operator === "short_circuit" && outcome.proceed === false) {
    const behind = cell.task.ignore_downstream_trigger_rules ? [...w.allDownstream(world, cell.task.task_id)] : direct;
    skipped = behind.filter((id) => !w.taskOf(world, id).is_teardown);
    cell.answer = skipped.length === 0 ? null : { kind: "skipped", ids: skipped };
  }
  skipCells(world, cell, skipped);
}

/** Skips what has not begun: of a mapped cell, what stands beside it in its group. */
function skipCells(world: World, cell: Cell, skipped: readonly string[]): void {
  const group = w.mappedGroupOf(world, cell.task);
  for (const target of skipped.flatMap((id) => w.cellsOf(world, id))) {
    const together = group !== null && w.mappedGroupOf(world, target.task) === group;
    const meantHere = cell.index < 0 || (together && target.index === cell.index);
    if (meantHere && !["running", "success", "failed", "removed"].includes(target.state ?? "none")) {
      put(target, "skipped");
    }
  }
}

/** Fails a cell for good; in a `fail_fast` DAG nothing goes on but teardowns and other elements of the same task. */
function fail(world: World, cell: Cell): void {
  put(cell, "failed");
  if (world.spec.fail_fast) {
    const kept: readonly TaskInstanceState[] = ["success", "failed", "skipped", "removed"];
    world.cells
      .filter((other) => other.task !== cell.task && !other.task.is_teardown && !kept.includes(other.state))
      .forEach((other) => abandon(other, ["running"]));
  }
}

/** What has begun fails, all else is skipped. */
function abandon(cell: Cell, begun: readonly TaskInstanceState[]): void {
  put(cell, begun.includes(cell.state) ? "failed" : "skipped");
  cell.token += 1;
}

/**
 * Over when nothing is unfinished; deadlocked when nothing runs and nothing could be scheduled at any time, unless something
 * may wait for another run.
 */
function decideEnd(world: World): void {
  const unfinished = world.cells.filter(({ state }) => !w.OVER.includes(state));
  const mayWaitForOthers = unfinished.some(({ task }) => task.depends_on_past);
  const deciding = w.decidingTasks(world);
  const broken = world.cells.some(
    ({ task, state }) => deciding.has(task.task_id) && (state === "failed" || state === "upstream_failed"),
  );
  if (unfinished.length === 0) {
    world.run = { ...world.run, state: broken ? "failed" : "success", reason: broken ? "task_failure" : "success" };
  } else if (
    !mayWaitForOthers &&
    unfinished.every((cell) => w.WAITING.includes(cell.state) && judge(world, cell) === "wait")
  ) {
    world.run = { ...world.run, state: "failed", reason: "all_tasks_deadlocked" };
  }
}

function put(cell: Cell, state: TaskInstanceState, due: number | null = null): void {
  cell.state = state;
  cell.due = due;
  cell.excused = 0;
}

/** A retry is ready strictly after its time, all else at it. */
function isDue({ state, due }: Cell, now: number): boolean {
  return due !== null && (state === "up_for_retry" ? due < now : due <= now);
}

function failure(): Outcome {
  return { state: "failed", error: { type: "Error", message: "no" }, retryable: true };
}
