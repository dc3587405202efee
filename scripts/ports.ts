/**
 * Ports of this machine.
 *
 * @module
 */
import { createServer } from "node:net";

/** Says whether a port can be listened on; `false` means somebody has it. Throws for any other trouble. */
export async function isPortFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") {
        resolve(false);
      } else {
        reject(error);
      }
    });
    probe.listen(port, host, () => {
      probe.close(() => resolve(true));
    });
  });
}

/** A port that nobody listens on at this moment. */
export async function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, host, () => {
      const address = probe.address();
      probe.close(() => {
        if (typeof address === "object" && address !== null) {
          resolve(address.port);
        } else {
          reject(new Error(`expected an address with a port on ${host}, got ${String(address)}`));
        }
      });
    });
  });
}
