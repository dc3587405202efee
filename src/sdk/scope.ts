/**
 * The `d` of `dag()` and the `g` of a group: where tasks are wired.
 *
 * @module
 */
import type { ExpandSpec, Json } from "../engine/spec.ts";
import type { DagBuilder } from "./builder.ts";
import type { Elements, Returned } from "./json.ts";
import { GroupNode, RECORD, TaskNode, WIRING, collect } from "./nodes.ts";
import type { Collected, GroupRecord } from "./nodes.ts";
import type { ParamRefs, ParamShape } from "./params.ts";
import { MapRef, ParamRef, RunRef } from "./refs.ts";
import type { Input } from "./refs.ts";
import { compileExpand, compileExpandKwargs } from "./sources.ts";
import type { AnySource, ElementOf, Source } from "./sources.ts";
import { taskFields } from "./task-fields.ts";
import type { TaskDefinition, TaskOptions, AnyTaskDefinition } from "./task.ts";
import { compileTemplate } from "./template.ts";
import type { TemplatePlace } from "./template.ts";

/** Options of a task where it is used: its own, overridden. */
export interface RunOptions extends TaskOptions {
  /** Id of the task in this DAG; the task's own unless given. */
  id?: string;
}

/** Options of a group. */
export interface GroupOptions {
  tooltip?: string;
  /** Ids of members begin with the group's id and a dot; true unless given. */
  prefixGroupId?: boolean;
}

/** A task, a group, or several of them. */
export type Wirable = TaskNode<unknown> | GroupNode<unknown> | readonly Wirable[];

/** Nothing may be given to a task that takes no input. */
type NoInput = { readonly [key: string]: never };

/** True for an object without required fields. */
type MayBeEmpty<T> = [T] extends [object] ? (Partial<T> extends T ? true : false) : false;

/** The arguments after the task: the input may be left out where the task can do without. */
export type RunArgs<In> = unknown extends In
  ? [inputs?: NoInput, options?: RunOptions]
  : MayBeEmpty<In> extends true
    ? [inputs?: Input<In>, options?: RunOptions]
    : [inputs: Input<In>, options?: RunOptions];

/** The arguments after the lists: what no list gives must come as `partial`. */
export type ExpandArgs<Rest> =
  MayBeEmpty<Rest> extends true
    ? [options?: RunOptions & { partial?: Input<Rest> }]
    : [options: RunOptions & { partial: Input<Rest> }];

/** The element of a mapped group: a reference for each keyword. */
export type ElementRefs<L> = { readonly [K in keyof L]: MapRef<ElementOf<L[K]>> };

/** Fields of the run, as references. Dates are ISO 8601 text. */
export interface RunRefs {
  readonly runId: RunRef<string>;
  readonly dagId: RunRef<string>;
  readonly logicalDate: RunRef<string | null>;
  readonly dataIntervalStart: RunRef<string | null>;
  readonly dataIntervalEnd: RunRef<string | null>;
  readonly conf: RunRef<Record<string, Json>>;
}

/** Wires tasks into a DAG, or into one of its groups. */
export class Scope<P extends ParamShape> {
  /** The params of the run. */
  readonly params: ParamRefs<P>;
  /** The run itself. */
  readonly dagRun: RunRefs;
  readonly #builder: DagBuilder;
  readonly #shape: P;
  readonly #group: GroupRecord | null;
  readonly #mappedGroup: string | null;

  constructor(builder: DagBuilder, shape: P, group: GroupRecord | null, mappedGroup: string | null) {
    this.#builder = builder;
    this.#shape = shape;
    this.#group = group;
    this.#mappedGroup = mappedGroup;
    this.params = paramRefs(builder, shape);
    this.dagRun = runRefs(builder);
  }

