import { randomInt } from "node:crypto";
import net from "node:net";

/**
 * A port on loopback that nobody listens on. It is none of those that the system hands out, so that no other test is
 * given it while it is closed: for a server that is to go away and come back, or is never there.
 */
export async function quietPort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 30_000);
    const server = net.createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}
