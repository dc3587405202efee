/**
 * Orders of `npm start` to the isolate it runs. They come as the cron expression of a scheduled event, which nobody outside
 * can send, and with a token that only the server and its Worker have. A deployed Worker has no such token and takes no orders.
 *
 * @module
 */
import { z } from "zod";
import type { Service } from "./isolate/service.ts";

/** What may be ordered. */
const orderSchema = z.discriminatedUnion("order", [
  /** Stop: handlers get their signal now, and are handed over if they still run after `drain_ms`. */
  z.object({ order: z.literal("drain"), drain_ms: z.number().nonnegative() }),
  /** Refuse what would be stored, with this message; null to take it again. */
  z.object({ order: z.literal("disk"), full: z.string().nullable() }),
]);
export type Order = z.infer<typeof orderSchema>;

/** First word of the cron expression that is an order. */
const PREFIX = "jobbers-order";
/** How often a drain looks whether all is over. */
const LOOK_MS = 20;
/** How long reports of what was handed over may take. */
const REPORTS_MS = 5000;

/** The cron expression that carries an order. */
export function orderText(token: string, order: Order): string {
  return `${PREFIX} ${token} ${JSON.stringify(order)}`;
}

/**
 * Obeys an order, if the cron expression is one. A drain is obeyed when all that ran has ended or been handed over, and every
 * request has its answer.
 *
 * @returns Whether it was one.
 * @throws Error if it is no order that is known, or came without the token.
 */
export async function obey(cron: string, token: string | undefined, service: Service): Promise<boolean> {
  const [prefix, given, ...rest] = cron.split(" ");
  if (prefix !== PREFIX) {
    return false;
  }
  if (token === undefined || token === "" || given !== token) {
    throw new Error("expected an order with the token of the server, got another one");
  }
  const order = orderSchema.parse(JSON.parse(rest.join(" ")));
  switch (order.order) {
    case "disk":
      service.noteDiskFull(order.full);
      break;
    case "drain":
      await drain(service, order.drain_ms);
      break;
  }
  return true;
}

async function drain(service: Service, drainMs: number): Promise<void> {
  service.stop(Date.now() + drainMs);
  const deadline = Date.now() + drainMs + REPORTS_MS;
  while (!service.isIdle && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
