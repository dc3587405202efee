/**
 * Drives a machine and the oracle through the same events and compares them after each. It plays everybody around the
 * machine: the storage that keeps what is drained, the queue that repeats messages, workers with old tokens, the alarm.
 *
 * @module
 */
import { chooseForClear, chooseForMark, markedTasks } from "../../../src/engine/choices.ts";
import { compileGraph, type Graph } from "../../../src/engine/graph.ts";
import type { MarkRequest } from "../../../src/engine/objects.ts";
import { RunMachine } from "../../../src/engine/run-machine.ts";
import { givePast, previousChanged } from "../../../src/engine/run-past.ts";
import type { RunInfo } from "../../../src/engine/run-state.ts";
import type { DagSpec } from "../../../src/engine/spec.ts";
import { canTransition, isFinished, type TaskInstanceState } from "../../../src/engine/states.ts";
import type { TaskInstanceRow } from "../../../src/engine/task-instance.ts";
import type { NodeInstance } from "../../../src/engine/task-node.ts";
import type { Outcome } from "../../../src/engine/work.ts";
import * as oracle from "./oracle.ts";
import { belowMarked, clearedCells, markedCells, type Request } from "./selection.ts";
import { newWorld, type Cell, type World } from "./world.ts";

const WORKER = { hostname: "here", unixname: "tester" };
const START = Date.UTC(2026, 0, 1);

/** Task instances of a run from which it is not played on. */
const MOST_CELLS = 200;

/** A try that some worker has, or once had. */
export interface Held {
  task: string;
  index: number;
  token: number;
}

/** A machine and the oracle side by side. */
export class Duel {
  readonly spec: DagSpec;
  readonly world: World;
  machine: RunMachine;
  now = START;
  /** Messages that were ever sent. */
  readonly messages: { task: string; index: number; tries: number }[] = [];
  /** Tries that were ever claimed. */
  readonly held: Held[] = [];
  events = 0;
  readonly #graph: Graph;
  readonly #rows = new Map<string, string>();
  readonly #lengths = new Map<string, number>();
  #byUser = false;
  #lastBeat = 0;
  /** Somebody cleared without the run, so that a run that is over may have what is not. */
  #clearedAlone = false;

