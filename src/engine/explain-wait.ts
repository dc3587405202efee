/**
 * Why a task instance that its dependencies let go does not run yet: limits of its DAG, permits, its queue, its worker. From the
 * functions that decide, and in words.
 *
 * @module
 */
import { fullLimit, type FullLimit } from "./admission.ts";
import type { UnmetDependency } from "./explain-dependencies.ts";
import { asSentence, code, counted, inSeconds, listed, whenAndIn } from "./explain-words.ts";
import { livenessDeadline } from "./liveness.ts";
import { objectLookMs } from "./object-runs.ts";
import { describeHolder } from "./permits/holders.ts";
import { waitingReason, type PermitExplanation, type PermitView } from "./permits/ledger-view.ts";
import { describeLedger, parseLedgerName } from "./permits/names.ts";
import { nextStep, type PermitWish } from "./permits/wish.ts";
import type { RunState } from "./run-state.ts";
import { isExecuting } from "./run-wishes.ts";
import type { NodeInstance, TaskNode } from "./task-node.ts";

/** Airflow's names of the dependencies that limits are. */
const LIMIT_NAMES: Record<FullLimit["name"], string> = {
  max_active_tasks: "Task Instance Slots Available",
  max_active_tis_per_dagrun: "Task Concurrency",
  max_active_tis_per_dag: "Task Concurrency",
};
const LEDGER_NAMES = { pool: "Pool Slots Available", key: "Concurrency Key" } as const;

/** What is known of the runs around it, for limits over all of them. */
export interface Neighbours {
  /** Instances of the task that earlier runs have in line. */
  ahead: number;
}

/** The limit of its DAG for which a scheduled instance stands in line, or waits with its permits in hand; null if there is none. */
export function explainLimit(
  state: RunState,
  instance: NodeInstance,
  { ahead }: Neighbours = { ahead: 0 },
): UnmetDependency | null {
  const { node, wish } = instance;
  const full =
    instance.state === "scheduled" && node.isLimited
      ? fullLimit(state, node, wish === null ? "line" : "cleared")
      : null;
  return full === null
    ? null
    : { name: LIMIT_NAMES[full.name], reason: asSentence(describeLimit(state, node, full, ahead)) };
}

function describeLimit(state: RunState, node: TaskNode, { name, limit, taken }: FullLimit, ahead: number): string {
  const nodes = name === "max_active_tasks" ? state.nodes : [node];
  const executing = nodes.flatMap(({ instances }) => instances.filter((one) => isExecuting(one.state)));
  const names = executing.map((one) => code(nameOf(one)));
  // Others are in other runs, or have asked for what they need and will come first.
  const who = names.length === 0 ? "" : `: ${listed(names, 3, Math.max(names.length, taken))}`;
  const are = taken === 1 ? "is" : "are";
  const task = code(node.task.id);
  const first = ahead === 0 ? "" : `${counted(ahead, "instance")} of earlier runs ${ahead === 1 ? "goes" : "go"} first`;
  switch (name) {
    case "max_active_tasks":
      return `${taken} of at most ${limit} task instances of the run ${are} queued or running${who} (${name})`;
    case "max_active_tis_per_dagrun":
      return `${taken} of at most ${limit} instances of ${task} in the run ${are} queued or running${who} (${name})`;
    case "max_active_tis_per_dag":
      return taken < limit
        ? `${first === "" ? "instances of earlier runs go first" : first} (${name} ${limit} of ${task})`
        : `${taken} of at most ${limit} instances of ${task} over all runs ${are} queued or running${who} (${name})${first === "" ? "" : `; ${first}`}`;
  }
}

function nameOf({ node, mapIndex }: NodeInstance): string {
  return mapIndex < 0 ? node.task.id : `${node.task.id}[${mapIndex}]`;
}

/** What a wish is explained from; each may throw if what it asks does not answer. */
export interface WishFacts {
  /** How its place in a ledger is; null if the ledger has never heard of it. */
  place: (ledger: string) => Promise<PermitExplanation | null>;
  /** Until when a rate limit was slowed down (epoch ms), or null. */
  slowedUntil: (limiter: string) => Promise<number | null>;
  /** The name of one that holds slots; `describeHolder` if left out. */
  nameOf?: (permit: PermitView) => string;
  /** What one that holds slots waits for in turn, or null. */
  waitsFor?: (permit: PermitView) => string | null;
}

