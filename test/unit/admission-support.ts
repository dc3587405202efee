import { executingElsewhere, isBehind, waitsForRoom, compareRuns } from "../../src/engine/across-runs.ts";
import { openWishes, setSurroundings, type Surroundings } from "../../src/engine/admission.ts";
import { compileGraph, type Graph } from "../../src/engine/graph.ts";
import { holderName, parseHolder } from "../../src/engine/permits/holders.ts";
import { PermitLedger } from "../../src/engine/permits/ledger.ts";
import type { Delivery, LedgerChange, OwnerAnswer } from "../../src/engine/permits/permit.ts";
import { ReservationBook } from "../../src/engine/permits/reservations.ts";
import { ledgersToRelease, nextStep, type PermitNeeds } from "../../src/engine/permits/wish.ts";
import { weightsOf } from "../../src/engine/priority.ts";
import { RunMachine } from "../../src/engine/run-machine.ts";
import type { RunState } from "../../src/engine/run-state.ts";
import type { DagSpecInput } from "../../src/engine/spec.ts";
import type { NodeInstance } from "../../src/engine/task-node.ts";
import { validateDagSpec } from "../../src/engine/validate-spec.ts";
import type { Outcome } from "../../src/engine/work.ts";
import { START, WORKER, type TaskInput } from "./run-machine-support.ts";

const LEASE_MS = 60_000;
const OWNER = "d";
/** States in which an instance may hold or ask for something. */
const MAY_HOLD = new Set(["scheduled", "queued", "running", "restarting", "deferred"]);
const EXECUTING = new Set(["queued", "running", "restarting"]);

export interface Setting {
  tasks: TaskInput[];
  /** How many instances a task has in each run. */
  sizes?: Record<string, number>;
  dag?: Partial<DagSpecInput>;
  runs?: number;
  /** Every second run is one of a backfill, which goes on while its DAG is paused. */
  backfill?: boolean;
  /** Sizes of pools. A concurrency key brings its limit along. */
  pools?: Record<string, number>;
  needs?: (taskId: string, mapIndex: number) => PermitNeeds;
}

/** Who asks for a time: the token of its wish, and the one under which it has its time. */
interface Wisher {
  run: string;
  taskId: string;
  mapIndex: number;
  token: number;
  rateToken: number;
}

/** A call on its way to a ledger or a limiter, or a ledger's to the DAG. */
type Call =
  | { to: "ledger"; ledger: string; change: LedgerChange }
  | { to: "limiter"; limiter: string; reserve: Wisher[] }
  | { to: "limiter"; limiter: string; cancel: string[] }
  | { to: "limiter"; limiter: string; slowUntil: number }
  | { to: "dag"; ledger: string; delivery: Delivery };

/**
 * The runs of one DAG with real ledgers and rate limits around them, and between them calls that a test delivers, loses or
 * doubles. It does what the object of a DAG does, without any storage but rows.
 */
export class World implements Surroundings {
  now = START;
  machines: RunMachine[] = [];
  calls: Call[] = [];
  isPaused = false;
  /** What was queued, in order: `run.task[index]`. */
  queued: string[] = [];
  readonly ledgers = new Map<string, PermitLedger>();
  readonly limiters = new Map<string, ReservationBook>();
  /** Times at which what needs a start of a limiter was queued. */
  readonly starts = new Map<string, number[]>();
  readonly #setting: Setting;
  readonly #graph: Graph;
  #mustAskAgain = false;
  #runs = 0;

  constructor(setting: Setting) {
    this.#setting = setting;
    const result = validateDagSpec({ dag_id: OWNER, ...setting.dag, tasks: setting.tasks });
    if (!result.ok) {
      throw new Error(JSON.stringify(result.errors));
    }
    this.#graph = compileGraph(result.spec);
    for (const [pool, slots] of Object.entries(setting.pools ?? {})) {
      this.ledgers.set(pool, new PermitLedger({ slots, description: null, include_deferred: false }, [], this.now));
    }
    for (let run = 0; run < (setting.runs ?? 1); run += 1) {
      this.addRun();
    }
  }

