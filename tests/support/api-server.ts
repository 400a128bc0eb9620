import { serve } from "@hono/node-server";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll } from "vitest";
import type { TestApi } from "./api.ts";

type Handle = (request: Request) => Promise<Response>;

export interface ApiServer {
  url: string;
  /** Stands between the network and the API; `through` is the API's own answer. */
  fault: (request: Request, through: Handle) => Promise<Response>;
  /** Ends every connection, and each new one, until `restore`. It keeps the port, which another would take. */
  cut(): void;
  restore(): void;
}

export const noFault: ApiServer["fault"] = (request, through) => through(request);

/** The API of a test file over real HTTP on loopback, with a place for faults. */
export function useApiServer(api: TestApi): ApiServer {
  let server: Server;
  let isCut = false;
  const running: ApiServer = {
    url: "",
    fault: noFault,
    cut: () => {
      isCut = true;
      server.closeAllConnections();
    },
    restore: () => {
      isCut = false;
    },
  };
  beforeAll(async () => {
    const fetch = (request: Request) => running.fault(request, async (one) => api.app.fetch(one));
    server = serve({ hostname: "127.0.0.1", port: 0, fetch }) as Server;
    server.on("connection", (socket) => void (isCut && socket.destroy()));
    await new Promise((resolve) => server.once("listening", resolve));
    running.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  });
  return running;
}
