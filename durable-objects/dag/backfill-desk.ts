/**
 * What users ask of backfills: plan, make, pause, cancel, report.
 *
 * @module
 */
import type {
  BackfillPlanView,
  BackfillRequest,
  BackfillReportView,
  BackfillView,
} from "../../src/engine/backfill-objects.ts";
import {
  BACKFILL_LIMITS,
  backfillDates,
  canaryUntil,
  planDates,
  plannedDateView,
  refuseBackfill,
  rejection,
  type PlannedDate,
} from "../../src/engine/backfill-plan.ts";
import { chooseForClear } from "../../src/engine/choices.ts";
import { dagScheduleOf } from "../../src/engine/dag-schedule.ts";
import type { Page, Refusal, Result } from "../../src/engine/objects.ts";
import { resolveParams } from "../../src/engine/params.ts";
import { runIdOf } from "../../src/engine/run-ids.ts";
import { RunMachine } from "../../src/engine/run-machine.ts";
import type { Json } from "../../src/engine/spec.ts";
import { refuse } from "../../src/engine/result.ts";
import { reportOf } from "./backfill-report.ts";
import type { BackfillRow } from "./backfill-storage.ts";
import { backfillView } from "./backfill-view.ts";
import type { DagCore } from "./core.ts";
import { repin } from "./repin.ts";
import type { VersionRow } from "./storage.ts";
import { newRunRow } from "./views.ts";

/** A backfill that may be made. */
interface Plan {
  version: VersionRow;
  dates: PlannedDate[];
  conf: Record<string, Json>;
  params: Record<string, Json>;
}

/** Backfills of one `Dag` object, as users meet them. */
export class BackfillDesk {
  readonly #core: DagCore;

  constructor(core: DagCore) {
    this.#core = core;
  }

  check(request: BackfillRequest): Result<null> {
    const plan = this.#planToMake(request, Date.now());
    return plan.ok ? { ok: true, value: null } : plan;
  }

  plan(request: BackfillRequest): Result<BackfillPlanView> {
    const core = this.#core;
    const planned = this.#plan(request, Date.now());
    if (!planned.ok) {
      return planned;
    }
    const { dates } = planned.value;
    return {
      ok: true,
      value: {
        dates: dates.map(plannedDateView),
        estimated_task_instances: this.#estimate(planned.value, request),
        active_backfill_id: core.storage.backfills.active()?.id ?? null,
      },
    };
  }

  create(id: number, request: BackfillRequest): Result<BackfillView> {
    const core = this.#core;
    const known = core.open() ? core.storage.backfills.get(id) : null;
    if (known !== null) {
      return { ok: true, value: backfillView(core.name, known) };
    }
    const now = Date.now();
    const planned = this.#planToMake(request, now);
    if (!planned.ok) {
      return planned;
    }
    core.act(now, () => {
      this.#make(id, request, planned.value, now);
    });
    return this.get(id);
  }

  list(limit: number, offset: number, descending: boolean): Result<Page<BackfillView>> {
    const core = this.#core;
    if (!core.open()) {
      return core.unknown();
    }
    const { rows, total } = core.storage.backfills.list(limit, offset, descending);
    return { ok: true, value: { items: rows.map((row) => backfillView(core.name, row)), total } };
  }