/** What a wish waits for; null if it holds all. */
export async function explainWish(wish: PermitWish, facts: WishFacts, now: number): Promise<UnmetDependency | null> {
  const step = nextStep(wish, now);
  switch (step.kind) {
    case "ask": {
      const { ledger } = step.need;
      const name = LEDGER_NAMES[parseLedgerName(ledger).kind];
      const rates = wish.rates.length === 0 ? "" : `; after that it needs a start of ${namesOf(wish)}`;
      return { name, reason: asSentence(`${await placeIn(ledger, facts)}${rates}`) };
    }
    case "reserve":
      return {
        name: "Rate Limit",
        reason: asSentence(`${namesOf(wish, true)} has been asked for a time and has not answered yet`),
      };
    case "wait":
      return { name: "Rate Limit", reason: asSentence(await sayTime(wish, wish.at ?? step.until, facts, now)) };
    case "done":
      return null;
  }
}

async function placeIn(ledger: string, { place, nameOf: named, waitsFor }: WishFacts): Promise<string> {
  let explanation;
  try {
    explanation = await place(ledger);
  } catch {
    return `${describeLedger(ledger)} does not answer now, it is asked again`;
  }
  const reason =
    explanation === null
      ? null
      : waitingReason(
          ledger,
          explanation,
          (permit) => named?.(permit) ?? describeHolder(permit.owner, permit.holder),
          waitsFor,
        );
  return reason ?? `${describeLedger(ledger)} has been asked and has not answered yet`;
}

async function sayTime(wish: PermitWish, at: number, { slowedUntil }: WishFacts, now: number): Promise<string> {
  const slots =
    wish.held < wish.ledgers.length
      ? `; shortly before that it asks for ${listed(wish.ledgers.map(({ ledger }) => describeLedger(ledger)))}`
      : "";
  for (const rate of wish.rates) {
    const until = await slowedUntil(rate.limiter).catch(() => null);
    if (until !== null && until > now && until <= at) {
      const start = at === until ? "it starts then" : `it starts at ${whenAndIn(at, now)}`;
      return `${describeLimiter(rate.limiter)} was slowed down by a handler until ${new Date(until).toISOString()}; ${start}${slots}`;
    }
  }
  return `${namesOf(wish, true)} ${wish.rates.length === 1 ? "lets" : "let"} it start at ${whenAndIn(at, now)}${slots}`;
}

/** What an instance that holds slots waits for in turn: its time; null if it does not. */
export function timeWaitedFor(wish: PermitWish, now: number): string | null {
  const step = nextStep(wish, now);
  return step.kind === "wait" && wish.held > 0
    ? `waits for ${namesOf(wish)} until ${new Date(step.until).toISOString()}`
    : null;
}

function namesOf({ rates }: PermitWish, withRules = false): string {
  return listed(
    rates.map(({ limiter, rule: { limit, perMs } }) =>
      withRules ? `${describeLimiter(limiter)} (${limit} per ${inSeconds(perMs)})` : describeLimiter(limiter),
    ),
  );
}

/** A rate limit in words: that of a key, of a queue, or of a task on a queue. */
function describeLimiter(limiter: string): string {
  const { kind, name } = parseLedgerName(limiter);
  if (kind === "key") {
    return `rate limit ${code(name)}`;
  }
  const [, queue = "", handler] = /^queue:([^:]*)(?::(.*))?$/su.exec(limiter) ?? ["", limiter];
  return handler === undefined
    ? `rate limit of queue ${code(queue)}`
    : `rate limit of ${code(handler)} on queue ${code(queue)}`;
}

/** That an attempt runs in an object of its own, and who finds out if that dies. */
export function sayInObject(heartrateMs: number): string {
  return `its job's object runs it, and looks every ${inSeconds(objectLookMs(heartrateMs))} whether its handler is still there`;
}

/** When something that runs was heard of last (epoch ms), and when it counts as dead. */
export function sayHeartbeat(lastBeat: number, heartrateMs: number, now: number): string {
  const deadAt = new Date(livenessDeadline(lastBeat, heartrateMs)).toISOString();
  return `its last heartbeat was ${inSeconds(now - lastBeat)} ago, expected every ${inSeconds(heartrateMs)}; without another it counts as dead at ${deadAt}`;
}
