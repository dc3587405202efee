/**
 * Values of task instances, by a user's word.
 *
 * @module
 */
import { ulid } from "ulid";
import type { Page, Result, XComPlace, XComQuery, XComView } from "../../src/engine/objects.ts";
import type { NodeInstance } from "../../src/engine/task-node.ts";
import type { StoredValue, TaskInstanceKey } from "../../src/engine/work.ts";
import { refuse } from "../../src/engine/result.ts";
import type { DagCore } from "./core.ts";
import type { LoadedRun } from "./run-book.ts";

/** What a handler returned stands under this key, beside its task instance: the machine knows of it. */
const RETURNED = "return_value";

/**
 * Characters of JSON that one answer may have. The platform sends messages of at most 32 MiB, in which a character takes
 * up to two bytes and every value a few more.
 */
export const MOST_CHARACTERS = 15 * 1024 * 1024;

/** Values of task instances, by a user's word. */
export class XComDesk {
  readonly #core: DagCore;

  constructor(core: DagCore) {
    this.#core = core;
  }

  list(query: XComQuery): Result<Page<XComView>> {
    return this.#core.open() ? { ok: true, value: this.#core.storage.xcoms.list(query) } : this.#core.unknown();
  }

  /** Values of all instances of a mapped task. */
  all(runId: string, taskId: string, xcomKey: string): Result<StoredValue[]> {
    const run = this.#core.find(runId);
    if (!run.ok) {
      return run;
    }
    const values: StoredValue[] = [];
    let characters = 0;
    for (const { value } of this.#core.storage.xcoms.eachValue(run.value.row.id, taskId, xcomKey)) {
      characters += ("json" in value ? value.json : value.r2).length;
      if (characters > MOST_CHARACTERS) {
        const expected = `expected values of at most ${MOST_CHARACTERS} characters of JSON together`;
        const advice = "ask for those of single instances by their map_index";
        return refuse("too_large", `${expected}, got more under "${xcomKey}" of "${taskId}": ${advice}`);
      }
      values.push(value);
    }
    return { ok: true, value: values };
  }

  /** Where values of a run lie that are too large for rows; see `DagObject.payloadPlace`. */
  place(runId: string, forXCom?: XComPlace): Result<string> {
    const core = this.#core;
    const run = forXCom === undefined ? core.find(runId) : this.#settable(forXCom);
    if (!run.ok) {
      return run;
    }
    const { row } = "run" in run.value ? run.value.run : run.value;
    const fresh = (): string => `xcom/${ulid()}/`;
    return { ok: true, value: core.act(Date.now(), () => core.storage.xcoms.payloads.place(row.id, fresh)) };
  }

  set(
    key: TaskInstanceKey,
    xcomKey: string,
    value: StoredValue,
    mapLength: number | null,
    mode: "create" | "update",
  ): Result<XComView> {
    const core = this.#core;
    const found = this.#settable({ key, xcom_key: xcomKey, map_length: mapLength, mode });
    if (!found.ok) {
      return found;
    }
    const { run, instance } = found.value;
    const now = Date.now();
    core.act(now, () => {
      if (xcomKey === RETURNED) {
        run.machine.setValue(instance, value, mapLength, now);
        core.store(run, now);
      } else {
        core.storage.xcoms.save(run.row.id, key, xcomKey, value, now);
      }
    });
    const [view] = core.storage.xcoms.list({ ...key, key: xcomKey, limit: 1, offset: 0 }).items;
    return view === undefined ? this.#missing(xcomKey) : { ok: true, value: view };
  }

  /** The task instance whose value can be set, or why it cannot. */
  #settable({
    key,
    xcom_key: xcomKey,
    map_length: mapLength,
    mode,
  }: XComPlace): Result<{ run: LoadedRun; instance: NodeInstance }> {
    const found = this.#find(key);
    if (!found.ok) {
      return found;
    }
    const { run, instance } = found.value;
    const isThere = this.#isThere(run, instance, xcomKey);
    if (isThere !== (mode === "update")) {
      const which = `The XCom with key: \`${xcomKey}\` with mentioned task instance`;
      return isThere ? refuse("conflict", `${which} already exists.`) : refuse("not_found", `${which} doesn't exist.`);
    }
    const { max_map_length: most } = run.version.spec;
    if (xcomKey === RETURNED && instance.node.task.feeds.length > 0 && (mapLength ?? 0) > most) {
      const expected = `expected at most ${most} elements (max_map_length), because a task is mapped over them`;
      return refuse("invalid", `${expected}, got ${mapLength}`, ["body", "value"]);
    }
    return found;
  }

  delete(key: TaskInstanceKey, xcomKey: string): Result<null> {
    const core = this.#core;
    const found = this.#find(key);
    if (!found.ok) {
      return found;
    }
    const { run, instance } = found.value;
    if (!this.#isThere(run, instance, xcomKey)) {
      return this.#missing(xcomKey);
    }
    const now = Date.now();
    core.act(now, () => {
      if (xcomKey === RETURNED) {
        run.machine.setValue(instance, null, null, now);
        core.store(run, now);
      } else {
        core.storage.xcoms.delete(run.row.id, key, xcomKey);
      }
    });
    return { ok: true, value: null };
  }

  /** A task instance, or in Airflow's words what there is not. */
  #find(key: TaskInstanceKey): Result<{ run: LoadedRun; instance: NodeInstance }> {
    const run = this.#core.find(key.run_id);
    if (run.ok && !run.value.machine.state.graph.byId.has(key.task_id)) {
      return refuse("not_found", `Task with ID: \`${key.task_id}\` not found in dag: \`${this.#core.name}\``);
    }
    return this.#core.instance(key);
  }

  #isThere(run: LoadedRun, { node, mapIndex }: NodeInstance, xcomKey: string): boolean {
    return this.#core.storage.xcoms.value(run.row.id, node.task.id, mapIndex, xcomKey) !== null;
  }

  #missing<T>(xcomKey: string): Result<T> {
    return refuse("not_found", `The XCom with key: \`${xcomKey}\` with mentioned task instance doesn't exist.`);
  }
}
