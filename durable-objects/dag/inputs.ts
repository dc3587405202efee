/**
 * Turns claimed task instances into what a runner is given: their inputs resolved from params, expansion and the values of
 * upstream tasks. A value kept in R2 is not fetched here; it leaves a hole that the runner fills.
 *
 * @module
 */
import { elementAt, expansionElement, type ElementSource } from "../../src/engine/expansion.ts";
import { RemoteValue, resolveTemplate, type RemoteInput } from "../../src/engine/inputs.ts";
import { nestsDeeper, READABLE_DEPTH } from "../../src/engine/json-depth.ts";
import { lengthOfValue } from "../../src/engine/run-expansion.ts";
import { LIMITS, type InputRef, type Json } from "../../src/engine/spec.ts";
import type { NodeInstance, TaskNode } from "../../src/engine/task-node.ts";
import type { ClaimedTask, RunContext, StoredValue } from "../../src/engine/work.ts";
import type { LoadedRun } from "./run-book.ts";
import type { DagStorage } from "./storage.ts";

/** Where a hole's value lies. */
interface Hole {
  key: string;
  element?: number;
}

/**
 * Resolves inputs of instances of one run; make a new one for each batch of claims, since it remembers values it read.
 */
export class InputResolver {
  readonly #storage: DagStorage;
  readonly #run: LoadedRun;
  readonly #context: RunContext;
  readonly #lists = new Map<string, StoredValue | null | StoredValue[]>();
  readonly #parsed = new Map<StoredValue, Json>();
  #holes = new Map<object, Hole>();
  #bytes = 0;

  constructor(storage: DagStorage, run: LoadedRun) {
    this.#storage = storage;
    this.#run = run;
    this.#context = contextOf(run);
  }

  /**
   * What a runner needs to run the instance's present try.
   *
   * @throws Error if the input cannot be made: the caller fails the try with its message.
   */
  claimed(instance: NodeInstance): ClaimedTask {
    const { spec } = instance.node.task;
    const remote: RemoteInput[] = [];
    const input = this.#input(instance, remote);
    return {
      run: this.#context,
      job_id: null,
      task_id: spec.task_id,
      map_index: instance.mapIndex,
      try_number: instance.tryNumber,
      max_tries: instance.maxTries,
      token: instance.fence,
      handler: spec.handler,
      operator: spec.operator,
      input,
      ...(remote.length > 0 ? { remote } : {}),
      heartrateMs: spec.heartrate * 1000,
      executionTimeoutMs: spec.execution_timeout === null ? null : spec.execution_timeout * 1000,
      ...(spec.run_in === "object" ? { run_in: spec.run_in } : {}),
    };
  }

  #input(instance: NodeInstance, remote: RemoteInput[]): Json {
    const node = instance.node;
    if (this.#run.batch !== null) {
      return this.#run.batch.payload(node.task.id, instance.mapIndex);
    }
    this.#holes = new Map();
    this.#bytes = 0;
    const { expand } = node.task;
    let element: Record<string, Json> | null = null;
    const own = (): Record<string, Json> =>
      (element ??= expand === null ? {} : expansionElement(expand, instance.mapIndex, this.#elements()));
    const resolved = resolveTemplate(node.task.spec.input, (ref) => this.#reference(ref, instance, own), remote);
    const input = node.task.spec.expand === undefined ? resolved : { ...asObject(resolved), ...own() };
    if (this.#holes.size > 0) {
      collectHoles(input, [], this.#holes, remote);
    }
    return input;
  }

  #reference(ref: InputRef, instance: NodeInstance, element: () => Record<string, Json>): Json | RemoteValue {
    switch (ref.$ref) {
      case "params":
        return this.#run.row.params;
      case "map":
        return element();
      case "run":
        return runField(this.#run, ref.field);
      case "xcom":
        return this.#xcom(ref.task_id, ref.key ?? "return_value", instance, (ref.path ?? []).length > 0);
    }
  }

  #xcom(taskId: string, key: string, instance: NodeInstance, hasPath: boolean): Json | RemoteValue {
    const upstream = this.#node(taskId);
    const { mappedGroup } = instance.node.task;
    const sameGroup = mappedGroup >= 0 && upstream.task.mappedGroup === mappedGroup;
    if (upstream.task.expand === null || sameGroup) {
      const value = this.#one(taskId, sameGroup && upstream.expanded ? instance.mapIndex : -1, key);
      return value === null ? null : "json" in value ? this.#parse(value) : new RemoteValue(value.r2);
    }
    return this.#all(taskId, key).map((value) => {
      if ("json" in value) {
        return this.#parse(value);
      }
      if (hasPath) {
        throw new TypeError(
          `expected values of "${taskId}" under ${LIMITS.inlineValueBytes} bytes to follow a path in their list`,
        );
      }
      return this.#hole({ key: value.r2 });
    });
  }

