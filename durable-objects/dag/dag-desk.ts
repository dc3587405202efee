/**
 * The DAG itself: its versions, whether it is paused, its registration and its end.
 *
 * @module
 */
import {
  MAX_VERSIONS,
  type DagStatsView,
  type DagVersionView,
  type DagView,
  type Page,
  type Result,
} from "../../src/engine/objects.ts";
import type { DagSpec } from "../../src/engine/spec.ts";
import type { DagRunInfo } from "../../src/engine/timetable/timetable.ts";
import { refuse } from "../../src/engine/result.ts";
import { BATCH_PREFIX } from "./batch.ts";
import type { DagCore } from "./core.ts";

/** The DAG itself: its versions, whether it is paused, its registration and its end. */
export class DagDesk {
  readonly #core: DagCore;

  constructor(core: DagCore) {
    this.#core = core;
  }

  describe(): Result<DagView> {
    const core = this.#core;
    const version = core.open() ? core.storage.newestVersion() : null;
    if (version === null) {
      return core.unknown();
    }
    const { version_number, created_at, spec } = version;
    return {
      ok: true,
      value: {
        dag_id: core.name,
        is_paused: core.isPaused,
        is_registered: core.isRegistered,
        version: version_number,
        version_created_at: created_at,
        next_dagrun: core.scheduler.nextAt(Date.now()),
        spec,
      },
    };
  }

  /** The next runs the schedule would make if time passed. */
  previewRuns(count: number): Result<DagRunInfo[]> {
    const core = this.#core;
    return core.open() ? { ok: true, value: core.scheduler.preview(count, Date.now()) } : core.unknown();
  }

  setPaused(paused: boolean): Result<DagView> {
    const core = this.#core;
    if (!core.open()) {
      return core.unknown();
    }
    if (paused !== core.isPaused) {
      const now = Date.now();
      core.isPaused = paused;
      core.act(now, () => {
        core.storage.saveDag(core.name, paused);
        for (const run of core.inTurn()) {
          run.machine.hold(core.holds(run), now);
          core.store(run, now);
        }
        core.scheduler.askForAdmission();
      });
    }
    return this.describe();
  }

  register(spec: DagSpec): Result<DagView> {
    const core = this.#core;
    if (core.isOfCode) {
      return refuse("conflict", `expected the id of a DAG that the code does not define, got "${core.name}"`);
    }
    if (spec.dag_id !== core.name || core.name.startsWith(BATCH_PREFIX)) {
      return refuse("invalid", `expected the dag_id "${core.name}", got "${spec.dag_id}"`, ["body", "dag_id"]);
    }
    if (core.open() && !core.runs.hasRoomFor(spec)) {
      const most = `expected at most ${MAX_VERSIONS} versions of a DAG that runs are on, got one more`;
      return refuse("conflict", `${most}: delete the runs of an old version first`);
    }
    core.register(spec, Date.now());
    return this.describe();
  }

  /**
   * Deletes the DAG with everything that is stored of it, as Airflow does: unless a task instance runs. One whose rows cannot be
   * read is deleted whatever runs.
   */
  async delete(): Promise<Result<null>> {
    const core = this.#core;
    try {
      if (!core.open()) {
        return core.unknown();
      }
    } catch (error) {
      // What is stored cannot be read: whether a task instance runs is unknown, and only a deletion mends it.
      console.error({ event: "dag_unreadable", dag_id: core.name, error });
      await core.deleteAll(() => true);
      return { ok: true, value: null };
    }
    // Workers that were to stop have not all heard of it; nobody will tell them later.
    if (!this.#isAtWork()) {
      await core.outbox.deliverStops(Date.now(), Number.MAX_SAFE_INTEGER);
    }
    const isDeleted = await core.deleteAll(() => !this.#isAtWork());
    return isDeleted
      ? { ok: true, value: null }
      : refuse("conflict", `Task instances of dag with id: '${core.name}' are still running`);
  }

  stats(): Result<DagStatsView> {
    const core = this.#core;
    if (!core.open()) {
      return core.unknown();
    }
    const { summaries } = core.storage;
    const runs = { queued: 0, running: 0, success: 0, failed: 0 };
    for (const { state, count } of summaries.runsByState()) {
      runs[state] = count;
    }
    return { ok: true, value: { dag_id: core.name, runs, latest: summaries.latestRun() } };
  }

  listVersions(limit: number, offset: number, descending: boolean): Result<Page<DagVersionView>> {
    const core = this.#core;
    if (!core.open()) {
      return core.unknown();
    }
    const { rows, total } = core.storage.summaries.versions(limit, offset, descending);
    return { ok: true, value: { items: rows.map((row) => ({ dag_id: core.name, ...row })), total } };
  }

  getVersion(versionNumber: number): Result<DagVersionView & { spec: DagSpec }> {
    const core = this.#core;
    if (!core.open()) {
      return core.unknown();
    }
    const version = core.storage.version(versionNumber);
    if (version === null) {
      return refuse(
        "not_found",
        `The DagVersion with dag_id: \`${core.name}\` and version_number: \`${versionNumber}\` was not found`,
      );
    }
    const { version_number, created_at, spec } = version;
    return { ok: true, value: { dag_id: core.name, version_number, created_at, spec } };
  }

  #isAtWork(): boolean {
    return this.#core
      .unfinished()
      .some(({ machine }) =>
        machine.state.nodes.some(({ instances }) =>
          instances.some(({ state }) => state === "running" || state === "restarting"),
        ),
      );
  }
}