  /** Uses a task once. What it is given makes the edges; gives back a reference to what it returns. */
  run<In, Out>(task: TaskDefinition<In, Out>, ...[inputs, options = {}]: RunArgs<In>): TaskNode<Returned<Out>> {
    const taskId = this.#childId(options.id ?? task.id);
    const input = inputs === undefined ? undefined : compileTemplate(inputs, "input", this.#placeOf(taskId));
    return this.#add(task, taskId, options, input, undefined);
  }

  /**
   * Uses a task once for each combination of the elements of some lists, the last list varying fastest. The number may be
   * known only at run time. Gives back a reference to the list of all results; one that returns null is not in it.
   *
   * @example
   * d.expand(clean, { row: rows }, { partial: { strict: true } });
   */
  expand<In, Out, K extends keyof In & string>(
    task: TaskDefinition<In, Out>,
    lists: { readonly [N in K]: Source<In[N]> },
    ...[options = {}]: ExpandArgs<Omit<In, K>>
  ): TaskNode<Elements<Out>> {
    const { partial, ...rest } = options;
    return this.#addMapped(task, rest, partial, Object.keys(lists), (place) => compileExpand(lists, place));
  }

  /**
   * Uses a task once for each object of one list, which is its whole input; or, with `keys`, gives it these fields of the
   * object beside a common part.
   */
  expandKwargs<In, Out>(task: TaskDefinition<In, Out>, list: Source<In>, options?: RunOptions): TaskNode<Elements<Out>>;
  expandKwargs<In, Out, K extends keyof In & string>(
    task: TaskDefinition<In, Out>,
    list: Source<Pick<In, K>>,
    options: RunOptions & { keys: readonly K[]; partial: Input<Omit<In, K>> },
  ): TaskNode<Elements<Out>>;
  expandKwargs(
    task: AnyTaskDefinition,
    list: unknown,
    options: RunOptions & { keys?: readonly string[]; partial?: unknown } = {},
  ): TaskNode<unknown[]> {
    const { keys, partial, ...rest } = options;
    return this.#addMapped(task, rest, partial, keys ?? null, (place) => compileExpandKwargs(list, place));
  }

  /** Puts tasks into a group. The group's id comes before theirs, and edges may be drawn to the whole of it. */
  group<R>(id: string, options: GroupOptions, body: (g: Scope<P>) => R): GroupNode<R> {
    const record = this.#addGroup(id, options, undefined);
    return new GroupNode(this.#builder, record, body(this.#inside(record, this.#mappedGroup)));
  }

  /**
   * Maps a group of tasks over lists: each element goes through all of them by itself. The group's `result` is what the
   * function returned, with the list of all values in the place of each task.
   *
   * @example
   * const cleaned = d.expandGroup("per_row", { row: rows }, (g, { row }) => g.run(clean, { row: g.run(parse, { row }) }));
   * d.run(load, { rows: cleaned.result });
   */
  expandGroup<const L extends Readonly<Record<string, AnySource>>, R>(
    id: string,
    lists: L,
    body: (g: Scope<P>, element: ElementRefs<L>) => R,
    options: GroupOptions = {},
  ): GroupNode<Collected<R>> {
    const record = this.#addGroup(id, options, (place) => compileExpand(lists, place));
    const keywords = Object.keys(lists).map((keyword) => [
      keyword,
      new MapRef(this.#builder, { $ref: "map", path: [keyword] }, record.groupId),
    ]);
    return this.#mappedGroupNode(record, (g) => body(g, Object.fromEntries(keywords) as ElementRefs<L>));
  }

  /** As {@link expandGroup}, over one list of objects. */
  expandGroupKwargs<const S extends AnySource, R>(
    id: string,
    list: S,
    body: (g: Scope<P>, element: MapRef<ElementOf<S>>) => R,
    options: GroupOptions = {},
  ): GroupNode<Collected<R>> {
    const record = this.#addGroup(id, options, (place) => compileExpandKwargs(list, place));
    return this.#mappedGroupNode(record, (g) => body(g, new MapRef(this.#builder, { $ref: "map" }, record.groupId)));
  }

  /** Lets `later` wait for `earlier`, for edges that no data makes. A group waits with its first tasks, and is waited for by its last. */
  after(earlier: Wirable, later: Wirable): void {
    for (const from of this.#members(earlier)) {
      for (const to of this.#members(later)) {
        this.#builder.addEdge(from[RECORD], to[RECORD]);
      }
    }
  }

  #members(wirable: Wirable): (TaskNode<unknown> | GroupNode<unknown>)[] {
    if (!(wirable instanceof TaskNode) && !(wirable instanceof GroupNode)) {
      return wirable.flatMap((part) => this.#members(part));
    }
    if (wirable[WIRING] !== this.#builder) {
      const id = wirable instanceof TaskNode ? wirable.taskId : wirable.groupId;
      this.#builder.report("after", `expected tasks and groups of this DAG, got "${id}" of another one`);
      return [];
    }
    return [wirable];
  }

  #addMapped(
    task: AnyTaskDefinition,
    options: RunOptions,
    partial: unknown,
    keys: readonly string[] | null,
    compileExpansion: (place: TemplatePlace) => ExpandSpec,
  ): TaskNode<never> {
    const taskId = this.#childId(options.id ?? task.id);
    const place = this.#placeOf(taskId);
    const fixed = partial === undefined ? {} : compileTemplate(partial, "partial", place);
    const mapped = (keys ?? []).map((key): [string, Json] => [key, { $ref: "map", path: [key] }]);
    const input = keys === null ? { $ref: "map" } : { ...asObject(fixed), ...Object.fromEntries(mapped) };
    return this.#add(task, taskId, options, input, compileExpansion(place));
  }

  #add(
    definition: AnyTaskDefinition,
    taskId: string,
    overrides: RunOptions,
    input: Json | undefined,
    expand: ExpandSpec | undefined,
  ): TaskNode<never> {
    const fields = taskFields({ ...definition.options, ...overrides }, (option, message) =>
      this.#builder.report(`task "${taskId}", ${option}`, message),
    );
    const record = {
      taskId,
      definition,
      fields,
      input,
      expand,
      group: this.#group,
      isSetup: false,
      isTeardown: false,
      onFailureFailDagrun: false,
    };
    this.#builder.addNode(record);
    return new TaskNode<never>(this.#builder, record, this.#mappedGroup);
  }

  #addGroup(id: string, options: GroupOptions, expansion?: (place: TemplatePlace) => ExpandSpec): GroupRecord {
    const groupId = this.#childId(id);
    const place = this.#place(`group "${groupId}"`);
    const record: GroupRecord = {
      groupId,
      parent: this.#group,
      prefix: options.prefixGroupId ?? true,
      tooltip: options.tooltip,
      expand: expansion?.(place),
    };
    this.#builder.addGroup(record);
    return record;
  }

  #mappedGroupNode<R>(record: GroupRecord, body: (g: Scope<P>) => R): GroupNode<Collected<R>> {
    const result = body(this.#inside(record, record.groupId));
    const collected = collect(result, this.#builder, `group "${record.groupId}", result`);
    return new GroupNode(this.#builder, record, collected as Collected<R>);
  }

  #inside(group: GroupRecord, mappedGroup: string | null): Scope<P> {
    return new Scope(this.#builder, this.#shape, group, mappedGroup);
  }

  #childId(id: string): string {
    return this.#group?.prefix === true ? `${this.#group.groupId}.${id}` : id;
  }

  #placeOf(taskId: string): TemplatePlace {
    return this.#place(`task "${taskId}"`);
  }

  #place(whose: string): TemplatePlace {
    return {
      owner: this.#builder,
      mappedGroup: this.#mappedGroup,
      report: (where, message) => this.#builder.report(`${whose}, ${where}`, message),
    };
  }
}

function paramRefs<P extends ParamShape>(owner: object, shape: P): ParamRefs<P> {
  const refs = Object.keys(shape).map((name) => [name, new ParamRef(owner, { $ref: "params", path: [name] }, null)]);
  return Object.fromEntries(refs) as ParamRefs<P>;
}

function runRefs(owner: object): RunRefs {
  return {
    runId: new RunRef(owner, { $ref: "run", field: "run_id" }, null),
    dagId: new RunRef(owner, { $ref: "run", field: "dag_id" }, null),
    logicalDate: new RunRef(owner, { $ref: "run", field: "logical_date" }, null),
    dataIntervalStart: new RunRef(owner, { $ref: "run", field: "data_interval_start" }, null),
    dataIntervalEnd: new RunRef(owner, { $ref: "run", field: "data_interval_end" }, null),
    conf: new RunRef(owner, { $ref: "run", field: "conf" }, null),
  };
}

function asObject(value: Json): Record<string, Json> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
}
