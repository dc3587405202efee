/**
 * The DAG itself: its versions, whether it is paused, its registration and its end.
 *
 * @module
 */
import type { DagStatsView, DagVersionView, DagView, Page, Result } from "../../src/engine/objects.ts";
import type { DagSpec } from "../../src/engine/spec.ts";
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
        is_registered: false,
        version: version_number,
        version_created_at: created_at,
        spec,
      },
    };
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
        for (const run of core.unfinished()) {
          run.machine.hold(paused, now);
          core.startIfDue(run, now);
          core.store(run, now);
        }
      });
    }
    return this.describe();
  }

  register(spec: DagSpec): Result<DagView> {
    throw new Error("not built yet");
  }

  async delete(): Promise<Result<null>> {
    throw new Error("not built yet");
  }

  stats(): Result<DagStatsView> {
    throw new Error("not built yet");
  }

  listVersions(limit: number, offset: number, descending: boolean): Result<Page<DagVersionView>> {
    throw new Error("not built yet");
  }

  getVersion(versionNumber: number): Result<DagVersionView & { spec: DagSpec }> {
    throw new Error("not built yet");
  }
}
