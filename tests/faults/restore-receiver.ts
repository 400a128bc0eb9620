import { randomBytes } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { Webhook } from "standardwebhooks";

interface Posted {
  owner: string;
  deliveries: number;
}

/** Takes the jobs that restores post. */
export interface Receiver {
  url: string;
  secret: string;
  /** What came for a run, by the job's id. Those without a right signature are refused. */
  postsOf(run: string): Map<string, Posted>;
  close(): Promise<void>;
}

export async function startReceiver(): Promise<Receiver> {
  const secret = `whsec_${randomBytes(32).toString("base64")}`;
  const runs = new Map<string, Map<string, Posted>>();
  const postsOf = (run: string) => {
    const posts = runs.get(run) ?? new Map<string, Posted>();
    runs.set(run, posts);
    return posts;
  };
  const take = async (request: http.IncomingMessage) => {
    const headers = request.headers as Record<string, string>;
    const { data } = new Webhook(secret).verify(await text(request), headers) as {
      data: { run: string; owner: string };
    };
    const id = headers["webhook-id"] ?? "";
    const posts = postsOf(data.run);
    posts.set(id, { owner: data.owner, deliveries: (posts.get(id)?.deliveries ?? 0) + 1 });
  };
  const server = http.createServer((request, response) => {
    take(request).then(
      () => response.writeHead(204).end(),
      () => response.writeHead(401).end(),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jobs`,
    secret,
    postsOf,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