  /** Makes and starts one more run. */
  addRun(): void {
    this.#runs += 1;
    const info = {
      run_id: `r${this.#runs}`,
      run_type: "manual",
      state: "queued" as const,
      reason: null,
      // Not in the order in which they were made.
      logical_date: START + ((this.#runs * 3) % 5),
      run_after: START,
      queued_at: this.now,
      start_date: null,
      end_date: null,
      params: {},
      created_at: this.now,
      backfill_id: this.#runs % 2 === 0 && this.#setting.backfill === true ? 1 : null,
    };
    const machine = RunMachine.create(this.#graph, info, undefined, new Map(Object.entries(this.#setting.sizes ?? {})));
    setSurroundings(machine.state, this);
    machine.hold(this.#holds(machine), this.now);
    this.machines.push(machine);
    this.turn(() => machine.begin(this.now));
  }

  // ── what the machines ask ───────────────────────────────────────────────────────────────────────────────────────

  needsPermits({ task: { id } }: { task: { id: string } }): boolean {
    const { ledgers, rates } = this.#needs(id, 0);
    return ledgers.length + rates.length > 0;
  }

  needs(_state: RunState, { node, mapIndex }: NodeInstance): PermitNeeds {
    return this.#needs(node.task.id, mapIndex);
  }

  executingElsewhere(state: RunState, taskId: string): number {
    return executingElsewhere(this.machines, state, taskId);
  }

  isBehind(state: RunState, taskId: string): boolean {
    return isBehind(this.machines, state, taskId);
  }

  #needs(taskId: string, mapIndex: number): PermitNeeds {
    return this.#setting.needs?.(taskId, mapIndex) ?? { ledgers: [], rates: [] };
  }

  // ── what happens ────────────────────────────────────────────────────────────────────────────────────────────────

  get instances(): { machine: RunMachine; instance: NodeInstance }[] {
    return this.machines.flatMap((machine) =>
      machine.state.nodes.flatMap((node) => node.instances.map((instance) => ({ machine, instance }))),
    );
  }

  /** Instances in a state, by name. */
  in(...states: string[]): string[] {
    return this.instances
      .filter(({ instance: { state } }) => states.includes(state ?? "none"))
      .map(({ machine, instance }) => nameOf(machine, instance));
  }

  find(name: string): { machine: RunMachine; instance: NodeInstance } {
    const found = this.instances.find(({ machine, instance }) => nameOf(machine, instance) === name);
    if (found === undefined) {
      throw new Error(`there is no ${name}`);
    }
    return found;
  }

  /** One turn of the DAG's object: something happens, then what it led to is collected. */
  turn(act: () => void): void {
    act();
    let isFreed = this.#collect();
    while (isFreed) {
      isFreed = false;
      for (const machine of this.#inTurn().filter(waitsForRoom)) {
        machine.advance(this.now);
        isFreed = this.#collect() || isFreed;
      }
    }
  }

  claim(name: string): void {
    const { machine, instance } = this.find(name);
    const { node, mapIndex, tryNumber } = instance;
    this.turn(() => {
      if (machine.claim(node.task.id, mapIndex, tryNumber, WORKER, this.now) === null) {
        throw new Error(`expected ${name} to be queued, it is ${instance.state}`);
      }
    });
  }

  end(name: string, outcome: Outcome = { state: "success" }): void {
    const { machine, instance } = this.find(name);
    this.turn(() => {
      machine.report(instance, instance.fence, outcome, WORKER, this.now);
      machine.advance(this.now);
    });
  }

  /** Claims and ends. */
  run(name: string, outcome?: Outcome): void {
    this.claim(name);
    this.end(name, outcome);
  }

  clear(...names: string[]): void {
    for (const name of names) {
      const { machine, instance } = this.find(name);
      this.turn(() => {
        machine.clear([instance], this.now);
        machine.begin(this.now);
      });
    }
  }

  mark(name: string, to: "success" | "failed" | "skipped"): void {
    const { machine, instance } = this.find(name);
    this.turn(() => {
      machine.mark(instance, to, null, this.now);
    });
  }

  /** The worker of one that was cleared has stopped. */
  stopped(name: string): void {
    const { machine, instance } = this.find(name);
    const outcome: Outcome = { state: "failed", error: { type: "Stopped", message: "" }, retryable: false };
    this.turn(() => {
      machine.attemptEnded(instance, instance.fence - 1, outcome, this.now);
      machine.advance(this.now);
    });
  }

  pause(isPaused: boolean): void {
    this.isPaused = isPaused;
    this.turn(() => this.#inTurn().forEach((machine) => machine.hold(this.#holds(machine), this.now)));
  }

  #inTurn(): RunMachine[] {
    return this.machines.toSorted((a, b) => compareRuns(a.state, b.state));
  }

  #holds({ info }: RunMachine): boolean {
    return this.isPaused && (info.backfill_id ?? null) === null;
  }

  /** Queues a run again, and starts it some time later. */
  queueAgain(run: number, thenStart: boolean): void {
    const machine = this.machines[run % this.machines.length];
    this.turn(() => {
      if (machine?.info.state === "running") {
        machine.markRun("queued", this.now);
      }
      if (thenStart) {
        machine?.begin(this.now);
      }
    });
  }

  /** Throws the machines away and loads them from their rows. Whatever was asked is asked again. */
  evict(): void {
    this.machines = this.machines.map(({ state: { graph, info, nodes } }) => {
      const rows = structuredClone(nodes.flatMap((node) => node.instances.map((instance) => instance.toRow())));
      const lengths = nodes
        .filter((node) => node.expanded)
        .map((node) => ({ task_id: node.task.id, length: node.instances.length }));
      const machine = RunMachine.load(graph, structuredClone(info), lengths, rows);
      setSurroundings(machine.state, this);
      return machine;
    });
    this.turn(() => {
      for (const machine of this.#inTurn()) {
        machine.resumeWishes(this.now);
        machine.hold(this.#holds(machine), this.now);
      }
    });
  }

  /** Lets time pass, and everything happen that is due in it; calls of ledgers and to them arrive meanwhile. */
  advance(ms: number): void {
    const end = this.now + ms;
    this.deliverAll();
    for (;;) {
      const dues = [
        ...this.machines.map((machine) => machine.nextDue()),
        ...[...this.ledgers.values()].map((ledger) => ledger.nextDue()),
      ].filter((due) => due !== null);
      const next = Math.max(this.now, Math.min(...dues));
      if (dues.length === 0 || next > end) {
        break;
      }
      // An alarm comes late by a millisecond at least.
      this.now = next + 1;
      this.#tick();
      this.deliverAll();
    }
    this.now = Math.max(this.now, end);
    this.#tick();
  }

  #tick(): void {
    for (const machine of this.machines) {
      // Nobody is looked at without a reason, so that one who is forgotten stays so.
      if ((machine.nextDue() ?? Infinity) <= this.now) {
        this.turn(() => machine.tick(this.now));
      }
    }
    for (const [name, ledger] of this.ledgers) {
      this.#told(name, ledger.tick(this.now).deliveries);
    }
  }

  // ── calls ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** No call is under way, and none was lost that is to be made again. */
  get isQuiet(): boolean {
    return this.calls.length === 0 && !this.#mustAskAgain;
  }

  deliverAll(): void {
    for (let calls = 0; this.calls.length > 0 || this.#mustAskAgain; calls += 1) {
      if (calls > 20_000) {
        throw new Error(`expected calls to come to an end, got ${JSON.stringify(this.calls.slice(0, 3))}`);
      }
      if (this.calls.length === 0) {
        this.askAgain();
      } else {
        this.deliver(0);
      }
    }
  }

  /** Lets a call arrive, and its answer. `times`: it may arrive twice. */
  deliver(index: number, times = 1): void {
    const [call] = this.calls.splice(index % Math.max(1, this.calls.length), 1);
    if (call !== undefined) {
      Array.from({ length: times }, () => this.#arrive(call)());
    }
  }

  /** Loses a call, or the answer to it. */
  lose(index: number, when: "before" | "after"): void {
    const [call] = this.calls.splice(index % Math.max(1, this.calls.length), 1);
    if (call !== undefined && when === "after") {
      this.#arrive(call);
    }
    if (call?.to === "ledger") {
      // The caller says a release again that failed.
      const { release = [] } = call.change;
      this.calls.push(...(release.length > 0 ? [{ ...call, change: { release } }] : []));
    }
    this.#mustAskAgain ||= call !== undefined && call.to !== "dag";
  }

  /** Sends all wishes out again. */
  askAgain(): void {
    this.#mustAskAgain = false;
    for (const machine of this.machines) {
      openWishes(machine.state).forEach((instance) => this.#step(machine, instance));
    }
  }

  /** What a call does where it arrives; gives what its answer does. */
  #arrive(call: Call): () => void {
    if (call.to === "dag") {
      const answer = this.#take(
        call.ledger,
        call.delivery.permits.map(({ holder }) => holder),
      );
      return () => {
        const ledger = this.#ledger(call.ledger);
        ledger.answered(call.delivery, answer, this.now);
        this.#told(call.ledger, ledger.tick(this.now).deliveries);
      };
    }
    if (call.to === "ledger") {
      const ledger = this.#ledger(call.ledger);
      const { granted, waiting, too_large: tooLarge } = ledger.exchange(OWNER, call.change, this.now);
      this.#told(call.ledger, ledger.tick(this.now).deliveries);
      return () => {
        this.#putOutside([...waiting, ...tooLarge]);
        const { unwanted } = this.#take(call.ledger, granted);
        const acknowledge = granted.filter((holder) => !unwanted.includes(holder));
        if (granted.length > 0) {
          this.calls.push({ to: "ledger", ledger: call.ledger, change: { release: unwanted, acknowledge } });
        }
      };
    }
    const book = this.limiters.get(call.limiter) ?? new ReservationBook([]);
    this.limiters.set(call.limiter, book);
    if ("cancel" in call) {
      book.cancel(call.cancel, this.now);
    } else if ("slowUntil" in call) {
      book.slowDown(call.slowUntil, this.now);
    } else {
      return this.#reserve(book, call.limiter, call.reserve);
    }
    return () => undefined;
  }

  #reserve(book: ReservationBook, limiter: string, wishers: Wisher[]): () => void {
    const answers = wishers.map((wisher) => {
      const { rates } = this.#needs(wisher.taskId, wisher.mapIndex);
      const rule = rates.find((rate) => rate.limiter === limiter)?.rule ?? { limit: 1, perMs: 1 };
      return { ...wisher, at: book.reserve([idOf(wisher)], rule, this.now).times[0] ?? 0 };
    });
    return () => {
      for (const { run, taskId, mapIndex, token, at } of answers) {
        const machine = this.machines.find(({ info }) => info.run_id === run);
        const instance = machine?.find(taskId, mapIndex);
        if (machine !== undefined && instance !== undefined) {
          this.turn(() => {
            machine.reserved(instance, token, at, this.now);
            machine.advance(this.now);
          });
        }
      }
    };
  }

  #ledger(name: string): PermitLedger {
    const ledger = this.ledgers.get(name) ?? new PermitLedger(null, [], this.now);
    this.ledgers.set(name, ledger);
    return ledger;
  }

