/**
 * The runs of one DAG in memory: machines of unfinished runs, and of those that were asked for lately. Loaded once per
 * wake; everything in it can be thrown away and read again.
 *
 * @module
 */
import { specHash } from "../../src/engine/canonical-hash.ts";
import { compileGraph, type Graph } from "../../src/engine/graph.ts";
import { MAX_VERSIONS } from "../../src/engine/objects.ts";
import type { QueueTiming } from "../../src/engine/queue-timing.ts";
import { RunMachine } from "../../src/engine/run-machine.ts";
import type { DagSpec } from "../../src/engine/spec.ts";
import { isRunFinished } from "../../src/engine/states.ts";
import { BATCH_PREFIX, BATCH_RUN_ID, BatchMembers } from "./batch.ts";
import type { DagStorage, RunRow, VersionRow } from "./storage.ts";

/** Finished runs kept in memory for whoever looks at them next, if they are small. */
const FINISHED_KEPT = 4;
const SMALL_RUN = 200;

/** A run with its machine. The row is the machine's `info`: one truth in memory. */
export interface LoadedRun {
  readonly dagId: string;
  readonly row: RunRow;
  readonly machine: RunMachine;
  readonly version: VersionRow;
  /** Set for the run of a bulk submission. */
  readonly batch: BatchMembers | null;
}

/** Loads, keeps and forgets runs. */
export class RunBook {
  readonly #storage: DagStorage;
  readonly #dagId: string;
  readonly #timing: QueueTiming;
  readonly #watch: (run: LoadedRun) => void;
  readonly #runs = new Map<string, LoadedRun>();
  readonly #versions = new Map<number, { row: VersionRow; graph: Graph }>();

  /** @param watch Is shown every run that is made or read, before anything happens to it. */
  constructor(storage: DagStorage, dagId: string, timing: QueueTiming, watch: (run: LoadedRun) => void) {
    this.#watch = watch;
    this.#storage = storage;
    this.#dagId = dagId;
    this.#timing = timing;
  }

  /** Reads every unfinished run; call once per wake. */
  loadUnfinished(): void {
    for (const row of this.#storage.unfinishedRuns()) {
      this.#load(row);
    }
  }

  /** Unfinished and lately used runs. */
  loaded(): Iterable<LoadedRun> {
    return this.#runs.values();
  }

  /** A run by its id, from memory or storage; null if there is none. */
  get(runId: string): LoadedRun | null {
    const known = this.#runs.get(runId);
    if (known !== undefined) {
      return known;
    }
    const row = this.#storage.runByRunId(runId);
    return row === null ? null : this.#load(row);
  }

  /** How many runs are in memory. */
  get size(): number {
    return this.#runs.size;
  }

  /** A run that is in memory, or null. */
  peek(runId: string): LoadedRun | null {
    return this.#runs.get(runId) ?? null;
  }

  /** Forgets one run: it was deleted. */
  forget(runId: string): void {
    this.#runs.delete(runId);
  }

  /** Forgets one run if its rows are enough: it is over, or waits in a backfill. */
  rest(run: LoadedRun): void {
    if (isRunFinished(run.row.state) || waitsInBackfill(run)) {
      this.forget(run.row.run_id);
    }
  }

  /** Reads a run anew on another version; its rows have been made to fit. The run's row changes. */
  reload(run: LoadedRun, versionNumber: number): LoadedRun {
    run.row.version_number = versionNumber;
    return this.#load(run.row);
  }

