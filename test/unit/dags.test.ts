import { readFileSync } from "node:fs";
import examples from "@octokit/webhooks-examples";
import { describe, test } from "vitest";
import { flightsEtl } from "../../dags/flights-etl.ts";
import type { Flight } from "../../dags/flights-etl.ts";
import { githubConf } from "../../dags/github-conf.ts";
import { githubEvents } from "../../dags/github-events.ts";
import { registry } from "../../dags/index.ts";
import { resolveParams } from "../../src/engine/params.ts";
import type { Json } from "../../src/engine/spec.ts";
import { validateDagSpec } from "../../src/engine/validate-spec.ts";
import { classifyThrown, createTaskContext } from "../../src/sdk/index.ts";
import type { TaskContext } from "../../src/sdk/index.ts";

/** The staging bucket, as far as the DAG uses it. */
class FakeBucket {
  readonly objects = new Map<string, string>();

  put(key: string, value: string): Promise<void> {
    this.objects.set(key, value);
    return Promise.resolve();
  }

  get(key: string): Promise<{ json: () => Promise<unknown> } | null> {
    const text = this.objects.get(key);
    return Promise.resolve(text === undefined ? null : { json: () => Promise.resolve(JSON.parse(text) as unknown) });
  }

  list({ prefix }: { prefix: string }): Promise<{ objects: { key: string }[] }> {
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix));
    return Promise.resolve({ objects: keys.map((key) => ({ key })) });
  }

  delete(keys: string[]): Promise<void> {
    keys.forEach((key) => this.objects.delete(key));
    return Promise.resolve();
  }
}

interface FakeRun {
  env?: unknown;
  tryNumber?: number;
  signal?: AbortSignal;
  beats?: unknown[];
}

function fakeContext({ env, tryNumber = 1, signal, beats = [] }: FakeRun): TaskContext {
  return createTaskContext({
    claimed: {
      run: {
        dag_id: "dag",
        run_id: "run",
        run_type: "manual",
        logical_date: null,
        data_interval_start: null,
        data_interval_end: null,
        run_after: 0,
        start_date: 0,
        conf: {},
        params: {},
      },
      job_id: null,
      task_id: "task",
      map_index: -1,
      try_number: tryNumber,
      max_tries: 5,
      token: 1,
      handler: "task",
      operator: "task",
      input: null,
      heartrateMs: 5000,
      executionTimeoutMs: null,
    },
    jobId: () => null,
    signal: () => signal ?? new AbortController().signal,
    heartbeat: (progress) => beats.push(progress),
    log: () => undefined,
    xcomPush: () => undefined,
    xcomPull: () => Promise.resolve(null),
    env,
  });
}

/** Runs a registered handler as the runner does: found by its name, its input and answer JSON. */
async function runHandler(name: string, input: unknown, run: FakeRun = {}): Promise<unknown> {
  const definition = registry.tasks.get(name);
  if (definition === undefined) {
    throw new Error(`expected a registered task, got "${name}"`);
  }
  const value = await definition.run(fakeContext(run), JSON.parse(JSON.stringify(input ?? null)));
  return JSON.parse(JSON.stringify(value ?? null)) as unknown;
}

/** Runs every handler in the order of the edges, with the params of a run. */
async function runAll(params: { min_flights: number; late_after: number; tolerable_share: number }) {
  const bucket = new FakeBucket();
  const run = { env: { PAYLOADS: bucket }, tryNumber: 2 };
  const staged = (await runHandler("stage_flights", null, run)) as { key: string; prefix: string };
  const { min_flights: minFlights, late_after: lateAfter, tolerable_share: tolerable } = params;
  const names = (await runHandler("busy_airports", { key: staged.key, minFlights }, run)) as string[];
  const overall = (await runHandler("airport_delays", { key: staged.key, airport: null, lateAfter }, run)) as {
    lateShare: number;
  };
  const airports = await Promise.all(
    names.map((airport) => runHandler("airport_delays", { key: staged.key, airport, lateAfter }, run)),
  );
  const chosen = await runHandler("judge_delays", { lateShare: overall.lateShare, tolerable }, run);
  const alerted = chosen === "raise_alert" ? await runHandler("raise_alert", { airports, tolerable }, run) : null;
  const normal = chosen === "note_normal" ? await runHandler("note_normal", null, run) : null;
  const report = await runHandler("report_flights", { overall, airports, alerted, normal }, run);
  const cleared = await runHandler("clear_staging", { prefix: staged.prefix }, run);
  return { names, report, cleared, left: bucket.objects.size };
}

