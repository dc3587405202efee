/**
 * A worker that dies: `kill -9` of the runtime while it runs a task, then a start on the same state.
 *
 * @module
 */
import type { Client, Job } from "../client.ts";
import { deadline, nextFrame } from "./stage.ts";
import type { Stage } from "./stage.ts";
import { jobLine } from "./tasks.ts";

/** Kills the server with its runtime, starts another on the same state, and gives its client. */
export type CrashAndRestart = () => Promise<Client>;

const SECONDS = 3;
const FINISHED = new Set(["success", "failed", "skipped"]);

/** Kills the worker of a running task and watches it being found dead and done again. */
export async function killWorker({ client, screen, checks }: Stage, crashAndRestart: CrashAndRestart): Promise<Client> {
  screen.section("6. A worker that dies: kill -9 of the runtime while it runs a task, then a start on the same state");
  const late = deadline("the task to be done again", 60_000);
  const submitted = await client.submitTask("countdown", { seconds: SECONDS });
  let job: Job = submitted;
  while (job.progress === null) {
    await nextFrame();
    late();
    job = await client.getJob(submitted.id);
    screen.paint([jobLine(job)]);
  }
  screen.settle();
  const dead = job;
  screen.line(`kill -9, ${dead.progress?.step ?? "no progress"}; last heartbeat ${dead.latest_heartbeat ?? "none"}`);
  const next = await crashAndRestart();
  const survivor = await next.getJob(submitted.id);
  let postMortem: string | null = null;
  for (job = survivor; !FINISHED.has(job.state); job = await next.getJob(submitted.id)) {
    screen.paint([jobLine(job)]);
    if (job.state === "up_for_retry") {
      postMortem = job.error?.message ?? "";
    }
    await nextFrame();
    late();
  }
  screen.paint([jobLine(job)]);
  screen.settle();
  if (postMortem !== null) {
    screen.line(`post-mortem: ${postMortem}`);
  }
  checks.equal(
    "the dead worker's task was done again",
    [job.state, job.try_number, job.result],
    ["success", 2, { counted: SECONDS }],
  );
  checks.isTrue(
    "it was found as a zombie, with a post-mortem",
    postMortem !== null && postMortem !== "",
    "it was not seen waiting for its retry",
  );
  return next;
}