  /** Makes a run in memory; its row gets its id when it is inserted. `sizes`: see `RunMachine.create`. */
  create(row: Omit<RunRow, "id">, sizes: ReadonlyMap<string, number>): LoadedRun {
    const stored: RunRow = { ...row, id: 0 };
    const { row: version, graph } = this.version(row.version_number);
    const machine = RunMachine.create(graph, stored, this.#timing, sizes);
    const run = { dagId: this.#dagId, row: stored, machine, version, batch: this.#batch(stored) };
    this.#watch(run);
    return this.#keep(run);
  }

  /** Keeps a run that is not over in memory: a finished one that was cleared is not, if it is large. */
  keep(run: LoadedRun): void {
    if (!isRunFinished(run.row.state)) {
      this.#runs.set(run.row.run_id, run);
    }
  }

  /** Forgets every run: memory may no longer agree with what is stored. */
  clear(): void {
    this.#runs.clear();
    this.#versions.clear();
  }

  /** Forgets finished runs that are large, and others beyond the last few; and what waits in a backfill. */
  trim(): void {
    const runs = [...this.#runs.values()];
    const finished = runs.filter((run) => isRunFinished(run.row.state));
    const excess = finished.slice(0, Math.max(0, finished.length - FINISHED_KEPT));
    for (const run of [...excess, ...finished.filter(isLarge), ...runs.filter(waitsInBackfill)]) {
      this.#runs.delete(run.row.run_id);
    }
  }

  /** A version with its graph. */
  version(versionNumber: number): { row: VersionRow; graph: Graph } {
    let version = this.#versions.get(versionNumber);
    if (version === undefined) {
      const row = this.#storage.version(versionNumber);
      if (row === null) {
        throw new Error(`expected version ${versionNumber} of "${this.#dagId}" to be stored, it is not`);
      }
      version = { row, graph: compileGraph(row.spec) };
      this.#versions.set(versionNumber, version);
    }
    return version;
  }

  /** Says whether a spec can be stored: it is the newest version, or there is room for one more. */
  hasRoomFor(spec: DagSpec): boolean {
    const { summaries } = this.#storage;
    const newest = this.#storage.newestVersion();
    return (
      (newest !== null && specHash(newest.spec) === specHash(spec)) ||
      summaries.countVersions() < MAX_VERSIONS ||
      summaries.oldestUnusedVersion() !== null
    );
  }

  /**
   * Stores a spec as a new version unless the newest one is the same; a run stays on the version it began with. If there are
   * too many, the oldest that no run is on goes. Where runs are on all of them, those of the code may be more.
   */
  register(spec: DagSpec, now: number): void {
    const hash = specHash(spec);
    const newest = this.#storage.newestVersion();
    if (newest?.dag_hash === hash) {
      return;
    }
    if (newest !== null && specHash(newest.spec) === hash) {
      // A release that hashed in another way has stored it, and it means the same.
      this.#storage.rehashVersion(newest.version_number, hash);
      return;
    }
    const { summaries } = this.#storage;
    const unused = summaries.countVersions() < MAX_VERSIONS ? null : summaries.oldestUnusedVersion();
    if (unused !== null) {
      summaries.deleteVersion(unused);
      this.#versions.delete(unused);
    }
    this.#storage.insertVersion({
      version_number: (newest?.version_number ?? 0) + 1,
      dag_hash: hash,
      created_at: now,
      spec,
    });
  }

  #load(row: RunRow): LoadedRun {
    const { row: version, graph } = this.version(row.version_number);
    const { rows, mapLengths } = this.#storage.loadInstances(row.id);
    const isNew = row.backfill_id !== null && row.start_date === null && rows.length + mapLengths.length === 0;
    const machine = isNew
      ? // It was made as a row of many.
        RunMachine.create(graph, row, this.#timing)
      : RunMachine.load(graph, row, mapLengths, rows, this.#timing);
    const run = { dagId: this.#dagId, row, machine, version, batch: this.#batch(row) };
    this.#watch(run);
    return isRunFinished(row.state) && isLarge(run) ? run : this.#keep(run);
  }

  #keep(run: LoadedRun): LoadedRun {
    this.#runs.set(run.row.run_id, run);
    return run;
  }

  #batch(row: RunRow): BatchMembers | null {
    return this.#dagId.startsWith(BATCH_PREFIX) && row.run_id === BATCH_RUN_ID
      ? new BatchMembers(this.#storage, row)
      : null;
  }
}

/** A row is enough of it until it starts, unless it was queued again while tasks of it run: they count, and hold permits. */
function waitsInBackfill({ row, machine }: LoadedRun): boolean {
  return row.state === "queued" && row.backfill_id !== null && machine.state.active === 0;
}

/** Too many instances to stay in memory once the run is over. */
function isLarge({ machine }: LoadedRun): boolean {
  return machine.state.total > SMALL_RUN;
}
