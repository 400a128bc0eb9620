import http from "node:http";
import type { AddressInfo } from "node:net";

interface OtlpValue {
  stringValue?: string;
  intValue?: number;
  doubleValue?: number;
}

interface OtlpAttribute {
  key: string;
  value: OtlpValue;
}

interface OtlpSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: OtlpAttribute[];
  events: unknown[];
  links: unknown[];
  traceState?: string;
  status: { code: number; message?: string };
}

interface OtlpBody {
  resourceSpans: {
    resource: { attributes: OtlpAttribute[] };
    scopeSpans: { spans: OtlpSpan[] }[];
  }[];
}

/** Of the OTLP protocol: trace.proto's SpanKind and StatusCode. */
export const KIND = { internal: 1, server: 2, client: 3 };
export const STATUS = { unset: 0, error: 2 };

export interface CollectedSpan extends Omit<OtlpSpan, "attributes"> {
  attributes: Record<string, unknown>;
  resource: Record<string, unknown>;
}

export interface Collector {
  url: string;
  spans: CollectedSpan[];
  /** The bodies as they came. */
  bodies: string[];
  headers: http.IncomingHttpHeaders[];
  /** Whether it takes what is sent (200), refuses it (400), or never answers. */
  mode: "take" | "refuse" | "stall";
  close(): Promise<void>;
}

const plain = (attributes: OtlpAttribute[]) =>
  Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue ?? value.doubleValue]),
  );

/** A collector of OTLP over HTTP in JSON that keeps what it is sent. */
export async function startCollector(): Promise<Collector> {
  const collector: Collector = {
    url: "",
    spans: [],
    bodies: [],
    headers: [],
    mode: "take",
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  const server = http.createServer(async (request, response) => {
    if (collector.mode === "stall") return;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const isAsked = request.method === "POST" && request.url === "/v1/traces";
    if (!isAsked || collector.mode === "refuse") return void response.writeHead(400).end("no");
    collector.bodies.push(text);
    collector.headers.push(request.headers);
    for (const { resource, scopeSpans } of (JSON.parse(text) as OtlpBody).resourceSpans) {
      for (const span of scopeSpans.flatMap((one) => one.spans)) {
        const attributes = plain(span.attributes);
        collector.spans.push({ ...span, attributes, resource: plain(resource.attributes) });
      }
    }
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  collector.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return collector;
}
