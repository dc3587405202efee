import { describe, it } from "vitest";
import { isWorkerGone, hostnameOfIsolate } from "../../src/isolate/identity.ts";

describe("a worker", () => {
  it("has a name of its own as long as its isolate lives", ({ expect }) => {
    expect(hostnameOfIsolate()).toMatch(/^worker-[0-9a-f]{8}$/);
    expect(hostnameOfIsolate()).toBe(hostnameOfIsolate());
  });

  it("of another isolate has ended where there is one process, and may live where there are many", ({ expect }) => {
    expect(isWorkerGone("worker-12345678", "detach")).toBe(true);
    expect(isWorkerGone("worker-12345678", "hold")).toBe(false);
    expect(isWorkerGone(hostnameOfIsolate(), "detach")).toBe(false);
    expect(isWorkerGone("gpu-box-1", "detach")).toBe(false);
    expect(isWorkerGone(null, "detach")).toBe(false);
  });
});
