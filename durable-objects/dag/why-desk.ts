/**
 * Why a task instance is where it is: one sentence, and every cause behind it. Asks the engine what it would decide, and pools
 * and jobs how they stand. Reads only.
 *
 * @module
 */
import { aheadOf } from "../../src/engine/across-runs.ts";
import { explainDependencies, type UnmetDependency } from "../../src/engine/explain-dependencies.ts";
import { explainLimit, explainWish, sayHeartbeat, sayInObject, timeWaitedFor } from "../../src/engine/explain-wait.ts";
import { sayCause } from "../../src/engine/explain-trigger-rule.ts";
import { asSentence, code, whenAndIn } from "../../src/engine/explain-words.ts";
import { isInObject } from "../../src/engine/object-runs.ts";
import type { Result, WhyView } from "../../src/engine/objects.ts";
import { describeHolder, holderName, parseHolder } from "../../src/engine/permits/holders.ts";
import type { PermitView } from "../../src/engine/permits/ledger-view.ts";
import type { PermitWish } from "../../src/engine/permits/wish.ts";
import { describeStanding } from "../../src/engine/queue-standing.ts";
import { isFinished, isScheduleable } from "../../src/engine/states.ts";
import type { NodeInstance } from "../../src/engine/task-node.ts";
import type { TaskInstanceKey } from "../../src/engine/work.ts";
import { openPool, openRateLimiter, type ObjectEnv } from "../env.ts";
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
    if (!found.ok) {
      return found;
    }
    const unmet = await this.#unmet(found.value.run, found.value.instance, Date.now());
    return { ok: true, value: unmet.map(({ name, reason }) => ({ name, reason })) };
  }

  async why(key: TaskInstanceKey): Promise<Result<WhyView>> {
    const found = this.#core.instance(key);
    if (!found.ok) {
      return found;
    }
    const { run, instance } = found.value;
    const now = Date.now();
    const { state } = instance;
    const unmet = await this.#unmet(run, instance, now);
    const causes = [
      ...unmet.map(({ name, reason, plain }) => ({ name, reason: plain ?? reason })),
      ...(await this.#silence(run, instance, now)),
    ];
    const reason = causes[0]?.reason ?? asSentence(await this.#standing(run, instance, now));
    return { ok: true, value: { state, reason, causes } };
  }

  async #unmet(run: LoadedRun, instance: NodeInstance, now: number): Promise<UnmetDependency[]> {
    const { state } = run.machine;
    const surroundings = {
      isPaused: this.#core.isPaused && run.row.backfill_id === null,
      pausedAfter: this.#core.scheduler.pausedAfter(),
      runReason: this.#core.scheduler.explain(run, now),
      now,
    };
    const causes: (UnmetDependency | null)[] = explainDependencies(state, instance, surroundings);
    if (instance.state === "scheduled") {
      const machines = [...this.#core.runs.loaded()].map(({ machine }) => machine);
      causes.push(explainLimit(state, instance, { ahead: aheadOf(machines, state, instance.node.task.id) }));
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
    return isHeard ? [] : [{ name: "Worker Available", reason: asSentence(describeStanding(standing, now)) }];
  }

  async #wish(run: LoadedRun, instance: NodeInstance, now: number): Promise<UnmetDependency | null> {
    const { wish, node, mapIndex } = instance;
    if (wish === null) {
      return null;
    }
    const holder = holderName({ run_id: run.row.run_id, task_id: node.task.id, map_index: mapIndex }, wish.token);
    return explainWish(
      wish,
      {
        place: async (ledger) => {
          const answer = await within(openPool(this.#env, ledger).explain(this.#core.name, holder));
          return answer.ok ? answer.value : null;
        },
        slowedUntil: async (limiter) => (await within(openRateLimiter(this.#env, limiter).peek())).slowed_until,
        nameOf: (permit) => this.#nameOf(permit, run),
        waitsFor: (permit) => {
          const held = permit.owner === this.#core.name ? this.#holder(permit.holder) : null;
          return held === null ? null : timeWaitedFor(held, now);
        },
      },
      now,
    );
  }

  /** One of the same run by its task alone. */
  #nameOf({ owner, holder }: PermitView, { row }: LoadedRun): string {
    const key = owner === this.#core.name ? parseHolder(holder) : null;
    return key?.run_id === row.run_id
      ? `${key.task_id}${key.map_index < 0 ? "" : `[${key.map_index}]`}`
      : describeHolder(owner, holder);
  }

  /** The wish of one that is scheduled, by its name in a ledger. */
  #holder(holder: string): PermitWish | null {
    const key = parseHolder(holder);
    const run = key === null ? null : this.#core.runs.peek(key.run_id);
    const instance = key === null ? undefined : run?.machine.find(key.task_id, key.map_index);
    return instance?.state === "scheduled" ? instance.wish : null;
  }

  /** How it stands with an instance that nothing keeps. */
  async #standing(run: LoadedRun, instance: NodeInstance, now: number): Promise<string> {
    const { state, tryNumber, maxTries } = instance;
    const since = (at: number | null): string => (at === null ? "" : ` since ${new Date(at).toISOString()}`);
    if (isFinished(state)) {
      const error = instance.error === null ? "" : `: ${instance.error.message}`;
      const cause = sayCause(run.machine.state, instance);
      const why = cause === "" ? error : `, ${cause}`;
      return `it is over${since(instance.endDate)} in the state ${code(state ?? "none")}${why}`;
    }
    switch (state) {
      case "queued":
        return `it is queued${since(instance.queuedWhen)} and a worker is about to take it: ${describeStanding(await queueStanding(this.#core, run, instance, now), now)}`;
      case "running":
        return `it is running on ${instance.hostname ?? "a worker"}${since(instance.startDate)}, try ${tryNumber} of ${maxTries + 1}; ${this.#lastSign(instance, now)}`;
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

  #lastSign(instance: NodeInstance, now: number): string {
    const { latestHeartbeat, dueAt, node } = instance;
    if (isInObject(instance)) {
      return sayInObject(node.task.spec.heartrate * 1000);
    }
    return latestHeartbeat === null
      ? `no heartbeat yet${dueAt === null ? "" : `; it counts as dead at ${whenAndIn(dueAt, now)}, if none comes`}`
      : sayHeartbeat(latestHeartbeat, node.task.spec.heartrate * 1000, now);
  }
}
