/**
 * Knows which calls between objects, pools and rate limits are under way, so that a test can wait until all of them are over; and
 * loses or holds back those that a test names.
 *
 * @module
 */

/** What becomes of a call: it fails before it arrives, or its answer is lost. */
export type Loss = "before" | "after";

class PermitCalls {
  readonly #open = new Set<Promise<unknown>>();
  readonly #losses = new Map<string, Loss[]>();
  readonly #barriers = new Map<string, Promise<void>>();
  /** Says of each call what becomes of it, if a test has nothing else in mind. */
  fate: ((name: string) => Loss | null) | null = null;

  /** A namespace of objects whose calls are noted. */
  over(namespace: DurableObjectNamespace): DurableObjectNamespace {
    return new Proxy(namespace, {
      get: (target, property) => {
        const found: unknown = Reflect.get(target, property);
        if (property !== "getByName") {
          const bound: unknown = typeof found === "function" ? found.bind(target) : found;
          return bound;
        }
        return (name: string): object => this.#noting(name, target.getByName(name));
      },
    });
  }

  /** Loses the next call to the object of this name. */
  lose(name: string, loss: Loss): void {
    this.#losses.set(name, [...(this.#losses.get(name) ?? []), loss]);
  }

  /** Keeps calls to the object of this name from arriving until the function it gives is called. */
  holdBack(name: string): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#barriers.set(name, promise);
    return () => {
      this.#barriers.delete(name);
      resolve();
    };
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

  #noting(name: string, stub: object): object {
    return new Proxy(stub, {
      get: (target, method) => {
        const found: unknown = Reflect.get(target, method);
        if (typeof found !== "function") {
          return found;
        }
        return (...args: unknown[]): unknown => {
          const barrier = this.#barriers.get(name);
          const loss = this.#losses.get(name)?.shift() ?? this.fate?.(name) ?? null;
          const isPlain = barrier === undefined && loss === null;
          const apply = (): unknown => Reflect.apply(found, target, args);
          const answer: unknown = isPlain ? apply() : this.#disturbed(name, apply, barrier, loss);
          const call = Promise.resolve(answer).finally(() => this.#open.delete(call));
          call.catch(() => undefined);
          this.#open.add(call);
          return answer;
        };
      },
    });
  }

  async #disturbed(
    name: string,
    apply: () => unknown,
    barrier: Promise<void> | undefined,
    loss: Loss | null,
  ): Promise<unknown> {
    await barrier;
    const answer = loss === "before" ? null : await apply();
    if (loss !== null) {
      throw new Error(`lost on purpose: a call to ${name}`);
    }
    return answer;
  }
}

/** The one of this isolate. */
export const permitCalls = new PermitCalls();
