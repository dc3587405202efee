/**
 * Owners of permits that a test plays itself: what a pool tells an owner of this name, the test answers.
 *
 * @module
 */
import type { PermitOwner } from "../../src/engine/permits/objects.ts";

class PermitOwners {
  readonly #owners = new Map<string, PermitOwner["permitsGranted"]>();

  /** Takes the part of an owner. Must answer without waiting for the test, since it is the pool's turn then. */
  play(name: string, permitsGranted: PermitOwner["permitsGranted"]): void {
    this.#owners.set(name, permitsGranted);
  }

  /** A namespace whose objects of these names are played, while all others are real. */
  over(namespace: DurableObjectNamespace): DurableObjectNamespace {
    return new Proxy(namespace, {
      get: (target, property) => {
        if (property !== "getByName") {
          const found: unknown = Reflect.get(target, property);
          const bound: unknown = typeof found === "function" ? found.bind(target) : found;
          return bound;
        }
        return (name: string): object => {
          const permitsGranted = this.#owners.get(name);
          return permitsGranted === undefined
            ? target.getByName(name)
            : { permitsGranted, permitsUnwanted: async (): Promise<string[]> => [] };
        };
      },
    });
  }
}

/** The one stage of this isolate. */
export const permitOwners = new PermitOwners();