/** The conf of a delivery that arrived as JSON. */
function confOf(type: string, body: unknown): Record<string, Json> | null {
  const json = JSON.parse(JSON.stringify(body)) as Json;
  return githubConf({ provider: "github", type, deliveryId: "1", headers: {}, body: json });
}

/** The first published delivery of an event that matches. */
function example(name: string, matches: (body: object) => boolean = () => true): object {
  const found = examples.find((one) => one.name === name)?.examples.find((body) => matches(body));
  if (found === undefined) {
    throw new Error(`expected an example of ${name}, got none`);
  }
  return found;
}

describe("the registry", () => {
  test("holds the example DAGs, and a handler for everything they run", ({ expect }) => {
    expect([...registry.dags.keys()]).toEqual(["flights_etl", "github_events"]);
    for (const { spec } of registry.dags.values()) {
      const names = spec.tasks.map((one) => one.handler);
      expect(names.filter((name) => !registry.tasks.has(name))).toEqual([]);
      expect(validateDagSpec(spec)).toEqual({ ok: true, spec });
    }
  });

  test("holds the tasks that can be submitted by themselves", ({ expect }) => {
    const known = ["hello", "word_count", "countdown", "flaky", "noop"];
    expect(known.filter((name) => !registry.tasks.has(name))).toEqual([]);
  });
});