  #elements(): ElementSource {
    return {
      params: this.#run.row.params,
      lengthOf: (taskId) => lengthOfValue(this.#run.machine.state, taskId),
      valueAt: (taskId, index) => {
        if (this.#node(taskId).expanded) {
          const value = this.#all(taskId, "return_value")[index];
          return value === undefined ? null : "json" in value ? this.#parse(value) : this.#hole({ key: value.r2 });
        }
        const value = this.#one(taskId, -1, "return_value");
        return value === null
          ? null
          : "json" in value
            ? elementAt(this.#parse(value), index)
            : this.#hole({ key: value.r2, element: index });
      },
    };
  }

  #node(taskId: string): TaskNode {
    const { state } = this.#run.machine;
    const node = state.nodes[state.graph.byId.get(taskId)?.index ?? -1];
    if (node === undefined) {
      throw new Error(`expected the id of a task of this DAG, got "${taskId}"`);
    }
    return node;
  }

  #one(taskId: string, mapIndex: number, key: string): StoredValue | null {
    const name = `${taskId}\n${mapIndex}\n${key}`;
    let value = this.#lists.get(name);
    if (value === undefined) {
      value = this.#storage.xcoms.value(this.#run.row.id, taskId, mapIndex, key);
      this.#lists.set(name, value);
    }
    return Array.isArray(value) ? null : value;
  }

  #all(taskId: string, key: string): StoredValue[] {
    const name = `${taskId}\n*\n${key}`;
    let values = this.#lists.get(name);
    if (values === undefined) {
      values = this.#storage.xcoms.values(this.#run.row.id, taskId, key).map(({ value }) => value);
      this.#lists.set(name, values);
    }
    return Array.isArray(values) ? values : [];
  }

  #parse(value: StoredValue & { json: string }): Json {
    this.#bytes += value.json.length;
    if (this.#bytes > LIMITS.inputBytes) {
      throw new RangeError(
        `expected an input of at most ${LIMITS.inputBytes} bytes, got more: pass references to large data instead`,
      );
    }
    let parsed = this.#parsed.get(value);
    if (parsed === undefined) {
      // It would break the answer that carries it, and with it all that is claimed in the same call.
      if (nestsDeeper(value.json, READABLE_DEPTH)) {
        throw new RangeError(
          `expected values that nest at most ${READABLE_DEPTH} levels in an input, got a deeper one`,
        );
      }
      parsed = JSON.parse(value.json) as Json;
      this.#parsed.set(value, parsed);
    }
    return parsed;
  }

  #hole(hole: Hole): Json {
    const mark: Record<string, Json> = {};
    this.#holes.set(mark, hole);
    return mark;
  }
}

/** The run as a handler sees it. */
export function contextOf({ row, dagId }: LoadedRun): RunContext {
  return {
    dag_id: dagId,
    run_id: row.run_id,
    run_type: row.run_type,
    logical_date: row.logical_date,
    data_interval_start: row.data_interval_start,
    data_interval_end: row.data_interval_end,
    run_after: row.run_after,
    start_date: row.start_date,
    conf: row.conf,
    params: row.params,
  };
}

/** Notes the place of every hole; a hole is known by identity, so data that looks like one is never taken for it. */
function collectHoles(value: Json, at: (string | number)[], holes: Map<object, Hole>, remote: RemoteInput[]): void {
  if (value === null || typeof value !== "object") {
    return;
  }
  const hole = holes.get(value);
  if (hole !== undefined) {
    remote.push({ at, key: hole.key, path: [], ...(hole.element === undefined ? {} : { element: hole.element }) });
    return;
  }
  for (const [key, item] of Array.isArray(value) ? value.entries() : Object.entries(value)) {
    collectHoles(item, [...at, key], holes, remote);
  }
}

function asObject(value: Json): Record<string, Json> {
  return value !== null && typeof value === "object" && !Array.isArray(value) ? value : {};
}

function runField({ row, dagId }: LoadedRun, field: Extract<InputRef, { $ref: "run" }>["field"]): Json {
  const date = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString());
  switch (field) {
    case "run_id":
      return row.run_id;
    case "dag_id":
      return dagId;
    case "conf":
      return row.conf;
    case "logical_date":
      return date(row.logical_date);
    case "data_interval_start":
      return date(row.data_interval_start);
    case "data_interval_end":
      return date(row.data_interval_end);
  }
}
