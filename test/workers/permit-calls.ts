/**
 * Knows which calls between objects, pools and rate limits are under way, so that a test can wait until all of them are over.
 *
 * @module
 */

class PermitCalls {
  readonly #open = new Set<Promise<unknown>>();

  /** A namespace of objects whose calls are noted. */
  over(namespace: DurableObjectNamespace): DurableObjectNamespace {
    return new Proxy(namespace, {
      get: (target, property) => {
        const found: unknown = Reflect.get(target, property);
        if (property !== "getByName") {
          const bound: unknown = typeof found === "function" ? found.bind(target) : found;
          return bound;
        }
        return (name: string): object => this.#noting(target.getByName(name));
      },
    });
  }

  /** Resolves when no call is under way, and none followed from the last. */
  async quiet(): Promise<void> {
    // What an answer leads to begins in the turn after it.
    await scheduler.wait(0);
    while (this.#open.size > 0) {
      await Promise.allSettled(this.#open);
      await scheduler.wait(0);
    }
  }

  #noting(stub: object): object {
    return new Proxy(stub, {
      get: (target, method) => {
        const found: unknown = Reflect.get(target, method);
        if (typeof found !== "function") {
          return found;
        }
        return (...args: unknown[]): unknown => {
          const answer: unknown = Reflect.apply(found, target, args);
          const call = Promise.resolve(answer).finally(() => this.#open.delete(call));
          call.catch(() => undefined);
          this.#open.add(call);
          return answer;
        };
      },
    });
  }
}

/** The one of this isolate. */
export const permitCalls = new PermitCalls();
