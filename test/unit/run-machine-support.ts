import { compileGraph } from "../../src/engine/graph.ts";
import { RunMachine } from "../../src/engine/run-machine.ts";
import type { RunChanges, RunInfo } from "../../src/engine/run-state.ts";
import type { DagSpecInput } from "../../src/engine/spec.ts";
import type { NodeInstance } from "../../src/engine/task-node.ts";
import { validateDagSpec } from "../../src/engine/validate-spec.ts";
import type { Outcome, Verdict } from "../../src/engine/work.ts";

export const START = Date.UTC(2026, 0, 1);
export const WORKER = { hostname: "w1", unixname: "tester" };
export const SECOND = 1000;

export type TaskInput = DagSpecInput["tasks"][number];

/** A task of the spec: its id, what is upstream of it, and the rest. */
export function task(id: string, upstream: string[] = [], rest: Partial<TaskInput> = {}): TaskInput {
  return { task_id: id, handler: "any", upstream_task_ids: upstream, ...rest };
}

/** An expansion over what a task returned. */
export function over(taskId: string): NonNullable<TaskInput["expand"]> {
  return { type: "expand", kwargs: { x: { $ref: "xcom", task_id: taskId } } };
}

interface RunOptions {
  start?: boolean;
  sizes?: ReadonlyMap<string, number>;
  /** What its run is, where that is not a manual one of the start. */
  info?: Partial<RunInfo>;
}

/** A run that a test drives by the names of its tasks: `"load"`, or `"clean[2]"` for an element. */
export class Run {
  machine: RunMachine;
  now = START;
  last: RunChanges;

  /** `start: false` leaves it queued; `sizes` are those of a bulk submission. */
  constructor(tasks: TaskInput[], dag: Partial<DagSpecInput> = {}, options: RunOptions = {}) {
    const { start = true, sizes = new Map<string, number>(), info = {} } = options;
    const result = validateDagSpec({ dag_id: "d", ...dag, tasks });
    if (!result.ok) {
      throw new Error(JSON.stringify(result.errors));
    }
    this.machine = RunMachine.create(compileGraph(result.spec), { ...newInfo(), ...info }, undefined, sizes);
    if (start) {
      this.machine.begin(this.now);
    }
    this.last = this.machine.drain();
  }

  get outcome(): string {
    return `${this.machine.info.state}: ${this.machine.info.reason}`;
  }

  get states(): Record<string, string | null> {
    const all = this.machine.state.nodes.flatMap((node) => node.instances);
    return Object.fromEntries(all.map((instance) => [nameOf(instance), instance.state]));
  }

  find(name: string): NodeInstance {
    const [, id = "", index = "-1"] = /^([^[]+)(?:\[(\d+)\])?$/.exec(name) ?? [];
    const instance = this.machine.find(id, Number(index));
    if (instance === undefined) {
      throw new Error(`there is no ${name}; there are ${Object.keys(this.states).join(", ")}`);
    }
    return instance;
  }

  state(name: string): string | null {
    return this.find(name).state;
  }

  /** Claims instances; gives the last token. */
  claim(...names: string[]): number {
    let token = -1;
    for (const name of names) {
      const { node, mapIndex, tryNumber } = this.find(name);
      token = this.machine.claim(node.task.id, mapIndex, tryNumber, WORKER, this.now)?.fence ?? -1;
      if (token < 0) {
        throw new Error(`expected ${name} to be claimed, it is ${this.state(name)}`);
      }
    }
    this.last = this.machine.drain();
    return token;
  }

  report(name: string, outcome: Outcome, token = this.find(name).fence): Verdict {
    const verdict = this.machine.report(this.find(name), token, outcome, WORKER, this.now);
    this.machine.advance(this.now);
    this.last = this.machine.drain();
    return verdict;
  }

  /** Claims and ends instances. */
  end(outcome: Outcome, ...names: string[]): void {
    for (const name of names) {
      this.claim(name);
      this.report(name, outcome);
    }
  }

  succeed(...names: string[]): void {
    this.end({ state: "success" }, ...names);
  }

  /** Succeeds with a list of a length. */
  give(name: string, length: number): void {
    this.end({ state: "success", value: { json: "[]" }, mapLength: length }, name);
  }

  fail(...names: string[]): void {
    this.end(FAILED, ...names);
  }

  clear(...names: string[]): void {
    this.machine.clear(
      names.map((name) => this.find(name)),
      this.now,
    );
    this.last = this.machine.drain();
  }

  begin(): void {
    this.machine.begin(this.now);
    this.last = this.machine.drain();
  }

  /** Throws the machine away and loads it from its rows. */
  evict(): void {
    const { graph, info, nodes } = this.machine.state;
    const rows = nodes.flatMap((node) => node.instances.map((instance) => instance.toRow()));
    const lengths = nodes
      .filter((node) => node.expanded)
      .map((node) => ({ task_id: node.task.id, length: node.instances.length }));
    this.machine = RunMachine.load(graph, structuredClone(info), lengths, structuredClone(rows));
  }

  /** Lets time pass, then ticks once. */
  after(ms: number): void {
    this.now += ms;
    this.machine.tick(this.now);
    this.last = this.machine.drain();
  }

  /** Names of the instances whose message is to be sent since the last step. */
  get sent(): string[] {
    return this.last.send.map(nameOf);
  }
}

export const FAILED: Outcome = { state: "failed", error: { type: "Error", message: "no" }, retryable: true };

function nameOf({ node, mapIndex }: NodeInstance): string {
  return mapIndex < 0 ? node.task.id : `${node.task.id}[${mapIndex}]`;
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
