/**
 * The object of one DAG (or of one bulk submission): it owns the DAG's spec versions and its runs. Thin by design: load,
 * let the engine decide, store everything in one transaction, arm the alarm, send.
 *
 * @module
 */
import { DurableObject } from "cloudflare:workers";
import type {
  BackfillPlanView,
  BackfillReportView,
  BackfillRequest,
  BackfillView,
} from "../../src/engine/backfill-objects.ts";
import type {
  BatchEntry,
  BatchView,
  ClearRequest,
  DagObject,
  DagStatsView,
  DagVersionView,
  DagView,
  LogPage,
  MarkRequest,
  Page,
  Result,
  RunQuery,
  TaskInstanceQuery,
  TriggerRequest,
  WhyView,
  XComPlace,
  XComQuery,
  XComView,
} from "../../src/engine/objects.ts";
import type { PermitOwner } from "../../src/engine/permits/objects.ts";
import type { OwnerAnswer } from "../../src/engine/permits/permit.ts";
import { resolveParams, unknownConfKeys } from "../../src/engine/params.ts";
import type { DagRunInfo } from "../../src/engine/timetable/timetable.ts";
import type { DagSpec } from "../../src/engine/spec.ts";
import { isRunFinished } from "../../src/engine/states.ts";
import type {
  AttemptBeat,
  AttemptStanding,
  BeatAnswer,
  ClaimedTask,
  DagRunView,
  JobView,
  Outcome,
  Progress,
  Report,
  ReportAnswer,
  StoredValue,
  TaskInstanceKey,
  TaskInstanceView,
  Verdict,
  WorkerIdentity,
} from "../../src/engine/work.ts";
import type { Registry } from "../../src/sdk/index.ts";
import { refuse } from "../../src/engine/result.ts";
import type { ObjectEnv } from "../env.ts";
import { BackfillDesk } from "./backfill-desk.ts";
import { BatchDesk } from "./batch-desk.ts";
import { DagCore } from "./core.ts";
import { DagDesk } from "./dag-desk.ts";
import { ListDesk } from "./list-desk.ts";
import { LogDesk } from "./log-desk.ts";
import { RunDesk } from "./run-desk.ts";
import { instanceView, newRunRow, runView } from "./views.ts";
import { WhyDesk } from "./why-desk.ts";
import { WorkDesk } from "./work-desk.ts";
import { XComDesk } from "./xcom-desk.ts";

