/**
 * From a delivery of GitHub's to the conf of a run: the little that a summary needs.
 *
 * @module
 */
import type { Json, WebhookEvent } from "../src/sdk/index.ts";

/** A commit of a push. */
export interface Commit {
  id: string;
  /** First line of its message. */
  title: string;
  author: string;
}

/** What an issue, a pull request, a release … is called and where it is. */
export interface Subject {
  /** Null for what has none, e.g. a release. */
  number: number | null;
  title: string;
  url: string | null;
}

/** Commits a conf carries; a push may have thousands. */
const MAX_COMMITS = 50;

/** Where events of a kind keep what they are about; of the others only the kind is told. */
const SUBJECTS: Record<string, string> = {
  issues: "issue",
  issue_comment: "issue",
  pull_request: "pull_request",
  pull_request_review: "pull_request",
  pull_request_review_comment: "pull_request",
  discussion: "discussion",
  release: "release",
  milestone: "milestone",
};

/** The conf of a run for a delivery; null for pings and for events that belong to no repository. */
export function githubConf(event: WebhookEvent): Record<string, Json> | null {
  const repository = text(at(event.body, "repository", "full_name"));
  if (event.type === null || event.type === "ping" || repository === null) {
    return null;
  }
  const conf = {
    event: event.type,
    action: text(at(event.body, "action")),
    repository,
    sender: text(at(event.body, "sender", "login")),
    subject: subjectOf(event.type, event.body),
  };
  return event.type === "push" ? { ...conf, ...pushOf(event.body) } : conf;
}

function subjectOf(type: string, body: Json): Record<string, Json> | null {
  const name = SUBJECTS[type];
  const subject = name === undefined ? null : at(body, name);
  if (subject === null) {
    return null;
  }
  const number = at(subject, "number");
  return {
    number: typeof number === "number" ? number : null,
    title: text(at(subject, "title")) ?? text(at(subject, "name")) ?? text(at(subject, "tag_name")) ?? "(no title)",
    url: text(at(subject, "html_url")),
  };
}

function pushOf(body: Json): Record<string, Json> {
  const commits = at(body, "commits");
  return {
    ref: text(at(body, "ref")),
    commits: (Array.isArray(commits) ? commits.slice(0, MAX_COMMITS) : []).map((commit) => ({
      id: text(at(commit, "id")) ?? "",
      title: (text(at(commit, "message")) ?? "").split("\n", 1)[0] ?? "",
      author: text(at(commit, "author", "username")) ?? text(at(commit, "author", "name")) ?? "unknown",
    })),
  };
}

function at(value: Json, ...path: string[]): Json {
  let found: Json = value;
  for (const key of path) {
    const inside = typeof found === "object" && found !== null && !Array.isArray(found) ? found : {};
    found = Object.hasOwn(inside, key) ? (inside[key] ?? null) : null;
  }
  return found;
}

function text(value: Json): string | null {
  return typeof value === "string" ? value : null;
}
