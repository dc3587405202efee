import { env } from "cloudflare:workers";
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { describe, it } from "vitest";
import { DAG_MIGRATIONS } from "../../durable-objects/dag/migrations.ts";
import { JOB_MIGRATIONS } from "../../durable-objects/job-storage.ts";
import { migrate, TABLE_LEDGER, type Migration } from "../../durable-objects/migrate.ts";
import {
  adopt,
  claimOne,
  dagOf,
  drive,
  jobOf,
  newJobId,
  rowsOf,
  start,
  stopClock,
  stubOf,
  success,
  value,
} from "./lab.ts";
import { addDag, ECHO, fresh, step } from "./registry.ts";

stopClock();

/** Steps that build on each other, so that an order that is wrong fails. */
const STEPS: Migration[] = [
  { version: 1, statements: ["CREATE TABLE a (n INTEGER) STRICT", "INSERT INTO a VALUES (1)"] },
  { version: 2, statements: ["ALTER TABLE a ADD COLUMN m INTEGER"] },
  { version: 3, statements: ["UPDATE a SET m = n + 1", "CREATE INDEX a_m ON a (m)"] },
];

/** Runs inside an object that no other test uses and that has no tables. */
function inEmptyObject<T>(act: (storage: DurableObjectStorage) => T): Promise<T> {
  return runInDurableObject(env.DAG.getByName(fresh("migrations")), (_object, state) => act(state.storage));
}

function schemaOf({ sql }: DurableObjectStorage): unknown[] {
  return sql
    .exec("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\' ORDER BY name")
    .toArray();
}

describe("migrations", () => {
  it("of every prefix lead to the same schema as all at once", async ({ expect }) => {
    const whole = await inEmptyObject((storage) => {
      migrate(storage, STEPS);
      return [schemaOf(storage), storage.sql.exec("SELECT * FROM a").toArray()];
    });
    for (let length = 0; length <= STEPS.length; length += 1) {
      const [found, after] = await inEmptyObject((storage) => {
        migrate(storage, STEPS.slice(0, length));
        return [migrate(storage, STEPS), [schemaOf(storage), storage.sql.exec("SELECT * FROM a").toArray()]];
      });
      expect(found).toBe(length);
      expect(after).toEqual(whole);
    }
  });

  it("of a Dag object apply, every prefix of them", async ({ expect }) => {
    const whole = await inEmptyObject((storage) => {
      migrate(storage, DAG_MIGRATIONS);
      return schemaOf(storage);
    });
    for (let length = 0; length <= DAG_MIGRATIONS.length; length += 1) {
      const schema = await inEmptyObject((storage) => {
        migrate(storage, DAG_MIGRATIONS.slice(0, length));
        migrate(storage, DAG_MIGRATIONS);
        return schemaOf(storage);
      });
      expect(schema).toEqual(whole);
    }
    const versions = DAG_MIGRATIONS.map(({ version }) => version);
    expect(versions).toEqual(versions.map((_, index) => index + 1));
  });

  it("that are all applied do nothing when they run again", async ({ expect }) => {
    const [before, found, after] = await inEmptyObject((storage) => {
      migrate(storage, STEPS);
      const rows = (): unknown => [schemaOf(storage), storage.sql.exec("SELECT * FROM schema_migrations").toArray()];
      return [rows(), migrate(storage, STEPS), rows()];
    });
    expect(found).toBe(3);
    expect(after).toEqual(before);
  });

  it("refuse a schema that is newer than they are, and touch nothing", async ({ expect }) => {
    await inEmptyObject((storage) => {
      migrate(storage, STEPS);
      const before = schemaOf(storage);
      expect(() => migrate(storage, STEPS.slice(0, 2))).toThrow(/at most version 2, found 3/);
      expect(schemaOf(storage)).toEqual(before);
    });
  });

  it("leave nothing of a step behind that fails, and keep the steps before it", async ({ expect }) => {
    await inEmptyObject((storage) => {
      const broken = {
        version: 2,
        statements: ["CREATE TABLE b (n INTEGER) STRICT", "INSERT INTO nowhere VALUES (1)"],
      };
      expect(() => migrate(storage, [...STEPS.slice(0, 1), broken])).toThrow(/nowhere/);
      expect(storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'b'").toArray()).toEqual([]);
      expect(TABLE_LEDGER.read(storage.sql)).toBe(1);
      expect(migrate(storage, STEPS)).toBe(1);
      expect(storage.sql.exec("SELECT * FROM a").toArray()).toEqual([{ n: 1, m: 2 }]);
    });
  });

  it("make a Dag object of a newer Worker refuse an older one, and serve the newer again", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("a")));
    const runId = await start(dagId);
    await newer(stubOf("DAG", dagId), "INSERT INTO schema_migrations (version) VALUES (1000)");
    expect(await failureOf(() => dagOf(dagId).describe())).toContain("this Worker is older than its data");
    await newer(stubOf("DAG", dagId), "DELETE FROM schema_migrations WHERE version = 1000");
    expect(await drive(dagId, runId, () => success())).toMatchObject({ state: "success" });
  });

  it("make an intake object of a newer Worker refuse an older one, and serve the newer again", async ({ expect }) => {
    const jobId = newJobId();
    value(await jobOf(jobId).submit({ job_id: jobId, name: ECHO, payload: null, runAt: null }));
    await newer(stubOf("INTAKE", jobId), "INSERT INTO schema_migrations (version) VALUES (1000)");
    expect(await failureOf(() => jobOf(jobId).get(0))).toContain("this Worker is older than its data");
    await newer(stubOf("INTAKE", jobId), "DELETE FROM schema_migrations WHERE version = 1000");
    expect(value(await jobOf(jobId).get(0))).toMatchObject({ state: "queued" });
  });

  it("make a Job object of a newer Worker refuse an older one, and serve the newer again", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("a")));
    const runId = await start(dagId);
    const jobId = newJobId();
    await adopt(dagId, jobId, await claimOne(dagId, runId, "a"));
    const [version] = await rowsOf(stubOf("JOB", jobId), "SELECT schema_version FROM job");
    const columns = await rowsOf(stubOf("JOB", jobId), "SELECT name FROM pragma_table_info('job') ORDER BY name");
    const migrated = await inEmptyObject((storage) => {
      JOB_MIGRATIONS.flatMap(({ statements }) => statements).forEach((statement) => storage.sql.exec(statement));
      return storage.sql.exec("SELECT name FROM pragma_table_info('job') ORDER BY name").toArray();
    });
    expect(columns).toEqual(migrated);
    await newer(stubOf("JOB", jobId), "UPDATE job SET schema_version = 1000, readable_from = 1000");
    expect(await failureOf(() => jobOf(jobId).get(0))).toContain("this Worker is older than its data");
    await newer(stubOf("JOB", jobId), `UPDATE job SET schema_version = ${Number(version?.["schema_version"])}`);
    expect(value(await jobOf(jobId).get(0))).toMatchObject({ state: "running" });
  });
});

/** Changes what an object's tables say of their version, and lets it wake anew. */
async function newer(stub: DurableObjectStub, statement: string): Promise<void> {
  await runInDurableObject(stub, (_object, state) => void state.storage.sql.exec(statement));
  await evictDurableObject(stub);
}

/** The message a call fails with; empty if it does not fail. */
async function failureOf(call: () => Promise<unknown>): Promise<string> {
  try {
    await call();
    return "";
  } catch (error) {
    return String(error);
  }
}
