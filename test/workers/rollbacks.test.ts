import { env } from "cloudflare:workers";
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { ulid } from "ulid";
import { describe, it } from "vitest";
import { CATALOG_MIGRATIONS } from "../../durable-objects/catalog.ts";
import { DAG_MIGRATIONS } from "../../durable-objects/dag/migrations.ts";
import { INTAKE_MIGRATIONS } from "../../durable-objects/intake/storage.ts";
import { JOB_LEDGER, JOB_MIGRATIONS } from "../../durable-objects/job-storage.ts";
import { LOGIN_GUARD_MIGRATIONS } from "../../durable-objects/login-guard.ts";
import { migrate, TABLE_LEDGER, type Ledger, type Migration } from "../../durable-objects/migrate.ts";
import { POOL_MIGRATIONS } from "../../durable-objects/pool-storage.ts";
import { RATE_LIMITER_MIGRATIONS } from "../../durable-objects/rate-limiter.ts";
import { ledgerName } from "../../src/engine/permits/names.ts";
import {
  adopt,
  beat,
  claimOne,
  deliver,
  drive,
  jobOf,
  newJobId,
  NO_LOGS,
  report,
  runOf,
  start,
  stopClock,
  stubOf,
  success,
  value,
  watchOf,
} from "./lab.ts";
import { mailbox } from "./mailbox.ts";
import { Owner, poolOf, poolStub, wish } from "./pool-support.ts";
import { addDag, ECHO, fresh, step } from "./registry.ts";

stopClock();

const OLDER = /this Worker is older than its data/;

/** An object as code that is newer left it, and what this code then does with it. */
interface Case {
  stub: DurableObjectStub;
  migrations: readonly Migration[];
  ledger?: Ledger;
  /** Reads of what was there before, and writes; fails if either does. */
  use: () => Promise<void>;
}

/** The steps that code of a later release would have: a table, and a column of each table that there is. */
function later(sql: SqlStorage, steps: readonly Migration[], isCompatible: boolean): Migration[] {
  const tables = sql
    .exec<{ name: string }>(
      `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'
         AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> 'schema_migrations'`,
    )
    .toArray();
  const next = (steps.at(-1)?.version ?? 0) + 1;
  return [
    ...steps,
    {
      version: next,
      compatible: true,
      statements: tables.map(({ name }) => `ALTER TABLE ${name} ADD COLUMN added_later TEXT`),
    },
    {
      version: next + 1,
      ...(isCompatible ? { compatible: true } : {}),
      statements: ["CREATE TABLE added_later (n INTEGER PRIMARY KEY) STRICT"],
    },
  ];
}

/** A later release wakes the object, writes its schema, and is taken back. */
async function wakeUnderLater({ stub, migrations, ledger = TABLE_LEDGER }: Case, isCompatible: boolean): Promise<void> {
  await runInDurableObject(stub, (_object, { storage }) => {
    migrate(storage, later(storage.sql, migrations, isCompatible), ledger);
  });
  await evictDurableObject(stub);
}

async function dagCase(): Promise<Case> {
  const dagId = addDag({}, (d) => void d.run(step("a")));
  const runId = await start(dagId);
  const use = async (): Promise<void> => {
    const run = await drive(dagId, runId, () => success(1));
    const second = await start(dagId);
    await report(dagId, await claimOne(dagId, second, "a"), success("large".repeat(1000)));
    const states = [run.state, (await runOf(dagId, second)).state];
    if (states.join(" ") !== "success success") {
      throw new Error(`expected both runs to succeed, got ${states.join(" ")}`);
    }
  };
  return { stub: stubOf("DAG", dagId), migrations: DAG_MIGRATIONS, use };
}

async function intakeCase(): Promise<Case> {
  const jobId = newJobId();
  const submit = (id: string) => jobOf(id).submit({ job_id: id, name: ECHO, payload: 1, runAt: null });
  value(await submit(jobId));
  const use = async (): Promise<void> => {
    const sibling = ulid().slice(0, -1) + jobId.slice(-1);
    value(await submit(sibling));
    for (const id of [jobId, sibling]) {
      // oxlint-disable-next-line no-await-in-loop
      await deliver(mailbox.takeOfJob(id));
      // oxlint-disable-next-line no-await-in-loop
      const { state } = value(await jobOf(id).get(0));
      if (state !== "success") {
        throw new Error(`expected a job that succeeded, got ${state}`);
      }
    }
  };
  return { stub: stubOf("INTAKE", jobId), migrations: INTAKE_MIGRATIONS, use };
}

async function jobCase(): Promise<Case> {
  const dagId = addDag({}, (d) => void d.run(step("a")));
  const runId = await start(dagId);
  const jobId = newJobId();
  const task = await claimOne(dagId, runId, "a");
  await adopt(dagId, jobId, task);
  const use = async (): Promise<void> => {
    const answer = await watchOf(jobId).beat(task.token, { fraction: 0.5 }, NO_LOGS);
    await beat(dagId, task, jobId);
    await watchOf(jobId).complete(task.token, "success", null);
    const { state } = value(await watchOf(jobId).get(0));
    if (answer.verdict !== "continue" || state !== "success") {
      throw new Error(`expected a job that succeeded, got ${answer.verdict}, ${state}`);
    }
  };
  return { stub: stubOf("JOB", jobId), migrations: JOB_MIGRATIONS, ledger: JOB_LEDGER, use };
}