  #told(ledger: string, deliveries: Delivery[]): void {
    this.calls.push(...deliveries.map((delivery): Call => ({ to: "dag", ledger, delivery })));
  }

  /** The DAG takes word of a ledger. */
  #take(ledger: string, holders: readonly string[]): OwnerAnswer {
    const answer: OwnerAnswer = { unwanted: [], running: [] };
    const touched = new Set<RunMachine>();
    this.turn(() => {
      for (const holder of holders) {
        const key = parseHolder(holder);
        const machine = this.machines.find(({ info }) => info.run_id === key?.run_id);
        const instance = key === null ? undefined : machine?.find(key.task_id, key.map_index);
        const token = key?.token ?? -1;
        if (machine !== undefined) {
          touched.add(machine);
        }
        if (machine === undefined || instance === undefined || !machine.grant(instance, ledger, token, this.now)) {
          answer.unwanted.push(holder);
        }
      }
      touched.forEach((machine) => machine.advance(this.now));
    });
    return answer;
  }

  /** The DAG takes word of who stands in a ledger's line. */
  #putOutside(holders: readonly string[]): void {
    this.turn(() => {
      for (const holder of holders) {
        const key = parseHolder(holder);
        const machine = this.machines.find(({ info }) => info.run_id === key?.run_id);
        const instance = key === null ? undefined : machine?.find(key.task_id, key.map_index);
        if (instance !== undefined && machine?.standOutside(instance, key?.token ?? -1) === true) {
          machine.advance(this.now);
        }
      }
    });
  }

  #collect(): boolean {
    let isFreed = false;
    for (const machine of this.machines) {
      const changes = machine.drain();
      isFreed ||= changes.freed;
      for (const { instance, wish } of changes.releases) {
        const holder = holderOf(machine, instance, wish.token);
        for (const ledger of ledgersToRelease(wish)) {
          this.calls.push({ to: "ledger", ledger, change: { release: [holder] } });
        }
        for (const { limiter } of wish.at !== null && wish.at > this.now ? wish.rates : []) {
          const named = holderOf(machine, instance, wish.rateToken ?? wish.token);
          this.calls.push({ to: "limiter", limiter, cancel: [`${OWNER} ${named}`] });
        }
      }
      changes.steps.forEach((instance) => this.#step(machine, instance));
      for (const { limiter, until } of changes.slowDowns) {
        this.calls.push({ to: "limiter", limiter, slowUntil: until });
      }
      for (const instance of changes.send.filter(({ sends }) => sends === 1)) {
        this.#noteStart(machine, instance);
      }
    }
    return isFreed;
  }

  #noteStart(machine: RunMachine, instance: NodeInstance): void {
    this.queued.push(nameOf(machine, instance));
    for (const { limiter } of instance.wish?.rates ?? []) {
      this.starts.set(limiter, [...(this.starts.get(limiter) ?? []), instance.wish?.at ?? Number.NaN]);
    }
  }

  #step(machine: RunMachine, instance: NodeInstance): void {
    const { wish, node, mapIndex } = instance;
    if (wish === null || instance.state !== "scheduled") {
      return;
    }
    const step = nextStep(wish, this.now);
    if (step.kind === "reserve") {
      for (const { limiter } of step.rates) {
        const { token, rateToken = token } = wish;
        const wisher = { run: machine.info.run_id, taskId: node.task.id, mapIndex, token, rateToken };
        this.calls.push({ to: "limiter", limiter, reserve: [wisher] });
      }
    } else if (step.kind === "ask") {
      const { ledger, slots, limit } = step.need;
      const request = {
        holder: holderOf(machine, instance, wish.token),
        slots,
        priority: weightsOf(machine.state.graph)[node.task.index] ?? 1,
        requestedAt: instance.scheduledWhen ?? this.now,
        leaseMs: LEASE_MS,
      };
      this.calls.push({
        to: "ledger",
        ledger,
        change: { ask: [request], ...(limit === undefined ? {} : { limit }) },
      });
    }
  }

  // ── what must be true ───────────────────────────────────────────────────────────────────────────────────────────

  /** Says what is wrong, by a count that knows nothing of the machines' own; null if nothing is. */
  problem(): string | null {
    const executing = this.instances.filter(({ instance }) => EXECUTING.has(instance.state ?? ""));
    const { spec } = this.#graph;
    const over = (what: string, count: number, limit: number | null | undefined): string | null =>
      limit !== null && limit !== undefined && count > limit ? `${what}: ${count} of at most ${limit}` : null;
    const problems: (string | null)[] = this.machines.flatMap((machine) => {
      const own = executing.filter((one) => one.machine === machine);
      return [
        over(`max_active_tasks in ${machine.info.run_id}`, own.length, spec.max_active_tasks),
        ...spec.tasks.map((task) =>
          over(
            `max_active_tis_per_dagrun of ${task.task_id}`,
            own.filter(({ instance }) => instance.node.task.id === task.task_id).length,
            task.max_active_tis_per_dagrun,
          ),
        ),
        countIssue(machine),
      ];
    });
    for (const task of spec.tasks) {
      const count = executing.filter(({ instance }) => instance.node.task.id === task.task_id).length;
      problems.push(over(`max_active_tis_per_dag of ${task.task_id}`, count, task.max_active_tis_per_dag));
    }
    const taken = new Map<string, { slots: number; limit: number | undefined }>();
    for (const { instance } of executing) {
      for (const { ledger, slots, limit } of this.#needs(instance.node.task.id, instance.mapIndex).ledgers) {
        taken.set(ledger, { slots: (taken.get(ledger)?.slots ?? 0) + slots, limit });
      }
    }
    for (const [ledger, { slots, limit }] of taken) {
      problems.push(over(`slots of ${ledger}`, slots, limit ?? this.#setting.pools?.[ledger]));
    }
    for (const { machine, instance } of this.instances) {
      const isHolding = instance.wish !== null;
      problems.push(
        isHolding && !MAY_HOLD.has(instance.state ?? "none")
          ? `${nameOf(machine, instance)} is ${instance.state} and has a wish`
          : null,
        isHolding && instance.state === "scheduled" && !machine.isMoving
          ? `${nameOf(machine, instance)} has a wish although its run does not move`
          : null,
        EXECUTING.has(instance.state ?? "") && this.needsPermits(instance.node) && !holdsAll(instance)
          ? `${nameOf(machine, instance)} is ${instance.state} without all it needs`
          : null,
      );
    }
    return problems.find((problem) => problem !== null) ?? null;
  }

  /** Names an instance that waits although every limit has room for it; null if there is none. To be asked when no call is under way. */
  get idle(): string | null {
    const idle = this.instances.find(({ machine, instance }) => {
      const { wish, state } = instance;
      const isWaiting = wish === null || wish.held === wish.ledgers.length;
      const hasTime = wish === null || wish.rates.length === 0 || (wish.at ?? Infinity) <= this.now;
      return state === "scheduled" && machine.isMoving && isWaiting && hasTime && this.#hasRoom(machine, instance);
    });
    return idle === undefined ? null : nameOf(idle.machine, idle.instance);
  }

  #hasRoom(machine: RunMachine, { node, wish }: NodeInstance): boolean {
    const { max_active_tis_per_dagrun: perRun, max_active_tis_per_dag: perDag } = node.task.spec;
    const isInLine = wish === null;
    const takes = ({ instance }: { instance: NodeInstance }): boolean =>
      EXECUTING.has(instance.state ?? "") ||
      (isInLine && this.needsPermits(node) && isAsked(instance) && !machine.state.outside.has(instance));
    const own = this.instances.filter((one) => one.machine === machine && takes(one));
    const ofTask = own.filter(({ instance }) => instance.node === node);
    const elsewhere = this.instances.filter(
      (one) =>
        one.machine !== machine &&
        one.instance.node.task.id === node.task.id &&
        EXECUTING.has(one.instance.state ?? ""),
    );
    const isEarlierInLine = this.machines.some(
      (other) =>
        other !== machine &&
        other.isMoving &&
        compareRuns(other.state, machine.state) < 0 &&
        (other.state.nodes[node.task.index]?.instances ?? []).some(
          (instance) => instance.state === "scheduled" && instance.wish === null,
        ),
    );
    return (
      own.length < (this.#graph.spec.max_active_tasks ?? Infinity) &&
      ofTask.length < (perRun ?? Infinity) &&
      ofTask.length + elsewhere.length < (perDag ?? Infinity) &&
      !(perDag !== null && isInLine && isEarlierInLine)
    );
  }

  /** Holders by ledger, of those that have any. */
  get held(): Record<string, string[]> {
    const held = [...this.ledgers].map(([name, { permits }]): [string, string[]] => [
      name,
      [...permits].map(({ holder, state }) => `${holder} ${state}`),
    ]);
    return Object.fromEntries(held.filter(([, holders]) => holders.length > 0));
  }
}

/** The machine's own counts against its instances. */
function countIssue(machine: RunMachine): string | null {
  const { state } = machine;
  const instances = state.nodes.flatMap((node) => node.instances);
  const executing = instances.filter((instance) => EXECUTING.has(instance.state ?? "")).length;
  const wishers = instances.filter((instance) => instance.state === "scheduled" && instance.wish !== null);
  const inNodes = state.nodes.reduce((sum, node) => sum + node.executing, 0);
  const askedInNodes = state.nodes.reduce((sum, node) => sum + node.asked, 0);
  const strays = [...state.cleared].filter((instance) => instance.state !== "scheduled" || instance.wish === null);
  const inLine = state.nodes.flatMap(({ line }) => [...line]);
  const idle = inLine.filter((instance) => instance.state !== "scheduled" || instance.wish !== null);
  const unlisted = state.nodes.filter((node) => node.line.size > 0 && !state.lines.has(node));
  const ok =
    state.executing === executing &&
    inNodes === executing &&
    state.asked + state.outside.size === wishers.length &&
    askedInNodes === state.asked &&
    [...state.outside].every((instance) => wishers.includes(instance)) &&
    strays.length + idle.length + unlisted.length === 0;
  return ok
    ? null
    : `counts of ${machine.info.run_id}: ${JSON.stringify({ kept: [state.executing, inNodes, state.asked, askedInNodes], real: [executing, wishers.length], strays: strays.length, idle: idle.length, unlisted: unlisted.length })}`;
}

function isAsked({ state, wish }: NodeInstance): boolean {
  return state === "scheduled" && wish !== null;
}

function holdsAll({ wish }: NodeInstance): boolean {
  return wish !== null && wish.held === wish.ledgers.length && (wish.rates.length === 0 || wish.at !== null);
}

export function nameOf({ info }: RunMachine, { node, mapIndex }: NodeInstance): string {
  return `${info.run_id}.${node.task.id}${mapIndex < 0 ? "" : `[${mapIndex}]`}`;
}

function holderOf({ info }: RunMachine, { node, mapIndex }: NodeInstance, token: number): string {
  return holderName({ run_id: info.run_id, task_id: node.task.id, map_index: mapIndex }, token);
}

function idOf({ run, taskId, mapIndex, rateToken }: Wisher): string {
  return `${OWNER} ${holderName({ run_id: run, task_id: taskId, map_index: mapIndex }, rateToken)}`;
}
