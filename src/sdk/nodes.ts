/**
 * Tasks and groups as they stand in one DAG under construction.
 *
 * @module
 */
import type { ExpandSpec, InputRef, Json } from "../engine/spec.ts";
import { SCOPE, TEMPLATE, XComRef } from "./refs.ts";
import type { TaskSpecInput } from "./task-fields.ts";
import type { AnyTaskDefinition } from "./task.ts";

/** Keys of what a node keeps for its DAG; not exported to authors. */
export const RECORD = Symbol("jobbers.record");
export const WIRING = Symbol("jobbers.wiring");

/** A task of the DAG. */
export interface NodeRecord {
  readonly taskId: string;
  readonly definition: AnyTaskDefinition;
  readonly fields: Partial<TaskSpecInput>;
  readonly input: Json | undefined;
  readonly expand: ExpandSpec | undefined;
  readonly group: GroupRecord | null;
  isSetup: boolean;
  isTeardown: boolean;
  onFailureFailDagrun: boolean;
}

/** A group of the DAG. */
export interface GroupRecord {
  readonly groupId: string;
  readonly parent: GroupRecord | null;
  /** Ids of members begin with the group's. */
  readonly prefix: boolean;
  readonly tooltip: string | undefined;
  readonly expand: ExpandSpec | undefined;
}

/** What a node may ask of the DAG it belongs to. */
export interface Wiring {
  addEdge(from: NodeRecord | GroupRecord, to: NodeRecord | GroupRecord): void;
  report(where: string, message: string): void;
}

/** Options of {@link TaskNode.asTeardown}. */
export interface TeardownOptions {
  /** The setups it takes down: they become setups, and the teardown comes after them. */
  setups?: TaskNode<unknown> | readonly TaskNode<unknown>[];
  /** The teardown's failure fails the run; without it the run's outcome ignores teardowns. */
  onFailureFailDagrun?: boolean;
}

/** A task in a DAG, and at the same time a reference to what it returns (a list if it is mapped by itself). */
export class TaskNode<out T> extends XComRef<T> {
  readonly taskId: string;
  readonly [RECORD]: NodeRecord;
  readonly [WIRING]: Wiring;

  constructor(wiring: Wiring, record: NodeRecord, mappedGroup: string | null) {
    const template: InputRef = { $ref: "xcom", task_id: record.taskId };
    super(wiring, template, mappedGroup);
    this.taskId = record.taskId;
    this[RECORD] = record;
    this[WIRING] = wiring;
  }

  /** Makes it a setup: what is downstream runs only if it succeeded, and clearing any of that runs it again. */
  asSetup(): this {
    this[RECORD].isSetup = true;
    return this;
  }

  /**
   * Makes it a teardown: it runs once everything upstream is over, whatever came of it, if a setup succeeded. Its trigger
   * rule is `all_done_setup_success` unless the task names one.
   */
  asTeardown(options: TeardownOptions = {}): this {
    const record = this[RECORD];
    record.isTeardown = true;
    record.onFailureFailDagrun = options.onFailureFailDagrun ?? record.onFailureFailDagrun;
    for (const setup of [options.setups ?? []].flat()) {
      setup.asSetup();
      if (setup[WIRING] === this[WIRING]) {
        this[WIRING].addEdge(setup[RECORD], record);
      } else {
        this[WIRING].report(
          `task "${this.taskId}", setups`,
          `expected setups of this DAG, got "${setup.taskId}" of another one`,
        );
      }
    }
    return this;
  }
}

/** A group in a DAG. */
export class GroupNode<out R> {
  readonly groupId: string;
  /**
   * What the group's function returned. Of a mapped group, seen from outside: a list of the values of all elements in the
   * place of each task.
   */
  readonly result: R;
  readonly [RECORD]: GroupRecord;
  readonly [WIRING]: Wiring;

  constructor(wiring: Wiring, record: GroupRecord, result: R) {
    this.groupId = record.groupId;
    this.result = result;
    this[RECORD] = record;
    this[WIRING] = wiring;
  }
}

/** What a mapped group's function returned, as seen from outside the group. */
export type Collected<R> =
  R extends XComRef<infer T> ? XComRef<Exclude<T, null>[]> : R extends object ? { [K in keyof R]: Collected<R[K]> } : R;

/** Makes every task in a mapped group's result stand for the list of its values. */
export function collect(result: unknown, wiring: Wiring, where: string): unknown {
  if (result instanceof XComRef) {
    return result[SCOPE] === null ? result : new XComRef(wiring, result[TEMPLATE], null);
  }
  if (result === undefined || result === null) {
    return result;
  }
  if (Array.isArray(result)) {
    return result.map((element: unknown, index) => collect(element, wiring, `${where}[${index}]`));
  }
  if (typeof result === "object" && Object.getPrototypeOf(result) === Object.prototype) {
    return Object.fromEntries(
      Object.entries(result).map(([key, value]: [string, unknown]) => [key, collect(value, wiring, `${where}.${key}`)]),
    );
  }
  wiring.report(where, "expected tasks of the group, or a structure of them, got something else");
  return result;
}
