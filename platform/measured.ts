/**
 * Computing time of handlers, as far as it can be seen from outside: how long each keeps the thread before it first waits for something.
 *
 * @module
 */
import type { AnyTaskDefinition, Registry } from "../src/sdk/index.ts";
import { currentInvocation } from "./invocation.ts";

/** The same registry with handlers whose computing is charged to their invocation. */
export function measured(registry: Registry): Registry {
  return { ...registry, tasks: new Map([...registry.tasks].map(([id, task]) => [id, measuredTask(task)])) };
}

function measuredTask(task: AnyTaskDefinition): AnyTaskDefinition {
  return {
    ...task,
    run(ctx, input) {
      const begunAt = performance.now();
      try {
        return task.run(ctx, input);
      } finally {
        currentInvocation()?.spendCpu(performance.now() - begunAt);
      }
    },
  };
}