describe("flights_etl", () => {
  const file = new URL("../../node_modules/vega-datasets/data/flights-2k.json", import.meta.url);
  const flights = JSON.parse(readFileSync(file.pathname, "utf8")) as Flight[];

  test("stages, maps over the busy airports, branches, reports, and always clears up", ({ expect }) => {
    const tasks = Object.fromEntries(flightsEtl.spec.tasks.map((one) => [one.task_id, one]));
    expect(Object.fromEntries(Object.entries(tasks).map(([id, one]) => [id, one.upstream_task_ids]))).toEqual({
      stage_flights: [],
      busy_airports: ["stage_flights"],
      overall_delays: ["stage_flights"],
      airport_delays: ["busy_airports", "stage_flights"],
      judge_delays: ["overall_delays"],
      raise_alert: ["airport_delays", "judge_delays"],
      note_normal: ["judge_delays"],
      report_flights: ["airport_delays", "note_normal", "overall_delays", "raise_alert"],
      clear_staging: ["report_flights", "stage_flights"],
    });
    expect(tasks["airport_delays"]?.expand).toEqual({
      type: "expand",
      kwargs: { airport: { $ref: "xcom", task_id: "busy_airports" } },
    });
    expect([tasks["stage_flights"]?.is_setup, tasks["clear_staging"]?.is_teardown]).toEqual([true, true]);
    expect(tasks["judge_delays"]?.operator).toBe("branch");
  });

  test("fails on its first try, as it says, and stages the whole file on the second", async ({ expect }) => {
    const bucket = new FakeBucket();
    const env = { PAYLOADS: bucket };
    await expect(runHandler("stage_flights", null, { env })).rejects.toThrow("the first try always fails");
    expect(bucket.objects.size).toBe(0);
    const staged = await runHandler("stage_flights", null, { env, tryNumber: 2 });
    expect(staged).toEqual({ prefix: "staging/flights_etl/run/", key: "staging/flights_etl/run/flights.json" });
    expect(JSON.parse(bucket.objects.get("staging/flights_etl/run/flights.json") ?? "")).toEqual(flights);
  });

  const DEFAULTS = { min_flights: 40, late_after: 15, tolerable_share: 0.2 };

  test("reports the real figures of the file", async ({ expect }) => {
    const { names, report, cleared, left } = await runAll(DEFAULTS);
    expect(names).toEqual("ORD DFW LAX ATL PHX STL LAS EWR DEN IAH PHL MSP BOS BWI CLT SFO".split(" "));
    expect(report).toEqual({
      flights: 2000,
      late: 427,
      lateShare: 0.2135,
      meanDelay: 6.7835,
      airports: 16,
      worstAirport: "LAS",
      worstShare: 0.2963,
      alert: true,
      alertedAirports: ["LAS", "DEN", "PHL", "BOS", "PHX", "STL", "SFO", "IAH", "DFW"],
    });
    expect([cleared, left]).toEqual([{ deleted: 1 }, 0]);
  });

  test("reports figures that can be counted in the file by hand", async ({ expect }) => {
    const late = flights.filter(({ delay }) => delay > 15);
    const lateFrom = (airport: string): number => late.filter(({ origin }) => origin === airport).length;
    expect([flights.length, late.length, lateFrom("LAS"), lateFrom("ORD")]).toEqual([2000, 427, 16, 22]);
    const fromLas = flights.filter(({ origin }) => origin === "LAS");
    expect([fromLas.length, Math.round((16 / fromLas.length) * 10_000) / 10_000]).toEqual([54, 0.2963]);
    expect(flights.reduce((sum, { delay }) => sum + delay, 0) / flights.length).toBe(6.7835);
  });

  test("takes the other branch if more is tolerable, and maps over fewer airports if more is asked of them", async ({
    expect,
  }) => {
    const { names, report } = await runAll({ ...DEFAULTS, tolerable_share: 0.5, min_flights: 100 });
    expect(names).toEqual(["ORD", "DFW"]);
    expect(report).toMatchObject({ airports: 2, alert: false, alertedAirports: [], worstAirport: "DFW" });
  });

  test("takes sensible params only", ({ expect }) => {
    const { params } = flightsEtl.spec;
    expect(resolveParams(params, {})).toEqual({ ok: true, params: DEFAULTS });
    expect(resolveParams(params, { min_flights: 0 }).ok).toBe(false);
    expect(resolveParams(params, { tolerable_share: "much" }).ok).toBe(false);
  });

  test("says what is missing if the staged file is gone", async ({ expect }) => {
    const run = { env: { PAYLOADS: new FakeBucket() } };
    await expect(runHandler("busy_airports", { key: "k", minFlights: 1 }, run)).rejects.toThrow(
      "expected the staged flights at k, got nothing there",
    );
  });
});

