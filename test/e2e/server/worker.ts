/**
 * The product with tasks that last as long as a test wants: they call a gate that the test opens, and says what it saw.
 *
 * @module
 */
import { createJobbers } from "../../../src/jobbers.ts";
import { createRegistry, dag, task } from "../../../src/sdk/index.ts";

interface Gated {
  /** Address of the gate. */
  gate: string;
}

/** Stands at the gate, and leaves it when its signal fires. */
const obey = task({ id: "obey" }, async (ctx, { gate }: Gated) => {
  const response = await fetch(`${gate}/obey/${ctx.ti.tryNumber}`, { signal: ctx.signal });
  return { passed: await response.text() };
});

/** Stands at the gate whatever its signal says. */
const ignore = task({ id: "ignore" }, async (ctx, { gate }: Gated) => {
  const response = await fetch(`${gate}/ignore/${ctx.ti.tryNumber}`);
  return { passed: await response.text() };
});

/** Stands at the gate, and beats so seldom that silence says nothing within a test. */
const patient = task({ id: "patient", heartrate: "1h" }, async (ctx, { gate }: Gated) => {
  const response = await fetch(`${gate}/patient/${ctx.dag?.dagId ?? "alone"}/${ctx.ti.tryNumber}`);
  return { passed: await response.text() };
});

/** Stands at the gate, and when its signal fires goes through another one and ends well. */
const finish = task({ id: "finish" }, async (ctx, { gate }: Gated) => {
  try {
    await fetch(`${gate}/finish/${ctx.ti.tryNumber}`, { signal: ctx.signal });
    return { finished: "undisturbed" };
  } catch {
    await fetch(`${gate}/cleanup/${ctx.ti.tryNumber}`);
    return { finished: "in time" };
  }
});

/** Stands at the gate in an object of its own, and leaves it when its signal fires. */
const long = task(
  { id: "long", runIn: "object", heartrate: "1s", retries: 1, retryDelay: 0 },
  async (ctx, { gate }: Gated) => {
    const response = await fetch(`${gate}/long/${ctx.ti.tryNumber}`, { signal: ctx.signal });
    return { passed: await response.text() };
  },
);

/** Takes memory until the runtime has none left. */
const exhaust = task({ id: "exhaust" }, () => {
  const held: string[][] = [];
  for (;;) {
    held.push(Array.from({ length: 1_000_000 }, (_, index) => `${held.length} ${index}`));
  }
});

/** One task that leaves the gate, and one after it. */
const gated = dag({ id: "gated", params: { gate: "" } }, (d) => {
  const first = d.run(obey, { gate: d.params.gate });
  const second = d.run(finish, { gate: d.params.gate });
  d.after(first, second);
});

/** One patient task. */
const waiting = dag({ id: "waiting", params: { gate: "" } }, (d) => void d.run(patient, { gate: d.params.gate }));

const jobbers = createJobbers(
  createRegistry({ dags: [gated, waiting], tasks: [obey, ignore, patient, finish, long, exhaust] }),
);

export default jobbers.handler;
export class Dag extends jobbers.Dag {}
export class Job extends jobbers.Job {}
export class Intake extends jobbers.Intake {}
export class LoginGuard extends jobbers.LoginGuard {}
export class LocalQueue extends jobbers.LocalQueue {}
export class Catalog extends jobbers.Catalog {}
export class Pool extends jobbers.Pool {}
export class RateLimiter extends jobbers.RateLimiter {}
