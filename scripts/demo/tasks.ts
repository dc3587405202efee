/**
 * Tasks by themselves: many at once over a real text, one that fails and is retried, a long one that tells how far it is.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Job } from "../client.ts";
import { PROJECT_ROOT } from "../project.ts";
import { coloured } from "./screen.ts";
import { deadline, nextFrame } from "./stage.ts";
import type { Stage } from "./stage.ts";

const FINISHED = new Set(["success", "failed", "skipped"]);
const BAR_WIDTH = 24;
const wordCountSchema = z.object({ words: z.number() });

/** Submits the lines of the licence as one bulk of `word_count` tasks and adds their answers up. */
export async function countWords({ client, screen, checks }: Stage): Promise<void> {
  screen.section("1. Tasks in bulk: the words of each line of LICENSE, one task per line");
  const text = readFileSync(join(PROJECT_ROOT, "LICENSE"), "utf8");
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const start = performance.now();
  const submitted = await client.submitTasks(lines.map((line) => ({ name: "word_count", payload: { text: line } })));
  const batch = await client.getBatch(submitted.batch_id, 30);
  const elapsed = performance.now() - start;
  const jobs = await Promise.all(submitted.job_ids.map((id) => client.getJob(id)));
  const total = jobs.reduce((sum, job) => sum + wordCountSchema.catch({ words: 0 }).parse(job.result).words, 0);
  screen.line(`${lines.length} tasks submitted, run and answered in ${elapsed.toFixed(0)} ms: ${total} words`);
  checks.equal("every task of the bulk succeeded", batch.counts, { success: lines.length });
  checks.equal("the tasks counted as many words as the file has", total, countWordsOf(text));
}

/** Counted by another rule than the task's: what is between characters that no word has. */
function countWordsOf(text: string): number {
  return text.split(/[^\p{L}\p{N}'’]+/u).filter((word) => /[\p{L}\p{N}]/u.test(word)).length;
}

/** A task that fails twice, and beside it one that takes seconds and beats. */
export async function retryAndBeat({ client, screen, checks }: Stage): Promise<void> {
  screen.section("2. A task that fails twice and is retried, and a long one that tells how far it is");
  const flaky = await client.submitTask("flaky", { failures: 2 });
  const countdown = await client.submitTask("countdown", { seconds: 3 });
  const seenStates = new Set<string>();
  const seenFractions: number[] = [];
  const late = deadline("both tasks to end", 30_000);
  let jobs: [Job, Job];
  do {
    await nextFrame();
    late();
    jobs = [await client.getJob(flaky.id), await client.getJob(countdown.id)];
    seenStates.add(`${jobs[0].state} ${jobs[0].try_number}`);
    const fraction = jobs[1].progress?.fraction;
    if (fraction !== undefined && fraction !== seenFractions.at(-1)) {
      seenFractions.push(fraction);
    }
    screen.paint(jobs.map((job) => jobLine(job)));
  } while (!jobs.every((job) => FINISHED.has(job.state)));
  screen.settle();
  checks.equal(
    "the flaky task succeeded on its third try",
    [jobs[0].state, jobs[0].result],
    ["success", { succeeded_on_try: 3 }],
  );
  checks.isTrue(
    "it was seen waiting for its retry",
    [...seenStates].some((state) => state.startsWith("up_for_retry")),
    `saw ${[...seenStates].join(", ")}`,
  );
  checks.equal("the long task answered", [jobs[1].state, jobs[1].result], ["success", { counted: 3 }]);
  checks.isTrue(
    "its heartbeats told of progress that only grew",
    seenFractions.length >= 2 &&
      seenFractions.every((each, index) => index === 0 || each >= (seenFractions[index - 1] ?? 0)),
    `saw ${seenFractions.join(", ")}`,
  );
}

/** One job as a line: its state, its try, and what it answered, how far it is, or its error. */
export function jobLine(job: Job): string {
  const colour = job.state === "success" ? "green" : job.state === "failed" ? "red" : "cyan";
  const head = `${job.name.padEnd(9)} try ${job.try_number}  ${coloured(colour, job.state.padEnd(12))}`;
  if (job.state === "success") {
    return `${head} ${JSON.stringify(job.result)}`;
  }
  if (job.progress?.fraction !== undefined) {
    const full = Math.round(job.progress.fraction * BAR_WIDTH);
    return `${head} ${"█".repeat(full)}${"░".repeat(BAR_WIDTH - full)} ${job.progress.step ?? ""}`;
  }
  return job.error === null ? head : `${head} ${job.error.message}`;
}