describe("github_events", () => {
  const deliveries = examples.flatMap(({ name, examples: bodies }) =>
    bodies.map((body, index) => ({ label: `${name} ${index}`, name, body })),
  );

  test("ignores pings", ({ expect }) => {
    expect(examples.find(({ name }) => name === "ping")?.examples.map((body) => confOf("ping", body))).toEqual([
      null,
      null,
      null,
      null,
    ]);
  });

  test("makes of every published delivery either a conf that fits its params, or nothing", ({ expect }) => {
    const refused: unknown[] = [];
    let runs = 0;
    for (const { label, name, body } of deliveries) {
      const conf = confOf(name, body);
      runs += conf === null ? 0 : 1;
      const resolved = conf === null ? null : resolveParams(githubEvents.spec.params, conf);
      if (resolved?.ok === false) {
        refused.push([label, resolved.errors]);
      }
      const belongsToRepository = "repository" in body && name !== "ping";
      expect([label, conf !== null]).toEqual([label, belongsToRepository]);
    }
    expect(refused).toEqual([]);
    expect(runs).toBeGreaterThan(200);
  });

  test("maps a push with its commits, an issue and a pull request", ({ expect }) => {
    const push = confOf(
      "push",
      example("push", (body) => "commits" in body && Array.isArray(body.commits) && body.commits.length > 0),
    );
    expect(push).toEqual({
      event: "push",
      action: null,
      repository: "Codertocat/Hello-World",
      sender: "Codertocat",
      subject: null,
      ref: "refs/heads/master",
      commits: [{ id: "6113728f27ae82c7b1a177c8d03f9e96e0adf246", title: "Initial commit", author: "Codertocat" }],
    });
    expect(confOf("issues", example("issues"))).toEqual({
      event: "issues",
      action: "edited",
      repository: "Codertocat/Hello-World",
      sender: "Codertocat",
      subject: {
        number: 1,
        title: "Spelling error in the README file",
        url: "https://github.com/Codertocat/Hello-World/issues/1",
      },
    });
    expect(confOf("pull_request", example("pull_request"))).toEqual({
      event: "pull_request",
      action: "opened",
      repository: "Codertocat/Hello-World",
      sender: "Codertocat",
      subject: {
        number: 2,
        title: "Update the README with new information.",
        url: "https://github.com/Codertocat/Hello-World/pull/2",
      },
    });
  });

  test("keeps at most 50 commits of a push", ({ expect }) => {
    const commits = Array.from({ length: 60 }, (_, i) => ({
      id: `${i}`,
      message: `m${i}\n\nbody`,
      author: { name: "A" },
    }));
    const conf = confOf("push", { repository: { full_name: "a/b" }, ref: "refs/heads/main", commits });
    expect(conf?.["commits"]).toHaveLength(50);
    expect(conf?.["commits"]).toContainEqual({ id: "0", title: "m0", author: "A" });
  });

  test.for([null, [], 3, "text", { repository: null }, { repository: { full_name: 7 } }])(
    "ignores a body that is no repository's event: %j",
    (body, { expect }) => {
      expect(confOf("push", body)).toBeNull();
    },
  );

  test("routes a push to the tasks of pushes, what has a subject to another, and the rest to a third", async ({
    expect,
  }) => {
    const subject = { number: 1, title: "t", url: null };
    expect(await runHandler("route_event", { event: "push", subject: null })).toEqual([
      "describe_commit",
      "summarise_push",
    ]);
    expect(await runHandler("route_event", { event: "issues", subject })).toBe("summarise_subject");
    expect(await runHandler("route_event", { event: "star", subject: null })).toBe("summarise_other");
    const ids = githubEvents.spec.tasks.map((one) => one.task_id);
    expect(ids).toEqual(
      expect.arrayContaining(["describe_commit", "summarise_push", "summarise_subject", "summarise_other"]),
    );
  });

  test("summarises a push", async ({ expect }) => {
    const commits = [
      { id: "a".repeat(40), title: "fix(api): answer 404", author: "ada" },
      { id: "b".repeat(40), title: "Tidy up", author: "bob" },
    ];
    const described = await Promise.all(commits.map((commit) => runHandler("describe_commit", { commit })));
    expect(described.map((one) => (one as { kind: string }).kind)).toEqual(["fix", "other"]);
    const input = { repository: "a/b", sender: "ada", ref: "refs/heads/main", commits: described };
    expect(await runHandler("summarise_push", input)).toEqual({
      headline: "ada pushed 2 commits to main of a/b",
      lines: ["aaaaaaa fix(api): answer 404 (fix, ada)", "bbbbbbb Tidy up (other, bob)"],
    });
    expect(await runHandler("summarise_push", { ...input, ref: null, sender: null, commits: null })).toEqual({
      headline: "somebody pushed 0 commits to an unknown ref of a/b",
      lines: [],
    });
  });

  test("summarises and publishes the rest", async ({ expect }) => {
    const about = { event: "pull_request", action: "opened", repository: "a/b", sender: "ada" };
    const subject = { number: 7, title: "Faster", url: "https://example.com/7" };
    const summary = await runHandler("summarise_subject", { ...about, subject });
    expect(summary).toEqual({
      headline: "ada: pull request #7 opened in a/b",
      lines: ["Faster", "https://example.com/7"],
    });
    expect(await runHandler("summarise_other", { ...about, event: "star", action: null })).toEqual({
      headline: "ada: star in a/b",
      lines: [],
    });
    expect(await runHandler("publish_summary", { summaries: [null, summary, null] })).toEqual(summary);
  });
});