async function catalogCase(): Promise<Case> {
  const catalog = env.CATALOG.getByName(fresh("catalog"));
  const [before, after] = [fresh("dag"), fresh("dag")];
  value(await catalog.add(before));
  const use = async (): Promise<void> => {
    value(await catalog.add(after));
    value(await catalog.addPool("later"));
    await catalog.expect("later", 1);
    const known = await catalog.list();
    if (!known.includes(before) || !known.includes(after)) {
      throw new Error(`expected both DAGs, got ${known.join(" ")}`);
    }
  };
  return { stub: catalog, migrations: CATALOG_MIGRATIONS, use };
}

async function poolCase(): Promise<Case> {
  const ledger = ledgerName("pool", fresh("pool"));
  value(await poolOf(ledger).configure({ slots: 1 }));
  const use = async (): Promise<void> => {
    value(await poolOf(ledger).configure({ slots: 2 }));
    const owner = new Owner(ledger);
    await owner.ask(wish("a"));
    await owner.release("a");
  };
  return { stub: poolStub(ledger), migrations: POOL_MIGRATIONS, use };
}

async function rateCase(): Promise<Case> {
  const limiter = env.RATE_LIMITER.getByName(fresh("rate"));
  const rule = { limit: 1, perMs: 1000 };
  await limiter.reserve(["a"], rule);
  return {
    stub: limiter,
    migrations: RATE_LIMITER_MIGRATIONS,
    use: async () => void (await limiter.reserve(["b"], rule)),
  };
}

async function guardCase(): Promise<Case> {
  const guard = env.LOGIN_GUARD.getByName(fresh("guard"));
  await guard.begin("ada", "home");
  const use = async (): Promise<void> => {
    await guard.begin("ada", "home");
    await guard.succeeded("ada", "home");
  };
  return { stub: guard, migrations: LOGIN_GUARD_MIGRATIONS, use };
}

const CASES = {
  Dag: dagCase,
  Intake: intakeCase,
  Job: jobCase,
  Catalog: catalogCase,
  Pool: poolCase,
  RateLimiter: rateCase,
  LoginGuard: guardCase,
};

describe("a rollback", () => {
  it("goes back over compatible steps to the last one that is not, and says what to do beyond it", async ({
    expect,
  }) => {
    const steps: Migration[] = [
      { version: 1, statements: ["CREATE TABLE a (n INTEGER) STRICT"] },
      { version: 2, statements: ["ALTER TABLE a ADD COLUMN b INTEGER NOT NULL DEFAULT 0"] },
      { version: 3, compatible: true, statements: ["ALTER TABLE a ADD COLUMN c INTEGER"] },
      { version: 4, compatible: true, statements: ["CREATE INDEX a_c ON a (c)"] },
    ];
    await runInDurableObject(env.DAG.getByName(fresh("rollback")), (_object, { storage }) => {
      migrate(storage, steps);
      expect(migrate(storage, steps.slice(0, 3))).toBe(4);
      expect(migrate(storage, steps.slice(0, 2))).toBe(4);
      expect(() => migrate(storage, steps.slice(0, 1))).toThrow(
        "expected a schema of at most version 1, found 4: this Worker is older than its data, which code of schema " +
          "version 2 or newer can use; deploy such a version of the Worker again, nothing was changed",
      );
    });
  });

  it("finds word in a ledger of before there was any, once the next step is applied", async ({ expect }) => {
    const steps: Migration[] = [
      { version: 1, statements: ["CREATE TABLE a (n INTEGER) STRICT"] },
      { version: 2, compatible: true, statements: ["ALTER TABLE a ADD COLUMN m INTEGER"] },
    ];
    await runInDurableObject(env.DAG.getByName(fresh("rollback")), (_object, { storage }) => {
      storage.sql.exec("CREATE TABLE a (n INTEGER) STRICT");
      storage.sql.exec("CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY) STRICT");
      storage.sql.exec("INSERT INTO schema_migrations (version) VALUES (1)");
      expect(TABLE_LEDGER.readableFrom(storage.sql)).toBe(1);
      expect(migrate(storage, steps)).toBe(1);
      expect(migrate(storage, steps.slice(0, 1))).toBe(2);
    });
  });

  for (const [name, make] of Object.entries(CASES)) {
    it(`leaves a ${name} object at work whose schema is newer by compatible steps alone`, async ({ expect }) => {
      const one = await make();
      await wakeUnderLater(one, true);
      await one.use();
      await runInDurableObject(one.stub, (_object, { storage }) => {
        // The newer code finds its schema as it left it.
        const steps = later(storage.sql, one.migrations, true);
        expect(migrate(storage, steps, one.ledger)).toBe(steps.at(-1)?.version);
      });
    });

    it(`makes a ${name} object refuse whose schema has a step that is not`, async ({ expect }) => {
      const one = await make();
      await wakeUnderLater(one, false);
      await expect(one.use()).rejects.toThrow(OLDER);
    });
  }
});
