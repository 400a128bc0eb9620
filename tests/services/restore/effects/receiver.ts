import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { Webhook } from "standardwebhooks";
import { afterAll } from "vitest";

export interface Request {
  id: string;
  path: string;
  headers: http.IncomingHttpHeaders;
  data: Record<string, unknown> | null;
}

export interface Receiver {
  url: string;
  /** Every request, in order; of signed ones only those whose signature holds. */
  requests: Request[];
  /** Ids that came, each once. */
  taken: Set<string>;
  atOnceMax: number;
  /** What a request is answered with; 204 unless said. */
  answer: (request: Request, count: number) => number;
}

/** An HTTP server of this test file's own; with a secret it checks signatures as Standard Webhooks' library does. */
export async function startReceiver(secret?: string): Promise<Receiver> {
  let atOnce = 0;
  const receiver: Receiver = { url: "", requests: [], taken: new Set(), atOnceMax: 0, answer: () => 204 };
  const receive = async (request: http.IncomingMessage): Promise<number> => {
    const headers = request.headers as Record<string, string>;
    const body = await text(request);
    const message = secret ? (new Webhook(secret).verify(body, headers) as { data: Request["data"] }) : null;
    const one = {
      id: headers["webhook-id"] ?? "",
      path: request.url ?? "",
      headers: request.headers,
      data: message?.data ?? null,
    };
    receiver.requests.push(one);
    receiver.atOnceMax = Math.max(receiver.atOnceMax, ++atOnce);
    await new Promise((resolve) => setTimeout(resolve, 5));
    atOnce--;
    const status = receiver.answer(one, receiver.requests.length);
    if (status < 300) receiver.taken.add(one.id);
    return status;
  };
  const server = http.createServer((request, response) => {
    receive(request).then(
      (status) => response.writeHead(status, status === 302 ? { location: "/elsewhere" } : {}).end(),
      () => response.writeHead(401).end(),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  afterAll(() => new Promise((resolve) => server.close(resolve)));
  receiver.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return receiver;
}
