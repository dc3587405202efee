/**
 * What is known of the queue that a queued task instance waits on, for whoever asks why it waits.
 *
 * @module
 */
import { inSeconds } from "./explain-words.ts";

/** How it stands with the message of a queued task instance. */
export interface QueueStanding {
  /** The queue or role that the message goes to. */
  name: string;
  /** The queue that this is now; null if there is neither a queue nor a role of that name: nothing is sent then. */
  queue: string | null;
  /**
   * When a worker of that queue last claimed or reported something of this DAG, in epoch milliseconds; null if none did since
   * the object woke.
   */
  heardAt: number | null;
  /** Times the message of the present try was sent, or was to be. */
  sends: number;
  /** When it fails as stuck if no worker takes it (epoch ms). */
  failsAt?: number;
}

/** The standing in a sentence, e.g. "no worker heard on queue `heavy`; its message was sent 3 times". */
export function describeStanding({ name, queue, heardAt, sends, failsAt }: QueueStanding, now: number): string {
  if (queue === null) {
    const end = failsAt === undefined ? "" : `; it fails at ${new Date(failsAt).toISOString()} unless one is made`;
    return `there is no queue or role \`${name}\`: nothing is sent${end}`;
  }
  const named = queue === name ? `queue \`${queue}\`` : `queue \`${queue}\` (role \`${name}\`)`;
  const sent = `its message was sent ${sends === 1 ? "once" : `${sends} times`}`;
  return heardAt === null
    ? `no worker heard on ${named}; ${sent}`
    : `${sent} on ${named}, where a worker was last heard ${inSeconds(now - heardAt)} ago`;
}
