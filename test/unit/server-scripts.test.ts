import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, onTestFinished, test } from "vitest";
import { median, percentile, rounded } from "../../bench/statistics.ts";
import { freePort, isPortFree } from "../../scripts/ports.ts";
import { childrenOf, commandOf, findRuntime, isAlive, killAndWait, residentBytes } from "../../scripts/processes.ts";
import { developmentKey, openStateFolder } from "../../scripts/state-folder.ts";
import { describeGarbledFiles, explainStartFailure } from "../../scripts/state-trouble.ts";
import { eventually } from "../support/waiting.ts";

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "jobbers-unit-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A process whose command is that of a runtime. */
async function startLookalike(folder: string): Promise<number> {
  writeFileSync(join(folder, "serve"), 'process.stdout.write("up"); process.stdin.resume();');
  const child = spawn(process.execPath, ["serve", "-"], { cwd: folder, argv0: "workerd" });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  await once(child.stdout, "data");
  return child.pid ?? 0;
}

describe("the state folder", () => {
  test("is used by one server at a time", async ({ expect }) => {
    const path = temporaryFolder();
    const first = await openStateFolder(path);
    await expect(openStateFolder(path)).rejects.toThrow(/is used by another server/);
    first.release();
    const second = await openStateFolder(path);
    second.release();
  });

  test("keeps one development key, which only its owner can read", ({ expect }) => {
    const path = temporaryFolder();
    const key = developmentKey(path);
    expect(key).toMatch(/^jobbers_dev_[\w-]{32}$/);
    expect(developmentKey(path)).toBe(key);
    expect(statSync(join(path, "api-key")).mode & 0o777).toBe(0o600);
  });

  test("says which file is garbled if its lock is", async ({ expect }) => {
    const path = temporaryFolder();
    const file = join(path, "lock.sqlite");
    writeFileSync(file, randomBytes(4096));
    await expect(openStateFolder(path)).rejects.toThrow(`${file} is garbled: it holds nothing, so delete it`);
    rmSync(file);
    const folder = await openStateFolder(path);
    folder.release();
    expect(folder.path).toBe(path);
  });

  test("says that its lock cannot be opened, and why, if it is none of these", async ({ expect }) => {
    const path = temporaryFolder();
    const file = join(path, "lock.sqlite");
    mkdirSync(file);
    await expect(openStateFolder(path)).rejects.toThrow(`${file} cannot be opened: unable to open database file`);
  });

  test("is closed to others, also if it was open before", async ({ expect }) => {
    const path = temporaryFolder();
    chmodSync(path, 0o755);
    const folder = await openStateFolder(path);
    folder.release();
    expect(statSync(path).mode & 0o777).toBe(0o700);
  });

  test("does not end a process that took the id of a runtime that is gone", async ({ expect }) => {
    const path = temporaryFolder();
    const first = await openStateFolder(path);
    first.noteRuntime(process.pid);
    first.release();
    const second = await openStateFolder(path);
    second.release();
    expect(isAlive(process.pid)).toBe(true);
  });

  test("ends a runtime that was left behind, and no later one with the same id", async ({ expect }) => {
    const path = temporaryFolder();
    const pid = await startLookalike(path);
    const first = await openStateFolder(path);
    first.noteRuntime(pid);
    first.release();
    const record = readFileSync(join(path, "runtime.json"), "utf8");

    writeFileSync(join(path, "runtime.json"), record.replace(/"started_at":"/, '"started_at":"earlier '));
    const second = await openStateFolder(path);
    second.release();
    expect(isAlive(pid)).toBe(true);

    writeFileSync(join(path, "runtime.json"), record);
    const third = await openStateFolder(path);
    third.release();
    expect(isAlive(pid)).toBe(false);
  });

  test("opens though the record of its runtime is garbled", async ({ expect }) => {
    const path = temporaryFolder();
    writeFileSync(join(path, "runtime.json"), '{"pid": 1');
    const folder = await openStateFolder(path);
    folder.release();
    expect(folder.path).toBe(path);
  });
});

describe("the databases of a state folder", () => {
  test("are named if they are garbled or damaged, and not if they are empty or sound", ({ expect }) => {
    const path = temporaryFolder();
    expect(describeGarbledFiles(path)).toBeNull();
    const sound = new DatabaseSync(join(path, "metadata.sqlite"));
    sound.exec("CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(20000))");
    sound.close();
    writeFileSync(join(path, "empty.sqlite"), "");
    expect(describeGarbledFiles(path)).toBeNull();

    mkdirSync(join(path, "damaged"));
    const damaged = readFileSync(join(path, "metadata.sqlite"));
    writeFileSync(join(path, "damaged", "metadata.sqlite"), damaged.fill(255, 4096));
    expect(describeGarbledFiles(path)).toMatch(/damaged\/metadata\.sqlite is garbled.*sweep/);

    writeFileSync(join(path, "object.sqlite"), randomBytes(100));
    expect(describeGarbledFiles(path)).toMatch(/object\.sqlite.* are garbled.*restore it from a copy/);
  });
});

describe("a start that fails", () => {
  test("names the garbled file if the runtime met one, and says what it said if not", ({ expect }) => {
    const path = temporaryFolder();
    const file = join(path, "metadata.sqlite");
    writeFileSync(file, randomBytes(100));
    const met = new Error("SQLite failed; file is not a database: SQLITE_NOTADB");
    expect(explainStartFailure(met, path).message).toContain(`${file} is garbled`);
    expect(explainStartFailure(new Error("no such binding"), path).message).toBe("no such binding");
  });
});

describe("ports", () => {
  test("a port is free until somebody listens on it", async ({ expect }) => {
    const port = await freePort("127.0.0.1");
    expect(await isPortFree("127.0.0.1", port)).toBe(true);
    const server = createServer();
    await new Promise<void>((resolve) => {
      server.listen(port, "127.0.0.1", resolve);
    });
    onTestFinished(() => {
      server.close();
    });
    expect(await isPortFree("127.0.0.1", port)).toBe(false);
  });
});

describe("processes", () => {
  test("this one is alive, has a command, memory, and is its parent's child", ({ expect }) => {
    expect(isAlive(process.pid)).toBe(true);
    expect(commandOf(process.pid)).toMatch(/node/);
    expect(residentBytes(process.pid)).toBeGreaterThan(1e6);
    expect(childrenOf(process.ppid)).toContain(process.pid);
    expect(findRuntime(process.pid)).toBeNull();
  });
});

/** A process whose first thread ends while another one holds a port, which it writes before. */
const HALF_ENDED = `
import ctypes, platform, socket, threading, time
held = socket.socket()
held.bind(("127.0.0.1", 0))
held.listen()
threading.Thread(target=lambda: time.sleep(60)).start()
print(held.getsockname()[1], flush=True)
ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)
`;
const HAS_PYTHON = process.platform === "linux" && spawnSync("python3", ["--version"]).status === 0;

describe.runIf(HAS_PYTHON)("a process whose first thread has ended", () => {
  test("is alive as long as another one may hold its port, and is waited for", async ({ expect }) => {
    const child = spawn("python3", ["-c", HALF_ENDED]);
    onTestFinished(() => {
      child.kill("SIGKILL");
    });
    const pid = child.pid ?? 0;
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    const port = Number(line.toString());
    await eventually("the first thread to end", async () =>
      readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ") ? true : null,
    );
    expect([isAlive(pid), await isPortFree("127.0.0.1", port)]).toEqual([true, false]);
    await killAndWait(pid);
    expect([isAlive(pid), await isPortFree("127.0.0.1", port)]).toEqual([false, true]);
  });
});

describe("the figures' statistics", () => {
  test("the median is the middle value, or the mean of the two middle ones", ({ expect }) => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(() => median([])).toThrow(/at least one measurement/);
  });

  test("a percentile is the nearest rank", ({ expect }) => {
    const values = Array.from({ length: 100 }, (_, index) => index + 1);
    expect(percentile(values, 0.5)).toBe(50);
    expect(percentile(values, 0.95)).toBe(95);
    expect(percentile([7], 0.95)).toBe(7);
  });

  test("figures keep three digits, or whole numbers from a thousand on", ({ expect }) => {
    expect(rounded(0.123_45)).toBe(0.123);
    expect(rounded(12_345.6)).toBe(12_346);
  });
});
