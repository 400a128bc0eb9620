import http from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer, type WebSocket } from "ws";
import { freePort } from "../ports.ts";
import { Bridge, type Target } from "./bridge.ts";

/** Where Neon's driver opens its WebSocket: https://github.com/neondatabase/serverless, CONFIG.md, `wsProxy`. */
const PATH = "/v2";
const LOOPBACK = "127.0.0.1";
const CONNECTIONS_MAX = 500;
const MESSAGE_BYTES_MAX = 16 * 1_024 * 1_024;
const HEARTBEAT_MS = 30_000;
const LISTEN_ATTEMPTS = 3;

interface NeonOptions {
  /** The Postgres behind it, on loopback unless `postgresHost` says otherwise. */
  postgresPort: number;
  postgresHost?: string;
  /** Wanted port; another one is taken when it is in use. 0 picks any. */
  port?: number;
}

export interface LocalNeon {
  /** What NEON_LOCAL_PROXY takes, and what stands as host and port in a database URL: "127.0.0.1:PORT". */
  proxy: string;
  port: number;
  /** Clients that are connected now, and that ever were. */
  connections(): { open: number; ever: number };
  stop(): Promise<void>;
}

/**
 * Speaks Neon's wire in front of any Postgres, on loopback: a WebSocket at /v2 that carries Postgres' own protocol,
 * always to the one server it was started for. Everything else is refused.
 */
export async function startNeon(options: NeonOptions): Promise<LocalNeon> {
  const target: Target = { host: options.postgresHost ?? LOOPBACK, port: options.postgresPort };
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MESSAGE_BYTES_MAX,
  });
  let ever = 0;
  const server = http.createServer((_request, response) => response.writeHead(404).end());
  server.on("upgrade", (request, socket, head) => {
    socket.on("error", () => socket.destroy());
    if (new URL(request.url ?? "/", "http://localhost").pathname !== PATH)
      return refuse(socket, "404 Not Found");
    if (sockets.clients.size >= CONNECTIONS_MAX) return refuse(socket, "503 Service Unavailable");
    sockets.handleUpgrade(request, socket, head, (client) => {
      ever++;
      new Bridge(client, target).start();
    });
  });
  const stopHeartbeat = keepHeartbeat(sockets);
  const port = await listen(server, options.port ?? 0);
  return {
    proxy: `${LOOPBACK}:${port}`,
    port,
    connections: () => ({ open: sockets.clients.size, ever }),
    async stop() {
      stopHeartbeat();
      const closed = new Promise((resolve) => server.close(resolve));
      for (const client of sockets.clients) client.terminate();
      server.closeAllConnections();
      await closed;
    },
  };
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

/** A peer that does not answer a ping until the next one is dead, whatever its TCP connection says. */
function keepHeartbeat(sockets: WebSocketServer): () => void {
  const silent = new WeakSet<WebSocket>();
  const timer = setInterval(() => {
    for (const client of sockets.clients) {
      if (silent.has(client)) {
        client.terminate();
        continue;
      }
      silent.add(client);
      client.once("pong", () => silent.delete(client));
      client.ping();
    }
  }, HEARTBEAT_MS);
  return () => clearInterval(timer);
}

async function listen(server: http.Server, wanted: number): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort(attempt === 1 ? wanted : 0);
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(port, LOOPBACK, () => {
          server.off("error", reject);
          resolve();
        });
      });
      return (server.address() as AddressInfo).port;
    } catch (error) {
      // Between asking for a free port and listening on it, somebody else may have taken it.
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE" || attempt === LISTEN_ATTEMPTS) throw error;
      server.removeAllListeners("error");
    }
  }
}
