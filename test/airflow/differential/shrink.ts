/**
 * Makes a scenario that shows a difference smaller while it still shows one.
 *
 * @module
 */
import type { TaskInput } from "./generate.ts";
import type { Action, Scenario } from "./scenario.ts";

/** Attempts a shrinking makes at most. */
const MOST_ATTEMPTS = 150;

/** The smallest scenario found for which `differs` holds; `scenario` itself if nothing can go. */
export async function shrink(scenario: Scenario, differs: (smaller: Scenario) => Promise<boolean>): Promise<Scenario> {
  let smallest = scenario;
  let attempts = 0;
  for (let again = true; again;) {
    again = false;
    for (const smaller of smallerOnes(smallest)) {
      attempts += 1;
      if (attempts > MOST_ATTEMPTS) {
        return smallest;
      }
      if (await differs(smaller)) {
        smallest = smaller;
        again = true;
        break;
      }
    }
  }
  return smallest;
}

/** Scenarios with one thing less, the largest steps first. */
function* smallerOnes(scenario: Scenario): Generator<Scenario> {
  const { spec, phases, runs } = scenario;
  for (let phase = phases.length - 1; phase > 0; phase -= 1) {
    yield { ...scenario, phases: phases.filter((_, place) => place !== phase) };
  }
  for (const [phase, { actions }] of phases.entries()) {
    for (const action of actions.length > 1 ? actions : []) {
      const left = { actions: actions.filter((one) => one !== action) };
      yield { ...scenario, phases: phases.map((one, place) => (place === phase ? left : one)) };
    }
  }
  for (const task of spec.tasks.length > 1 ? spec.tasks : []) {
    const smaller = withoutTask(scenario, task.task_id);
    if (smaller !== null) {
      yield smaller;
    }
  }
  if (runs.length > 1) {
    yield { ...scenario, runs: runs.slice(1) };
  }
  for (const group of spec.task_groups ?? []) {
    yield withoutGroup(scenario, group.group_id);
  }
  for (const task of spec.tasks) {
    for (const field of ["expand", "operator", "retries", "trigger_rule", "is_setup", "is_teardown"] as const) {
      if (task[field] !== undefined) {
        yield changed(scenario, task, without(task, field));
      }
    }
    for (const upstream of task.upstream_task_ids ?? []) {
      const left = (task.upstream_task_ids ?? []).filter((id) => id !== upstream);
      yield changed(scenario, task, { ...task, upstream_task_ids: left });
    }
  }
  for (const [phase, { actions }] of phases.entries()) {
    for (const action of actions) {
      for (const field of Object.keys(action.body).filter((name) => name.startsWith("include_"))) {
        const body = Object.fromEntries(Object.entries(action.body).filter(([name]) => name !== field));
        const left = { actions: actions.map((one) => (one === action ? { ...one, body } : one)) };
        yield { ...scenario, phases: phases.map((one, place) => (place === phase ? left : one)) };
      }
    }
  }
  for (const [name, tries] of Object.entries(scenario.outcomes)) {
    if (name.endsWith("]")) {
      const outcomes = Object.fromEntries(Object.entries(scenario.outcomes).filter(([other]) => other !== name));
      yield { ...scenario, outcomes };
    } else if (tries.length > 1) {
      yield { ...scenario, outcomes: { ...scenario.outcomes, [name]: tries.slice(0, -1) } };
    }
  }
}

function without(task: TaskInput, field: keyof TaskInput): TaskInput {
  const left: TaskInput = { ...task };
  delete left[field];
  if (field === "is_teardown") {
    delete left.on_failure_fail_dagrun;
  }
  if (field === "operator") {
    left.handler = "task";
    delete left.ignore_downstream_trigger_rules;
  }
  return left;
}

function changed(scenario: Scenario, task: TaskInput, to: TaskInput): Scenario {
  const tasks = scenario.spec.tasks.map((one) => (one === task ? to : one));
  return { ...scenario, spec: { ...scenario.spec, tasks } };
}

/** What was below the task is then below what was above it. Null if an action is about nothing else. */
function withoutTask(scenario: Scenario, taskId: string): Scenario | null {
  const phases = scenario.phases.map(({ actions }) => ({ actions: actions.map((one) => withoutMarker(one, taskId)) }));
  if (phases.some(({ actions }) => actions.includes(null))) {
    return null;
  }
  const gone = scenario.spec.tasks.find((task) => task.task_id === taskId);
  const above = gone?.upstream_task_ids ?? [];
  const tasks = scenario.spec.tasks
    .filter((task) => task.task_id !== taskId)
    .map((task) => {
      const upstream = task.upstream_task_ids ?? [];
      return upstream.includes(taskId)
        ? { ...task, upstream_task_ids: [...new Set([...upstream.filter((id) => id !== taskId), ...above])] }
        : task;
    });
  const groups = (scenario.spec.task_groups ?? []).filter((group) =>
    tasks.some((task) => task.task_group_id === group.group_id),
  );
  return {
    ...scenario,
    spec: { ...scenario.spec, tasks, task_groups: groups },
    phases: phases.map(({ actions }) => ({ actions: actions.filter((one) => one !== null) })),
  };
}

/** The action without what it says of the task; null if that is all it is about. */
function withoutMarker(action: Action, taskId: string): Action | null {
  if (action.path.includes(`/taskInstances/${taskId}/`) || action.path.endsWith(`/taskInstances/${taskId}`)) {
    return null;
  }
  const markers = action.body["task_ids"];
  if (!Array.isArray(markers)) {
    return action;
  }
  const left = markers.filter((marker) => (Array.isArray(marker) ? marker[0] : marker) !== taskId);
  return left.length === 0 ? null : { ...action, body: { ...action.body, task_ids: left } };
}

function withoutGroup(scenario: Scenario, groupId: string): Scenario {
  const tasks = scenario.spec.tasks.map((task) =>
    task.task_group_id === groupId ? without(task, "task_group_id") : task,
  );
  const groups = (scenario.spec.task_groups ?? []).filter(
    (group) => group.group_id !== groupId && group.parent_group_id !== groupId,
  );
  return { ...scenario, spec: { ...scenario.spec, tasks, task_groups: groups } };
}
