/**
 * Stands between the objects and the bucket of large values, whose calls fail if a test wants that.
 *
 * @module
 */

type Method = "delete" | "list";

/** What a test does to the bucket of all objects. */
class BucketFaults {
  #broken: ReadonlySet<Method> = new Set();

  /** Makes these calls fail from now on; none of them, none. */
  break(...methods: Method[]): void {
    this.#broken = new Set(methods);
  }

  /** A list has at most so many objects on a page: the platform may give fewer than were asked for. */
  page: number | null = null;

  over(bucket: R2Bucket): R2Bucket {
    return new Proxy(bucket, {
      get: (target, name) => {
        if ((name === "delete" || name === "list") && this.#broken.has(name)) {
          return async () => {
            throw new Error(`broken on purpose: ${name}`);
          };
        }
        if (name === "list" && this.page !== null) {
          const limit = this.page;
          return (options: R2ListOptions) => target.list({ ...options, limit });
        }
        const found: unknown = Reflect.get(target, name);
        return typeof found === "function"
          ? (...args: unknown[]): unknown => Reflect.apply(found, target, args)
          : found;
      },
    });
  }
}

/** The one bucket's faults, of this isolate. */
export const bucketFaults = new BucketFaults();