  get(id: number): Result<BackfillView> {
    const found = this.#find(id);
    return found.ok ? { ok: true, value: backfillView(this.#core.name, found.value) } : found;
  }

  setPaused(id: number, paused: boolean): Result<BackfillView> {
    return this.#change(id, (backfill, now) => {
      const isReleased = !paused && backfill.canary_state === "waiting";
      if (backfill.is_paused === paused && !isReleased) {
        return;
      }
      this.#core.storage.backfills.update({
        ...backfill,
        is_paused: paused,
        canary_state: isReleased ? "released" : backfill.canary_state,
        updated_at: now,
      });
      this.#core.scheduler.askForAdmission();
    });
  }

  cancel(id: number): Result<BackfillView> {
    return this.#change(id, (backfill, now) => {
      this.#core.backfills.end(backfill, "cancelled", null, now);
    });
  }

  report(id: number): Result<BackfillReportView> {
    const found = this.#find(id);
    return found.ok ? { ok: true, value: reportOf(this.#core, found.value) } : found;
  }

  #find(id: number): Result<BackfillRow> {
    const core = this.#core;
    const backfill = core.open() ? core.storage.backfills.get(id) : null;
    return backfill === null
      ? refuse("not_found", `Could not find backfill with id ${id}`)
      : { ok: true, value: backfill };
  }

  /** Changes a backfill that is not over. */
  #change(id: number, change: (backfill: BackfillRow, now: number) => void): Result<BackfillView> {
    const found = this.#find(id);
    if (!found.ok) {
      return found;
    }
    if (found.value.completed_at !== null) {
      return refuse("conflict", "Backfill is already completed.");
    }
    const now = Date.now();
    this.#core.act(now, () => {
      change(found.value, now);
    });
    return this.get(id);
  }

  /** What would be made, unless it may not be made now. */
  #planToMake(request: BackfillRequest, now: number): Result<Plan> {
    const core = this.#core;
    if (core.open() && core.storage.backfills.active() !== null) {
      return refuse("conflict", `There is already a running backfill for dag ${core.name}`);
    }
    const planned = this.#plan(request, now);
    return planned.ok && planned.value.dates.length === 0
      ? { ok: false, refusal: rejection(`No runs to create for Dag ${core.name}`, "from_date") }
      : planned;
  }

  #plan(request: BackfillRequest, now: number): Result<Plan> {
    const core = this.#core;
    const version = core.open() && !core.isBatch ? core.storage.newestVersion() : null;
    if (version === null) {
      return core.unknown();
    }
    const { timetable } = dagScheduleOf(version.spec);
    const refusal = refuseBackfill(version.spec, timetable, request, now);
    if (refusal !== null) {
      return { ok: false, refusal };
    }
    const conf = request.dag_run_conf ?? {};
    const resolved = resolveParams(version.spec.params, conf);
    if (!resolved.ok) {
      const path = resolved.errors[0]?.path ?? [];
      const message = resolved.errors.map((error) => error.message).join("; ");
      return refuse("invalid", message, ["body", "dag_run_conf", ...path]);
    }
    const infos = backfillDates(timetable, request, now);
    if (infos === null) {
      const message = `expected at most ${BACKFILL_LIMITS.dates} dates in one backfill, got more: narrow the range`;
      return { ok: false, refusal: rejection(message, "to_date") };
    }
    const existing = core.storage.backfills.runsOn(infos.map(({ logical_date: date }) => date));
    const plan = {
      version,
      dates: planDates(infos, existing, request.reprocess_behavior),
      conf,
      params: resolved.params,
    };
    const excess = this.#excess(plan);
    return excess === null ? { ok: true, value: plan } : { ok: false, refusal: excess };
  }

  /** Why a plan is too large for one turn; null if it is not. */
  #excess({ dates, conf, params }: Plan): Refusal | null {
    const again = dates.flatMap(({ action, existing }) => (action === "reprocess" && existing ? [existing.id] : []));
    const { reprocessedRuns, reprocessedInstances, confs } = BACKFILL_LIMITS;
    if (again.length > reprocessedRuns) {
      const message = `expected at most ${reprocessedRuns} runs to make again in one backfill, got ${again.length}: narrow the range`;
      return rejection(message, "reprocess_behavior");
    }
    const instances = this.#core.storage.backfills.countInstances(again);
    if (instances > reprocessedInstances) {
      const message = `expected at most ${reprocessedInstances} task instances to clear in one backfill, got ${instances}: narrow the range`;
      return rejection(message, "reprocess_behavior");
    }
    const size = (JSON.stringify(conf).length + JSON.stringify(params).length) * dates.length;
    return size > confs
      ? {
          code: "too_large",
          message: `expected a conf and params that take at most ${confs} characters in all ${dates.length} runs, got ${size}`,
        }
      : null;
  }

  /** Task instances of all runs that would run, as far as their number is known now. */
  #estimate({ dates, version, params, conf }: Plan, { run_on_latest_version: onLatest }: BackfillRequest): number {
    const { runs } = this.#core;
    const known = new Map<number, number>();
    let total = 0;
    for (const { action, existing } of dates) {
      if (action === "skip") {
        continue;
      }
      const number = existing === null || onLatest ? version.version_number : existing.version_number;
      let size = known.get(number);
      if (size === undefined) {
        const common = { run_id: "", run_after: 0, queued_at: null, triggered_by: "backfill", conf, params };
        const row = newRunRow({ ...common, version_number: number });
        size = RunMachine.create(runs.version(number).graph, row).state.total;
        known.set(number, size);
      }
      total += size;
    }
    return total;
  }

  /** Makes a backfill with its runs; only inside `act`. */
  #make(id: number, request: BackfillRequest, plan: Plan, now: number): void {
    const core = this.#core;
    const { backfills } = core.storage;
    const { dates, version, conf, params } = plan;
    const backfill: BackfillRow = {
      ...request,
      id,
      is_paused: false,
      canary_state: request.canary === null ? null : "running",
      canary_until: canaryUntil(dates, request.canary),
      created_at: now,
      updated_at: now,
      completed_at: null,
      end_reason: null,
      first_failed_run_id: null,
    };
    backfills.insert(backfill);
    backfills.insertRuns(this.#named(dates.filter(({ action }) => action === "create")), {
      backfill_id: id,
      conf,
      params,
      version_number: version.version_number,
      triggering_user_name: request.triggering_user_name,
      now,
    });
    for (const date of dates) {
      if (date.action === "reprocess" && date.existing !== null) {
        this.#take(
          date.existing.run_id,
          id,
          date.sort_ordinal,
          request.dag_run_conf === null ? null : plan,
          request,
          now,
        );
      }
    }
    backfills.insertDates(id, dates);
    // Runs of later dates may look at the past, which is another one now.
    const first = dates.toSorted((a, b) => a.info.logical_date - b.info.logical_date)[0];
    core.past.cameOrWent({ row: { run_id: "", logical_date: first?.info.logical_date ?? null } });
    core.backfills.noteUse();
    core.backfills.settle(backfill, null, now);
    core.scheduler.askForAdmission();
  }

  /** Gives new runs their ids. One that is taken, because the schedule was another one then, gets the next free one. */
  #named(dates: readonly PlannedDate[]): { planned: PlannedDate; runId: string }[] {
    const named = dates.map((planned) => ({ planned, runId: runIdOf("backfill", planned.info.run_after) }));
    const taken = this.#core.storage.backfills.takenRunIds(named.map(({ runId }) => runId));
    return named.map((one) =>
      taken.has(one.runId)
        ? { planned: one.planned, runId: this.#core.freeRunId("backfill", one.planned.info.run_after) }
        : one,
    );
  }

  /** Queues a run again, with all its task instances cleared, as one of a backfill; only inside `act`. */
  #take(
    runId: string,
    backfillId: number,
    sortOrdinal: number,
    given: Pick<Plan, "conf" | "params"> | null,
    { run_on_latest_version: onLatest }: BackfillRequest,
    now: number,
  ): void {
    const core = this.#core;
    let run = core.runs.get(runId);
    if (run === null) {
      return;
    }
    const { row } = run;
    row.run_type = "backfill";
    row.triggered_by = "backfill";
    row.backfill_id = backfillId;
    row.sort_ordinal = sortOrdinal;
    if (given !== null) {
      row.conf = given.conf;
      row.params = given.params;
    }
    core.storage.backfills.takeRun(row.id, backfillId, sortOrdinal, given);
    if (onLatest) {
      run = repin(core, run, now);
    }
    run.machine.clear(chooseForClear(run.machine.state, { run_id: runId, task_ids: null }), now);
    core.store(run, now);
    core.runs.rest(run);
  }
}
