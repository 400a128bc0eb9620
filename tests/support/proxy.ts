import net from "node:net";
import { quietPort } from "./ports.ts";

export interface Proxy {
  /** The same URL, but through the proxy. */
  through(url: string): string;
  /** Ends every connection and refuses new ones. */
  cut(): Promise<void>;
  /** Takes connections and keeps them, but lets no byte through. */
  stall(): void;
  restore(): Promise<void>;
  close(): Promise<void>;
}

/** A TCP proxy on loopback in front of a port, to take a server away from those who talk to it. */
export async function startProxy(targetPort: number): Promise<Proxy> {
  const sockets = new Set<net.Socket>();
  let isStalled = false;
  const server = net.createServer((client) => {
    const target = net.connect(targetPort, "127.0.0.1");
    for (const [one, other] of [
      [client, target],
      [target, client],
    ] as const) {
      sockets.add(one);
      one.on("data", (bytes) => void (isStalled || other.write(bytes)));
      one.on("error", () => undefined);
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  });
  const port = await quietPort();
  const listen = () =>
    new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, "127.0.0.1", () => {
        server.off("error", reject);
        resolve();
      });
    });
  await listen();
  const cut = async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return {
    through: (url) => {
      const changed = new URL(url);
      changed.port = String(port);
      return changed.href;
    },
    cut,
    stall: () => void (isStalled = true),
    restore: async () => {
      isStalled = false;
      if (!server.listening) await listen();
    },
    close: async () => {
      if (server.listening) await cut();
    },
  };
}
