/**
 * The object of a bulk submission: takes it once, shows it and its members.
 *
 * @module
 */
import type { BatchEntry, BatchView, Result } from "../../src/engine/objects.ts";
import { isInObject } from "../../src/engine/object-runs.ts";
import { isFinished, isRunFinished } from "../../src/engine/states.ts";
import type { NodeInstance } from "../../src/engine/task-node.ts";
import type { JobView, TaskInstanceKey } from "../../src/engine/work.ts";
import { taskSpecOf, type Registry } from "../../src/sdk/index.ts";
import { refuse } from "../../src/engine/result.ts";
import { openJob, type ObjectEnv } from "../env.ts";
import { within } from "../within.ts";
import { BATCH_PREFIX, BATCH_RUN_ID, batchConf, batchSpec } from "./batch.ts";
import type { DagCore } from "./core.ts";
import type { LoadedRun } from "./run-book.ts";
import { batchView, memberView, newRunRow } from "./views.ts";

/** Bulk submissions of one `Dag` object. */
export class BatchDesk {
  readonly #core: DagCore;
  readonly #registry: Registry;

  readonly #env: ObjectEnv;

  constructor(core: DagCore, registry: Registry, env: ObjectEnv) {
    this.#core = core;
    this.#registry = registry;
    this.#env = env;
  }

  submit(batchId: string, entries: readonly BatchEntry[]): Result<BatchView> {
    const names = [...new Set(entries.map((entry) => entry.name))];
    const definitions = names.flatMap((name) => this.#registry.tasks.get(name) ?? []);
    if (definitions.length < names.length || !this.#core.name.startsWith(BATCH_PREFIX)) {
      return refuse("not_found", `expected names of registered tasks, got ${names.join(", ")}`, ["body", "tasks"]);
    }
    const now = Date.now();
    const spec = batchSpec(this.#core.name, definitions.map(taskSpecOf));
    this.#core.openAs(() => spec, now);
    const existing = this.#core.runs.get(BATCH_RUN_ID);
    if (existing !== null) {
      const other = existing.batch?.batchId ?? "";
      return other === batchId
        ? { ok: true, value: batchView(existing) }
        : refuse("conflict", `expected a batch id whose place is free, got ${batchId}; ${other} has it`, [
            "body",
            "id",
          ]);
    }
    const { sizes, delays } = spread(entries, now);
    const payloads = entries.map((entry) => entry.payload);
    const run = this.#core.act(now, () => {
      // An earlier attempt may have made the object and failed: the spec is that of these entries.
      this.#core.runs.register(spec, now);
      const row = newRunRow({
        run_id: BATCH_RUN_ID,
        run_after: now,
        queued_at: now,
        triggered_by: "rest_api",
        conf: batchConf(batchId, names, entries),
        params: {},
        version_number: this.#core.storage.newestVersion()?.version_number ?? 1,
      });
      return this.#core.createRun(row, now, {
        sizes,
        afterInsert: (id) => {
          this.#core.storage.saveInputs(id, payloads);
          this.#core.runs.peek(BATCH_RUN_ID)?.batch?.hold(null);
        },
        beforeStart: ({ machine, batch }) => {
          // Keys of limits are made of them when the run starts.
          batch?.hold(payloads);
          for (const { name, mapIndex, runAt } of delays) {
            machine.delay(name, mapIndex, runAt);
          }
        },
      });
    });
    return { ok: true, value: batchView(run) };
  }

  get(waitMs: number): Promise<Result<BatchView>> {
    return this.#core.waiters.until(`run:${BATCH_RUN_ID}`, waitMs, () => {
      const run = this.#core.find(BATCH_RUN_ID);
      return run.ok
        ? { value: { ok: true, value: batchView(run.value) }, done: isRunFinished(run.value.row.state) }
        : { value: refuse<BatchView>("not_found", "there is no such batch"), done: true };
    });
  }

  async getMember(position: number, waitMs: number): Promise<Result<JobView>> {
    const answer = await this.#core.waiters.until<Result<JobView>>("members", waitMs, () => {
      const found = this.#member(position);
      return found.ok
        ? {
            value: { ok: true, value: this.#view(found.value, position) },
            done: isFinished(found.value.instance.state),
          }
        : { value: found, done: true };
    });
    return answer.ok && answer.value.state === "running" ? this.#asItsObjectSays(position, answer.value) : answer;
  }

  /** A running member; of one that runs in its object, which beats seldom, with what the object knows of it. */
  async #asItsObjectSays(position: number, view: JobView): Promise<Result<JobView>> {
    const found = this.#member(position);
    const jobId = found.ok && isInObject(found.value.instance) ? found.value.instance.jobId : null;
    const job = jobId === null ? null : await within(openJob(this.#env, jobId).get(0)).catch(() => null);
    if (job?.ok !== true) {
      return { ok: true, value: view };
    }
    const { latest_heartbeat, progress } = job.value;
    return { ok: true, value: { ...view, latest_heartbeat, progress: structuredClone(progress) } };
  }

  killMember(position: number, reason: string): Result<JobView> {
    const found = this.#member(position);
    if (!found.ok) {
      return found;
    }
    const { run, instance } = found.value;
    if (!isFinished(instance.state)) {
      const now = Date.now();
      this.#core.act(now, () => {
        run.machine.mark(instance, "failed", { type: "Killed", message: reason }, now);
        this.#core.store(run, now);
      });
    }
    return { ok: true, value: this.#view(found.value, position) };
  }

  /** Which task instance a member is. */
  memberKey(position: number): Result<TaskInstanceKey> {
    const found = this.#member(position);
    if (!found.ok) {
      return found;
    }
    const { run, instance } = found.value;
    const key = { run_id: run.row.run_id, task_id: instance.node.task.id, map_index: instance.mapIndex };
    return { ok: true, value: key };
  }

  #member(position: number): Result<{ run: LoadedRun; instance: NodeInstance }> {
    const missing = refuse<never>("not_found", "there is no such job");
    const run = this.#core.find(BATCH_RUN_ID);
    if (!run.ok) {
      return missing;
    }
    const at = run.value.batch?.instanceAt(position) ?? null;
    const instance = at === null ? undefined : run.value.machine.find(at.taskId, at.mapIndex);
    return instance === undefined ? missing : { ok: true, value: { run: run.value, instance } };
  }

  #view({ run, instance }: { run: LoadedRun; instance: NodeInstance }, position: number): JobView {
    const value = this.#core.storage.xcoms.value(run.row.id, instance.node.task.id, instance.mapIndex, "return_value");
    return memberView(run, instance, position, value);
  }
}

/** How many entries each name has, and which of them must wait. */
function spread(
  entries: readonly BatchEntry[],
  now: number,
): { sizes: Map<string, number>; delays: { name: string; mapIndex: number; runAt: number }[] } {
  const sizes = new Map<string, number>();
  const delays: { name: string; mapIndex: number; runAt: number }[] = [];
  for (const { name, runAt } of entries) {
    const mapIndex = sizes.get(name) ?? 0;
    sizes.set(name, mapIndex + 1);
    if (runAt !== null && runAt > now) {
      delays.push({ name, mapIndex, runAt });
    }
  }
  return { sizes, delays };
}
