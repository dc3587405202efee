/**
 * Why a task instance is where it is: one sentence, and every cause behind it. Asks the engine what it would decide, and pools
 * and jobs how they stand. Reads only.
 *
 * @module
 */
import { explainDependencies } from "../../src/engine/explain-dependencies.ts";
import { explainLimit, explainWish } from "../../src/engine/explain-wait.ts";
import type { Result, WhyView } from "../../src/engine/objects.ts";
import { holderName } from "../../src/engine/permits/holders.ts";
import { describeStanding } from "../../src/engine/queue-standing.ts";
import { isFinished, isScheduleable } from "../../src/engine/states.ts";
import type { NodeInstance } from "../../src/engine/task-node.ts";
import type { TaskInstanceKey } from "../../src/engine/work.ts";
import { openPool, type ObjectEnv } from "../env.ts";
import { within } from "../within.ts";
import type { DagCore } from "./core.ts";
import { queueStanding } from "./queue-desk.ts";
import type { LoadedRun } from "./run-book.ts";

type Cause = WhyView["causes"][number];

/** Answers why. */
export class WhyDesk {
  readonly #core: DagCore;
  readonly #env: ObjectEnv;

  constructor(core: DagCore, env: ObjectEnv) {
    this.#core = core;
    this.#env = env;
  }

  /** What keeps a task instance from being scheduled or queued, by Airflow's names of dependencies. */
  async dependencies(key: TaskInstanceKey): Promise<Result<Cause[]>> {
    const found = this.#core.instance(key);
    return found.ok ? { ok: true, value: await this.#unmet(found.value.run, found.value.instance, Date.now()) } : found;
  }

  async why(key: TaskInstanceKey): Promise<Result<WhyView>> {
    const found = this.#core.instance(key);
    if (!found.ok) {
      return found;
    }
    const { run, instance } = found.value;
    const now = Date.now();
    const { state } = instance;
    const causes = [...(await this.#unmet(run, instance, now)), ...(await this.#silence(run, instance, now))];
    const reason = causes[0]?.reason ?? (await this.#standing(run, instance, now));
    return { ok: true, value: { state, reason, causes } };
  }

  async #unmet(run: LoadedRun, instance: NodeInstance, now: number): Promise<Cause[]> {
    const { state } = run.machine;
    const surroundings = {
      isPaused: this.#core.isPaused && run.row.backfill_id === null,
      runReason: this.#core.scheduler.explain(run, now),
      now,
    };
    const causes: (Cause | null)[] = explainDependencies(state, instance, surroundings);
    if (instance.state === "scheduled") {
      causes.push(explainLimit(state, instance));
      causes.push(await this.#wish(run, instance, now));
    }
    return causes.filter((cause) => cause !== null);
  }

  /** That no worker was heard on its queue since it was queued. */
  async #silence(run: LoadedRun, instance: NodeInstance, now: number): Promise<Cause[]> {
    if (instance.state !== "queued") {
      return [];
    }
    const standing = await queueStanding(this.#core, run, instance, now);
    const isHeard = standing.queue !== null && (standing.heardAt ?? 0) >= (instance.queuedWhen ?? now);
    return isHeard ? [] : [{ name: "Worker Available", reason: describeStanding(standing, now) }];
  }

  async #wish(run: LoadedRun, instance: NodeInstance, now: number): Promise<Cause | null> {
    const { wish, node, mapIndex } = instance;
    if (wish === null) {
      return null;
    }
    const holder = holderName({ run_id: run.row.run_id, task_id: node.task.id, map_index: mapIndex }, wish.token);
    return explainWish(
      wish,
      async (ledger) => {
        const answer = await within(openPool(this.#env, ledger).explain(this.#core.name, holder));
        return answer.ok ? answer.value : null;
      },
      now,
    );
  }

  /** How it stands with an instance that nothing keeps. */
  async #standing(run: LoadedRun, instance: NodeInstance, now: number): Promise<string> {
    const { state, tryNumber, maxTries } = instance;
    const since = (at: number | null): string => (at === null ? "" : ` since ${new Date(at).toISOString()}`);
    if (isFinished(state)) {
      const error = instance.error === null ? "" : `: ${instance.error.message}`;
      return `It is over${since(instance.endDate)} in the state '${state}'${error}.`;
    }
    switch (state) {
      case "queued":
        return `It is queued${since(instance.queuedWhen)} and a worker is about to take it: ${describeStanding(await queueStanding(this.#core, run, instance, now), now)}.`;
      case "running":
        return `It is running on ${instance.hostname ?? "a worker"}${since(instance.startDate)}, try ${tryNumber} of ${maxTries + 1}; ${this.#lastSign(instance, now)}.`;
      case "restarting":
        return "It was cleared while it ran; it runs again once its worker has stopped, or is found to be gone.";
      case "deferred":
        return "It is deferred until its trigger fires.";
      default:
        return isScheduleable(state)
          ? "Everything it waits for is there; it is scheduled at the next event of its run."
          : "Everything it waits for is there; it is about to be queued.";
    }
  }

  #lastSign({ latestHeartbeat, dueAt }: NodeInstance, now: number): string {
    if (latestHeartbeat !== null) {
      return `its last heartbeat was ${(now - latestHeartbeat) / 1000} s ago`;
    }
    return dueAt === null
      ? "it has not beaten yet"
      : `it is taken for dead if nothing is heard of it in ${Math.max(0, dueAt - now) / 1000} s`;
  }
}