describe("tasks by themselves", () => {
  test("hello greets", async ({ expect }) => {
    expect(await runHandler("hello", { name: "Ada" })).toEqual({ greeting: "Hello, Ada!" });
    expect(await runHandler("hello", null)).toEqual({ greeting: "Hello, world!" });
  });

  test("word_count counts in any script", async ({ expect }) => {
    const text = "The cat saw the dog; the dog didn't see Žluťoučký kůň.";
    expect(await runHandler("word_count", { text })).toEqual({
      words: 11,
      distinct: 8,
      top: [
        { word: "the", count: 3 },
        { word: "dog", count: 2 },
        { word: "cat", count: 1 },
        { word: "didn't", count: 1 },
        { word: "kůň", count: 1 },
      ],
    });
    expect(await runHandler("word_count", { text: "" })).toEqual({ words: 0, distinct: 0, top: [] });
  });

  test("countdown tells its progress to the end", async ({ expect }) => {
    const beats: unknown[] = [];
    expect(await runHandler("countdown", { seconds: 0.3 }, { beats })).toEqual({ counted: 0.3 });
    expect(beats).toEqual([
      { step: "1 s left", fraction: 0 },
      { step: "1 s left", fraction: 1 / 3 },
      { step: "1 s left", fraction: 2 / 3 },
      { step: "done", fraction: 1 },
    ]);
  });

  test("countdown stops as soon as it is told to", async ({ expect }) => {
    const stop = new AbortController();
    const beats: unknown[] = [];
    const counting = runHandler("countdown", { seconds: 3600 }, { signal: stop.signal, beats });
    stop.abort(new Error("killed"));
    await expect(counting).rejects.toThrow("killed");
    expect(beats).toHaveLength(1);
  });

  test("flaky fails as often as it is asked to", async ({ expect }) => {
    const payload = { failures: 2 };
    await expect(runHandler("flaky", payload, { tryNumber: 1 })).rejects.toThrow("try 1 of the 2 that fail");
    await expect(runHandler("flaky", payload, { tryNumber: 2 })).rejects.toThrow("try 2 of the 2 that fail");
    expect(await runHandler("flaky", payload, { tryNumber: 3 })).toEqual({ succeeded_on_try: 3 });
  });

  test("noop does nothing", async ({ expect }) => {
    expect(await runHandler("noop", { any: 1 })).toBeNull();
  });

  test.for<[string, unknown, string]>([
    ["hello", { name: 3 }, "expected text in payload.name, got 3"],
    ["word_count", null, "expected text in payload.text, got nothing"],
    ["word_count", { text: ["a"] }, 'expected text in payload.text, got ["a"]'],
    ["countdown", { seconds: -1 }, "expected a number from 0 to 3600 in payload.seconds, got -1"],
    ["countdown", { seconds: "9" }, 'expected a number from 0 to 3600 in payload.seconds, got "9"'],
    ["flaky", { failures: 1.5 }, "expected a whole number from 0 in payload.failures, got 1.5"],
  ])("%s refuses the payload %j for good", async ([name, payload, message], { expect }) => {
    const thrown: unknown = await runHandler(name, payload).catch((error: unknown) => error);
    expect(thrown instanceof Error && thrown.message).toBe(message);
    expect(classifyThrown(thrown)).toEqual({ kind: "non_retryable" });
  });
});
