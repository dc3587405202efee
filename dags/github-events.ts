/**
 * Summaries of what happens in a repository, started by GitHub's webhooks.
 *
 * @module
 */
import { branch, dag, param, task } from "../src/sdk/index.ts";
import { githubConf } from "./github-conf.ts";
import type { Commit, Subject } from "./github-conf.ts";

/** A summary of one event. */
export interface Summary {
  headline: string;
  lines: string[];
}

/** Chooses the tasks that know this kind of event. */
export const routeEvent = branch(
  { id: "route_event" },
  (_ctx, { event, subject }: { event: string; subject: Subject | null }) => {
    if (event === "push") {
      return ["describe_commit", "summarise_push"];
    }
    return subject === null ? "summarise_other" : "summarise_subject";
  },
);

/** Tells of one commit what kind it is, by the habit of beginning its message with one ("fix: …"). */
export const describeCommit = task({ id: "describe_commit" }, (_ctx, { commit }: { commit: Commit }) => ({
  ...commit,
  kind: /^([a-z]+)(?:\([^)]*\))?!?: /.exec(commit.title)?.[1] ?? "other",
}));

/** A push, with its commits; null in the place of the commits if it had none and describing them was skipped. */
export const summarisePush = task(
  { id: "summarise_push", triggerRule: "none_failed" },
  (
    _ctx,
    input: {
      repository: string;
      sender: string | null;
      ref: string | null;
      commits: (Commit & { kind: string })[] | null;
    },
  ): Summary => {
    const commits = input.commits ?? [];
    const count = commits.length === 1 ? "1 commit" : `${commits.length} commits`;
    const branchName = input.ref?.replace(/^refs\/(?:heads|tags)\//, "") ?? "an unknown ref";
    return {
      headline: `${input.sender ?? "somebody"} pushed ${count} to ${branchName} of ${input.repository}`,
      lines: commits.map((one) => `${one.id.slice(0, 7)} ${one.title} (${one.kind}, ${one.author})`),
    };
  },
);

/** An issue, a pull request, a release … */
export const summariseSubject = task(
  { id: "summarise_subject" },
  (
    _ctx,
    input: { event: string; action: string | null; repository: string; sender: string | null; subject: Subject | null },
  ): Summary => {
    const { subject } = input;
    const number = subject === null || subject.number === null ? "" : ` #${subject.number}`;
    const what = `${input.event.replaceAll("_", " ")}${number}`;
    return {
      headline: `${input.sender ?? "somebody"}: ${what} ${input.action ?? "changed"} in ${input.repository}`,
      lines: subject === null ? [] : [subject.title, ...(subject.url === null ? [] : [subject.url])],
    };
  },
);

/** Anything else that happened in a repository. */
export const summariseOther = task(
  { id: "summarise_other" },
  (_ctx, input: { event: string; action: string | null; repository: string; sender: string | null }): Summary => ({
    headline: `${input.sender ?? "somebody"}: ${[input.event.replaceAll("_", " "), input.action].filter(Boolean).join(" ")} in ${input.repository}`,
    lines: [],
  }),
);

/** Gives out the one summary that was made. */
export const publishSummary = task(
  { id: "publish_summary", triggerRule: "none_failed_min_one_success" },
  (ctx, { summaries }: { summaries: (Summary | null)[] }) => {
    const summary = summaries.find((one) => one !== null) ?? { headline: "nothing to tell", lines: [] };
    ctx.log.info(summary.headline, { lines: summary.lines });
    return summary;
  },
);

export const githubEvents = dag(
  {
    id: "github_events",
    description: "Summarises GitHub webhook deliveries: pushes with their commits, issues, pull requests, releases …",
    tags: ["example", "webhook"],
    params: {
      event: param<string>({ description: "GitHub's name of the event", schema: { type: "string", minLength: 1 } }),
      repository: param<string>({ description: "owner/name", schema: { type: "string", pattern: "^[^/]+/[^/]+$" } }),
      action: param<string | null>({ default: null, schema: { type: ["string", "null"] } }),
      sender: param<string | null>({ default: null, schema: { type: ["string", "null"] } }),
      ref: param<string | null>({ default: null, schema: { type: ["string", "null"] } }),
      subject: param<Subject | null>({
        default: null,
        schema: { type: ["object", "null"], required: ["number", "title", "url"] },
      }),
      commits: param<Commit[]>({
        default: [],
        schema: { type: "array", maxItems: 50, items: { type: "object", required: ["id", "title", "author"] } },
      }),
    },
    webhook: { provider: "github", secret: "GITHUB_WEBHOOK_SECRET", toConf: githubConf },
  },
  (d) => {
    const { event, action, repository, sender, ref, subject } = d.params;
    const route = d.run(routeEvent, { event, subject });
    const commits = d.expand(describeCommit, { commit: d.params.commits });
    const push = d.run(summarisePush, { repository, sender, ref, commits });
    const about = d.run(summariseSubject, { event, action, repository, sender, subject });
    const other = d.run(summariseOther, { event, action, repository, sender });
    d.after(route, [commits, push, about, other]);
    d.run(publishSummary, { summaries: [push, about, other] });
  },
);
