/**
 * A bulk submission is one run, without edges, of an implicit DAG: one task per registered name, mapped over the entries
 * that carry it. This is where a position in the submission and a task instance are told apart.
 *
 * @module
 */
import type { BatchEntry } from "../../src/engine/objects.ts";
import { dagSpecSchema, LIMITS, type DagSpec, type Json, type TaskSpec } from "../../src/engine/spec.ts";
import type { DagStorage, RunRow } from "./storage.ts";

/** Names of objects that keep a bulk submission begin with it; no DAG's id can. */
export const BATCH_PREFIX = "@batch:";

/** The one run of a bulk submission. */
export const BATCH_RUN_ID = "bulk";

/** The implicit DAG of a bulk submission. */
export function batchSpec(dagId: string, tasks: readonly TaskSpec[]): DagSpec {
  return {
    ...dagSpecSchema.parse({ dag_id: "bulk", tasks: [], max_map_length: LIMITS.taskInstancesPerRun }),
    dag_id: dagId,
    tasks: [...tasks],
  };
}

interface BatchConf {
  batch_id: string;
  names: string[];
  /** Index into `names` by position; empty when there is one name. */
  order: number[];
  total: number;
}

/** What the run of a bulk submission keeps in its conf: whose it is, and which task each position belongs to. */
export function batchConf(
  batchId: string,
  names: readonly string[],
  entries: readonly BatchEntry[],
): BatchConf & Record<string, Json> {
  const position = new Map(names.map((name, index) => [name, index]));
  const order = names.length === 1 ? [] : entries.map((entry) => position.get(entry.name) ?? 0);
  return { batch_id: batchId, names: [...names], order, total: entries.length };
}

/** Positions and payloads of a stored bulk submission. */
export class BatchMembers {
  readonly batchId: string;
  readonly total: number;
  readonly #storage: DagStorage;
  readonly #row: RunRow;
  readonly #names: string[];
  readonly #order: number[];
  /** Position in the submission by task and map index; empty when there is one task and they are the same. */
  readonly #positions = new Map<string, number[]>();
  #chunk: { first: number; payloads: Json[] } | null = null;

  constructor(storage: DagStorage, row: RunRow) {
    const conf = row.conf as BatchConf & Record<string, Json>;
    this.#storage = storage;
    this.#row = row;
    this.batchId = conf.batch_id;
    this.total = conf.total;
    this.#names = conf.names;
    this.#order = conf.order;
    this.#order.forEach((name, position) => {
      const task = this.#names[name] ?? "";
      const positions = this.#positions.get(task) ?? [];
      positions.push(position);
      this.#positions.set(task, positions);
    });
  }

  /** The task instance at a position, or null outside the submission. */
  instanceAt(position: number): { taskId: string; mapIndex: number } | null {
    if (!Number.isInteger(position) || position < 0 || position >= this.total) {
      return null;
    }
    const taskId = this.#names[this.#order[position] ?? 0] ?? "";
    const mapIndex = this.#order.length === 0 ? position : (this.#positions.get(taskId)?.indexOf(position) ?? -1);
    return { taskId, mapIndex };
  }

  /** Keeps the payloads at hand while they are not stored yet; null ends that. */
  hold(payloads: Json[] | null): void {
    this.#chunk = payloads === null ? null : { first: 0, payloads };
  }

  /** The payload of a task instance. */
  payload(taskId: string, mapIndex: number): Json {
    const position = this.#order.length === 0 ? mapIndex : (this.#positions.get(taskId)?.[mapIndex] ?? -1);
    const chunk = this.#chunk;
    if (chunk === null || position < chunk.first || position >= chunk.first + chunk.payloads.length) {
      this.#chunk = this.#storage.inputChunk(this.#row.id, position);
    }
    return this.#chunk?.payloads[position - this.#chunk.first] ?? null;
  }
}
