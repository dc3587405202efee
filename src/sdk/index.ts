/**
 * What an author of tasks and DAGs imports.
 *
 * @module
 */
export { createTaskContext } from "./context.ts";
export type { DagRunInfo, TaskContext, TaskContextParts, TaskLog, XComRequest } from "./context.ts";
export { DagDefinitionError, dag } from "./dag.ts";
export type { DagDefinition, DagOptions } from "./dag.ts";
export type { Duration, DurationUnit } from "./duration.ts";
export { NonRetryableError, RescheduleError, RetryableError, SkipError, classifyThrown } from "./errors.ts";
export type { RescheduleTime, ThrownKind } from "./errors.ts";
export type { Elements, Jsonified, Returned } from "./json.ts";
export type { Collected, GroupNode, TaskNode, TeardownOptions } from "./nodes.ts";
export { param } from "./params.ts";
export type { NoParams, ParamDefinition, ParamOptions, ParamRefs, ParamShape } from "./params.ts";
export type { Input, MapRef, ParamRef, Ref, RunRef, XComFieldRef, XComRef } from "./refs.ts";
export { limitsOf } from "./limits.ts";
export { createRegistry, taskSpecOf } from "./registry.ts";
export type { Registry } from "./registry.ts";
export type { GroupOptions, RunOptions, RunRefs, Scope, Wirable } from "./scope.ts";
export { concat, zip, zipLongest } from "./sources.ts";
export type { AnySource, CombinedSource, ElementOf, Source } from "./sources.ts";
export { branch, empty, latestOnly, shortCircuit, task } from "./task.ts";
export type {
  AnyTaskDefinition,
  BranchAnswer,
  BuiltInOptions,
  ConcurrencyLimit,
  NamedTaskOptions,
  QueueOption,
  RateLimit,
  ShortCircuitOptions,
  TaskDefinition,
  TaskHandler,
  TaskLimits,
  TaskOptions,
} from "./task.ts";
export type { ToConf, WebhookEvent, WebhookOptions } from "./webhook.ts";
export type { Json, TriggerRule } from "../engine/spec.ts";
export type { Progress } from "../engine/work.ts";