/** Makes the class for a registry: the code that a deployment consists of. */
export function createDagClass(registry: Registry) {
  return class Dag extends DurableObject<ObjectEnv> implements DagObject, PermitOwner {
    readonly #core: DagCore;
    readonly #work: WorkDesk;
    readonly #batch: BatchDesk;
    readonly #backfills: BackfillDesk;
    readonly #dag: DagDesk;
    readonly #runs: RunDesk;
    readonly #lists: ListDesk;
    readonly #xcoms: XComDesk;
    readonly #logs: LogDesk;
    readonly #why: WhyDesk;

    constructor(ctx: DurableObjectState, env: ObjectEnv) {
      super(ctx, env);
      this.#core = new DagCore(
        ctx,
        env,
        (dagId) => registry.dags.get(dagId)?.spec ?? null,
        (handler) => registry.tasks.get(handler),
      );
      this.#work = new WorkDesk(this.#core);
      this.#batch = new BatchDesk(this.#core, registry, env);
      this.#backfills = new BackfillDesk(this.#core);
      this.#dag = new DagDesk(this.#core);
      this.#runs = new RunDesk(this.#core);
      this.#lists = new ListDesk(this.#core);
      this.#xcoms = new XComDesk(this.#core);
      this.#logs = new LogDesk(this.#core, env);
      this.#why = new WhyDesk(this.#core, env);
    }

    async describe(): Promise<Result<DagView>> {
      return this.#dag.describe();
    }

    async setPaused(paused: boolean): Promise<Result<DagView>> {
      return this.#dag.setPaused(paused);
    }

    async register(spec: DagSpec): Promise<Result<DagView>> {
      return this.#dag.register(spec);
    }

    async deleteDag(): Promise<Result<null>> {
      return this.#dag.delete();
    }

    async stats(): Promise<Result<DagStatsView>> {
      return this.#dag.stats();
    }

    async listVersions(limit: number, offset: number, descending: boolean): Promise<Result<Page<DagVersionView>>> {
      return this.#dag.listVersions(limit, offset, descending);
    }

    async getVersion(versionNumber: number): Promise<Result<DagVersionView & { spec: DagSpec }>> {
      return this.#dag.getVersion(versionNumber);
    }

    async previewRuns(count: number): Promise<Result<DagRunInfo[]>> {
      return this.#dag.previewRuns(count);
    }

    async trigger(request: TriggerRequest): Promise<Result<DagRunView>> {
      const core = this.#core;
      const version = core.open() ? core.storage.newestVersion() : null;
      if (version === null) {
        return core.unknown();
      }
      const existing = request.run_id === null ? null : core.runs.get(request.run_id);
      if (existing !== null) {
        return request.dedupe === true
          ? { ok: true, value: runView(existing) }
          : refuse("conflict", `expected a new dag_run_id, got "${existing.row.run_id}", which this DAG has`, [
              "body",
              "dag_run_id",
            ]);
      }
      const { logical_date: logicalDate } = request;
      if (logicalDate !== null && core.storage.runByLogicalDate(logicalDate) !== null) {
        const date = new Date(logicalDate).toISOString();
        return refuse("conflict", `expected a new logical_date, got ${date}, of which this DAG has a run`, [
          "body",
          "logical_date",
        ]);
      }
      const params = resolveParams(version.spec.params, request.conf);
      if (!params.ok) {
        const path = params.errors[0]?.path ?? [];
        return refuse("invalid", params.errors.map((error) => error.message).join("; "), ["body", "conf", ...path]);
      }
      const now = Date.now();
      const interval = logicalDate === null ? null : core.scheduler.manualInterval(logicalDate);
      const end = request.data_interval_end ?? interval?.end ?? null;
      const runAfter = request.run_after ?? end ?? now;
      const row = {
        ...newRunRow({
          run_id: request.run_id ?? core.freeRunId("manual", runAfter),
          run_after: runAfter,
          queued_at: now,
          triggered_by: request.triggered_by,
          conf: request.conf,
          params: params.params,
          version_number: version.version_number,
        }),
        logical_date: logicalDate,
        data_interval_start: request.data_interval_start ?? interval?.start ?? null,
        data_interval_end: end,
        note: request.note,
        triggering_user_name: request.triggering_user_name ?? null,
      };
      const view = runView(core.act(now, () => core.createRun(row, now)));
      const keys = unknownConfKeys(version.spec.params, request.conf);
      const unknown = keys.length === 0 ? {} : { unknown_conf: { keys, params: Object.keys(version.spec.params) } };
      return { ok: true, value: { ...view, ...unknown } };
    }

    async listRuns(query: RunQuery): Promise<Result<Page<DagRunView>>> {
      return this.#lists.runs(query);
    }

    async getRun(runId: string, waitMs: number): Promise<Result<DagRunView>> {
      return this.#core.waiters.until<Result<DagRunView>>(`run:${runId}`, waitMs, () => {
        const run = this.#core.find(runId);
        return run.ok
          ? { value: { ok: true, value: runView(run.value) }, done: isRunFinished(run.value.row.state) }
          : { value: run, done: true };
      });
    }

    async listTaskInstances(runId: string | null, query: TaskInstanceQuery): Promise<Result<Page<TaskInstanceView>>> {
      return this.#lists.taskInstances(runId, query);
    }

    async getTaskInstance(key: TaskInstanceKey): Promise<Result<TaskInstanceView>> {
      const found = this.#core.instance(key);
      return found.ok ? { ok: true, value: instanceView(found.value.run, found.value.instance) } : found;
    }

    async getXCom(key: TaskInstanceKey, xcomKey: string): Promise<Result<StoredValue>> {
      const found = this.#core.instance(key);
      if (!found.ok) {
        return found;
      }
      const value = this.#core.storage.xcoms.value(found.value.run.row.id, key.task_id, key.map_index, xcomKey);
      const where = `"${key.task_id}" with map_index ${key.map_index} in run "${key.run_id}"`;
      return value === null ? refuse("not_found", `there is no XCom "${xcomKey}" of ${where}`) : { ok: true, value };
    }

    async getXComs(runId: string, taskId: string, xcomKey: string): Promise<Result<StoredValue[]>> {
      return this.#xcoms.all(runId, taskId, xcomKey);
    }

    async listXComs(query: XComQuery): Promise<Result<Page<XComView>>> {
      return this.#xcoms.list(query);
    }

    async payloadPlace(runId: string, forXCom?: XComPlace): Promise<Result<string>> {
      return this.#xcoms.place(runId, forXCom);
    }

    async setXCom(
      key: TaskInstanceKey,
      xcomKey: string,
      value: StoredValue,
      mapLength: number | null,
      mode: "create" | "update",
    ): Promise<Result<XComView>> {
      return this.#xcoms.set(key, xcomKey, value, mapLength, mode);
    }

    async deleteXCom(key: TaskInstanceKey, xcomKey: string): Promise<Result<null>> {
      return this.#xcoms.delete(key, xcomKey);
    }

    async clear(request: ClearRequest): Promise<Result<TaskInstanceView[]>> {
      return this.#runs.clear(request);
    }

    async mark(request: MarkRequest): Promise<Result<TaskInstanceView[]>> {
      return this.#runs.mark(request);
    }

    async patchRun(
      runId: string,
      patch: { state?: "queued" | "success" | "failed"; note?: string | null },
    ): Promise<Result<DagRunView>> {
      return this.#runs.patchRun(runId, patch);
    }

    async deleteRun(runId: string): Promise<Result<null>> {
      return this.#runs.deleteRun(runId);
    }

    async setNote(
      runId: string,
      taskId: string,
      mapIndex: number | null,
      note: string | null,
    ): Promise<Result<TaskInstanceView[]>> {
      return this.#runs.setNote(runId, taskId, mapIndex, note);
    }

    async deleteTaskInstance(key: TaskInstanceKey): Promise<Result<null>> {
      return this.#runs.deleteTaskInstance(key);
    }

    async listTries(key: TaskInstanceKey): Promise<Result<TaskInstanceView[]>> {
      return this.#runs.listTries(key);
    }

    async dependencies(key: TaskInstanceKey): Promise<Result<WhyView["causes"]>> {
      return this.#why.dependencies(key);
    }

    async why(key: TaskInstanceKey): Promise<Result<WhyView>> {
      return this.#why.why(key);
    }

    async readLog(key: TaskInstanceKey, tryNumber: number, from: number, waitMs: number): Promise<Result<LogPage>> {
      return this.#logs.read(key, tryNumber, from, waitMs);
    }

    async listAdopted(): Promise<Result<TaskInstanceView[]>> {
      return this.#lists.adopted();
    }

    async checkBackfill(request: BackfillRequest): Promise<Result<null>> {
      return this.#backfills.check(request);
    }

    async planBackfill(request: BackfillRequest): Promise<Result<BackfillPlanView>> {
      return this.#backfills.plan(request);
    }

    async createBackfill(id: number, request: BackfillRequest): Promise<Result<BackfillView>> {
      return this.#backfills.create(id, request);
    }

    async listBackfills(limit: number, offset: number, descending: boolean): Promise<Result<Page<BackfillView>>> {
      return this.#backfills.list(limit, offset, descending);
    }

    async getBackfill(id: number): Promise<Result<BackfillView>> {
      return this.#backfills.get(id);
    }

    async setBackfillPaused(id: number, paused: boolean): Promise<Result<BackfillView>> {
      return this.#backfills.setPaused(id, paused);
    }

    async cancelBackfill(id: number): Promise<Result<BackfillView>> {
      return this.#backfills.cancel(id);
    }

    async reportBackfill(id: number): Promise<Result<BackfillReportView>> {
      return this.#backfills.report(id);
    }

    async submitBatch(batchId: string, entries: BatchEntry[]): Promise<Result<BatchView>> {
      return this.#batch.submit(batchId, entries);
    }

    async getBatch(waitMs: number): Promise<Result<BatchView>> {
      return this.#batch.get(waitMs);
    }

    async getMember(index: number, waitMs: number): Promise<Result<JobView>> {
      return this.#batch.getMember(index, waitMs);
    }

    async killMember(index: number, reason: string): Promise<Result<JobView>> {
      return this.#batch.killMember(index, reason);
    }

    async whyMember(index: number): Promise<Result<WhyView>> {
      const member = this.#batch.memberKey(index);
      return member.ok ? this.#why.why(member.value) : member;
    }

    async readMemberLog(index: number, tryNumber: number, from: number, waitMs: number): Promise<Result<LogPage>> {
      const member = this.#batch.memberKey(index);
      return member.ok ? this.#logs.read(member.value, tryNumber, from, waitMs) : member;
    }

    async claim(
      requests: (TaskInstanceKey & { try_number: number })[],
      worker: WorkerIdentity,
    ): Promise<ClaimedTask[]> {
      return this.#work.claim(requests, worker);
    }

    async report(reports: Report[], worker: WorkerIdentity, followUpLimit: number): Promise<ReportAnswer> {
      return this.#work.report(reports, worker, followUpLimit);
    }

    async beat(beats: AttemptBeat[], worker: WorkerIdentity): Promise<BeatAnswer[]> {
      return this.#work.beat(beats, worker);
    }

    async attemptStanding(key: TaskInstanceKey, token: number, progress: Progress | null): Promise<AttemptStanding> {
      return this.#work.standing(key, token, progress);
    }

    async attemptEnded(key: TaskInstanceKey, token: number, outcome: Outcome): Promise<Verdict> {
      return this.#work.attemptEnded(key, token, outcome);
    }

    async permitsUnwanted(ledger: string, holders: string[]): Promise<string[]> {
      return this.#core.permits.unwanted(ledger, holders);
    }

    async permitsGranted(ledger: string, holders: string[]): Promise<OwnerAnswer> {
      return this.#core.permits.granted(ledger, holders);
    }

    /** Rows this object wrote since it woke, alarms included: what the platform bills, for the benchmark. */
    async rowsWritten(): Promise<number> {
      return this.#core.storage.rowsWritten;
    }

    async wake(): Promise<number | null> {
      // One that was deleted has nothing to do any more.
      const now = Date.now();
      if (!this.#core.open()) {
        await this.#core.wipe.finish(now);
        return null;
      }
      const round = this.#core.payloads.run(now);
      const next = await this.#core.wake();
      await Promise.all([this.#core.outbox.deliverStops(Date.now()), round]);
      this.#core.arm(Date.now());
      return next;
    }

    /** The reconciler: does what is due, sends again what nobody claimed, delivers stop orders, deletes values. Idempotent. */
    override async alarm(): Promise<void> {
      const core = this.#core;
      core.alarmFired();
      const now = Date.now();
      if (!core.open()) {
        await core.wipe.finish(now);
        return;
      }
      const round = core.payloads.run(now);
      await core.reconcile();
      await Promise.all([core.outbox.deliverStops(Date.now()), round]);
      core.arm(Date.now());
    }
  };
}