  constructor(spec: DagSpec, runType = "manual") {
    this.spec = spec;
    this.#graph = compileGraph(spec);
    const interval = { start: START - (spec.schedule?.type === "delta_data_interval" ? 40_000 : 0), end: START };
    this.world = newWorld(spec, { logicalDate: START, runType, interval });
    const dates = { data_interval_start: interval.start, data_interval_end: interval.end };
    this.machine = RunMachine.create(this.#graph, { ...newInfo(), ...dates, run_type: runType }, oracle.TIMING);
    this.#givePast();
    this.#watch();
    this.#compare("create");
    this.begin();
  }

  /** Expansions over each other's results grow fast, and everything is compared after every event: hours, in one run of a million. */
  get isTooLarge(): boolean {
    return this.world.cells.length > MOST_CELLS;
  }

  get isOver(): boolean {
    return this.machine.info.state === "success" || this.machine.info.state === "failed";
  }

  begin(): void {
    this.machine.begin(this.now);
    oracle.begin(this.world, this.now);
    this.#compare("begin");
  }

  hold(held: boolean): void {
    this.machine.hold(held, this.now);
    oracle.hold(this.world, held, this.now);
    this.#compare(`hold ${held}`);
  }

  claim(message: { task: string; index: number; tries: number }): void {
    const { task, index, tries } = message;
    const instance = this.machine.claim(task, index, tries, WORKER, this.now);
    const allowed = oracle.claim(this.world, this.cell(task, index), tries, this.now);
    if ((instance !== null) !== allowed) {
      throw new Error(`claim of ${task}[${index}] try ${tries}: machine ${instance !== null}, oracle ${allowed}`);
    }
    if (instance !== null) {
      this.#hand(instance);
    }
    this.#compare(`claim ${task}[${index}]`);
  }

  /** Some reports in one turn, then follow-up work for the same worker. */
  report(reports: readonly { try: Held; outcome: Outcome }[], followUps: number): void {
    for (const { try: held, outcome } of reports) {
      const { instance, cell } = this.#both(held);
      const verdict = this.machine.report(instance, held.token, outcome, WORKER, this.now);
      same("verdict of a report", verdict, oracle.report(this.world, cell, held.token, outcome, this.now));
    }
    const claimed = this.machine.advance(this.now, followUps, WORKER);
    oracle.advance(this.world, this.now);
    same("number of follow-ups", claimed.length, Math.min(followUps, this.world.sent.length));
    for (const instance of claimed) {
      const at = this.world.sent.findIndex(
        ({ task, index }) => task === instance.node.task.id && index === instance.mapIndex,
      );
      same("a follow-up is one that just became ready", at >= 0, true);
      this.world.sent.splice(at, 1);
      oracle.start(this.#both(this.#hand(instance)).cell, this.now);
    }
    this.#compare(`report ${JSON.stringify(reports)}`);
  }

  beat(held: Held): void {
    const { instance, cell } = this.#both(held);
    const beat = { token: held.token, job_id: `job-${held.token}` };
    const isCurrent = this.machine.beat(instance, beat, this.now);
    same("answer to a beat", isCurrent, oracle.beat(cell, held.token, this.now));
    this.#lastBeat = isCurrent ? this.now : this.#lastBeat;
    this.#compare("beat");
  }

  workerGone(held: Held, outcome: Outcome): void {
    const { instance, cell } = this.#both(held);
    const verdict = this.machine.attemptEnded(instance, held.token, outcome, this.now);
    this.machine.advance(this.now);
    same("verdict of an ended attempt", verdict, oracle.workerGone(this.world, cell, held.token, outcome, this.now));
    this.#compare("worker gone");
  }

  clear(request: Request, resetRun = true): void {
    this.#byUser = true;
    this.#clearedAlone ||= !resetRun;
    const { names, upstream, downstream, isOneRun } = request;
    const found = chooseForClear(this.machine.state, {
      run_id: isOneRun ? "r" : null,
      task_ids: [...names],
      include_upstream: upstream,
      include_downstream: downstream,
    });
    const cells = clearedCells(this.world, request);
    same(`what is cleared by ${JSON.stringify(request)}`, named(found), namedCells(cells));
    this.machine.clear(found, this.now, resetRun);
    oracle.clear(this.world, cells, this.now, resetRun);
    this.#compare(`clear ${JSON.stringify(request)}`);
  }

  mark(request: Request, to: "success" | "failed" | "skipped"): void {
    this.#byUser = true;
    const { names, upstream, downstream } = request;
    const [first] = names;
    const asked: MarkRequest = {
      run_id: "r",
      task_id: typeof first === "string" ? names.map(String) : (first?.[0] ?? ""),
      map_index: typeof first === "string" ? null : (first?.[1] ?? -1),
      new_state: to,
      include_upstream: upstream,
      include_downstream: downstream,
    };
    const found = chooseForMark(this.machine.state, asked);
    const cells = markedCells(this.world, request).filter(({ state }) => state !== to);
    same(`what is marked by ${JSON.stringify(request)}`, named(found), namedCells(cells));
    this.machine.markAll(found, to, null, this.now, markedTasks(asked));
    oracle.mark(this.world, cells, to, belowMarked(this.world, names), this.now);
    this.#compare(`mark ${JSON.stringify(request)} ${to}`);
  }

  markRun(to: "queued" | "success" | "failed"): void {
    this.#byUser = true;
    this.machine.markRun(to, this.now);
    oracle.markRun(this.world, to, this.now);
    this.#compare(`mark the run ${to}`);
  }

  /** The run before begins or ceases to hold a task. */
  changePast(taskId: string, isShut: boolean): void {
    this.world.shut[isShut ? "add" : "delete"](taskId);
    if (previousChanged(this.machine.state, [taskId], () => "over")) {
      this.machine.advance(this.now);
    }
    oracle.advance(this.world, this.now);
    this.#compare(`the past of ${taskId} ${isShut ? "shuts" : "opens"}`);
  }

  resend(): void {
    this.machine.resendQueued(this.now);
    oracle.resendQueued(this.world, this.now);
    this.#compare("resend");
  }

  /** Lets time pass; the alarm rings at every moment it was set for. */
  pass(ms: number): void {
    const until = this.now + ms;
    for (let due = this.machine.nextDue(); due !== null && due <= until; due = this.machine.nextDue()) {
      this.now = Math.max(due, this.now);
      this.machine.tick(this.now);
      oracle.tick(this.world, this.now);
      this.#compare("tick");
    }
    this.now = until;
  }

  /** One late alarm for everything that came due in the meantime. */
  passAtOnce(ms: number): void {
    this.now += ms;
    this.machine.tick(this.now);
    oracle.tick(this.world, this.now);
    this.#compare("late tick");
  }

  /** Throws the machine away and makes it anew from what was stored. */
  evict(): void {
    const shown = (): string => lines(this.#all().map((instance) => JSON.stringify(storedPart(instance.toRow()))));
    const before = shown();
    const rows = [...this.#rows.values()].map((row) => JSON.parse(row) as TaskInstanceRow);
    const lengths = [...this.#lengths].map(([task_id, length]) => ({ task_id, length }));
    this.machine = RunMachine.load(this.#graph, structuredClone(this.machine.info), lengths, rows, oracle.TIMING);
    same("rows after loading", shown(), before);
    this.machine.resumeLeases(new Map([[WORKER.hostname, this.#lastBeat]]));
    oracle.wake(this.world, this.#lastBeat);
    this.#givePast();
    this.#watch();
    this.machine.hold(this.world.held, this.now);
    this.#compare("evict");
  }

  cell(task: string, index: number): Cell | undefined {
    return this.world.cells.find((cell) => cell.task.task_id === task && cell.index === index);
  }

  /** Tries that may report now. */
  current(): Held[] {
    return this.held.filter(({ task, index, token }) => {
      const cell = this.cell(task, index);
      return cell?.state === "running" && cell.token === token;
    });
  }

  #hand(instance: NodeInstance): Held {
    const held = { task: instance.node.task.id, index: instance.mapIndex, token: instance.fence };
    const known = this.held.some(
      ({ task, index, token }) => task === held.task && index === held.index && token >= held.token,
    );
    same("a token is newer than all before it", known, false);
    this.held.push(held);
    return held;
  }

  #both({ task, index }: Held): { instance: NodeInstance; cell: Cell } {
    const instance = this.machine.find(task, index);
    const cell = this.cell(task, index);
    if (instance === undefined || cell === undefined) {
      throw new Error(`${task}[${index}] is gone: machine ${instance !== undefined}, oracle ${cell !== undefined}`);
    }
    return { instance, cell };
  }

  #all(): NodeInstance[] {
    return this.machine.state.nodes.flatMap((node) => node.instances);
  }

  #givePast(): void {
    givePast(this.machine.state, { unmet: ({ id }) => (this.world.shut.has(id) ? "the run before" : null) });
  }

  /** Every change of a state must be a legal one. */
  #watch(): void {
    const { state } = this.machine;
    const set = state.set.bind(state);
    state.set = (instance: NodeInstance, to: TaskInstanceState, now: number): void => {
      if (instance.state !== to && !canTransition(instance.state, to, this.#byUser)) {
        throw new Error(`${instance.node.task.id}[${instance.mapIndex}] went from ${instance.state} to ${to}`);
      }
      set(instance, to, now);
    };
  }

  /** Stores what changed, then compares states, timers, messages and the run. */
  #compare(event: string): void {
    this.events += 1;
    this.#byUser = false;
    const changes = this.machine.drain();
    for (const { task_id, map_index } of changes.removedRows) {
      this.#rows.delete(`${task_id} ${map_index}`);
    }
    for (const instance of changes.instances) {
      const row = instance.toRow();
      this.#rows.set(`${row.task_id} ${row.map_index}`, JSON.stringify(row));
    }
    for (const { task_id, length } of changes.mapLengths) {
      this.#lengths.set(task_id, length);
    }
    const sent = changes.send.map((instance) => ({
      task: instance.node.task.id,
      index: instance.mapIndex,
      tries: instance.tryNumber,
    }));
    this.messages.push(...sent);
    same(
      `messages after ${event}`,
      lines(sent.map((message) => JSON.stringify(message))),
      lines(this.world.sent.map((message) => JSON.stringify(message))),
    );
    this.world.sent = [];
    same(`states after ${event}`, lines(this.#all().map(describeInstance)), lines(this.world.cells.map(describeCell)));
    const { state, reason } = this.machine.info;
    same(`run after ${event}`, `${state} ${reason}`, `${this.world.run.state} ${this.world.run.reason}`);
    if (this.isOver && reason !== "all_tasks_deadlocked" && !this.#clearedAlone) {
      same(`unfinished after ${event}`, this.#all().filter((instance) => !isFinished(instance.state)).length, 0);
    }
  }
}

/** A row without what is not stored: beats begin the lease of a running try anew in memory. */
function storedPart(row: TaskInstanceRow): TaskInstanceRow {
  return row.state === "running" ? { ...row, next_at: null } : row;
}

function describeInstance({
  node,
  mapIndex,
  state,
  tryNumber,
  maxTries,
  fence,
  nextAt,
  workerLosses,
}: NodeInstance): string {
  return `${node.task.id}[${mapIndex}] ${state} try ${tryNumber}/${maxTries} token ${fence} due ${nextAt} losses ${workerLosses}`;
}

function describeCell({ task, index, state, tries, maxTries, token, due, losses }: Cell): string {
  return `${task.task_id}[${index}] ${state} try ${tries}/${maxTries} token ${token} due ${due} losses ${losses}`;
}

function named(instances: readonly NodeInstance[]): string {
  return lines(instances.map(({ node, mapIndex }) => `${node.task.id}[${mapIndex}]`));
}

function namedCells(cells: readonly Cell[]): string {
  return lines(cells.map(({ task, index }) => `${task.task_id}[${index}]`));
}

function lines(texts: readonly string[]): string {
  return texts.toSorted().join("\n");
}

function same(what: string, machine: unknown, expected: unknown): void {
  if (machine !== expected) {
    throw new Error(`${what}\n-- machine\n${String(machine)}\n-- oracle\n${String(expected)}`);
  }
}

function newInfo(): RunInfo {
  return {
    run_id: "r",
    run_type: "manual",
    state: "queued",
    reason: null,
    logical_date: START,
    run_after: START,
    queued_at: START,
    start_date: null,
    end_date: null,
    params: {},
  };
}
