import type { Env } from "./env.ts";
import { safeError, type Logger } from "./logger.ts";

export type Attributes = Record<string, string | number>;

interface SpanStart {
  name: string;
  kind: "server" | "client" | "internal";
  /** Our own ids, names and codes, never a value that a caller sent. */
  attributes?: Attributes;
  /** Of the request that a server span answers (W3C Trace Context), which then is its parent. */
  traceparent?: string | undefined;
}

export interface Span {
  rename(name: string): void;
  set(attributes: Attributes): void;
  /** Marks the span as failed; `type` is a code or a kind of error, never its message. */
  fail(type: string): void;
}

export interface Tracing {
  isOn: boolean;
  /**
   * Runs `work` in a span below the one that is running it. What `work` rejects with fails the span by its kind and is
   * passed on; nothing that goes wrong with the trace itself is.
   */
  span<T>(start: SpanStart, work: (span: Span) => Promise<T>): Promise<T>;
  /** Sends what is left, within 5 s. */
  close(): Promise<void>;
}

export interface TracingOptions {
  /** Where spans are sent: OTLP over HTTP, in JSON. */
  url: string;
  serviceName: string;
  /** The id of this process, as in its metrics. */
  instance: string;
  /** Sends after each request: a function's instance may be frozen between two. */
  flushEach: boolean;
}

const noSpan: Span = { rename: () => undefined, set: () => undefined, fail: () => undefined };

export const noTracing: Tracing = {
  isOn: false,
  span: (_start, work) => work(noSpan),
  close: async () => undefined,
};

/**
 * What the environment asks for, by OpenTelemetry's own variables; null without an endpoint.
 * https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp
 */
export function tracingOptions(env: Env, instance: string): TracingOptions | null {
  const url = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? tracesBelow(env.OTEL_EXPORTER_OTLP_ENDPOINT);
  if (url === undefined || env.OTEL_SDK_DISABLED) return null;
  return { url, serviceName: env.OTEL_SERVICE_NAME, instance, flushEach: env.VERCEL_ENV !== undefined };
}

const tracesBelow = (endpoint: string | undefined) => endpoint && `${endpoint.replace(/\/+$/, "")}/v1/traces`;

/** Tracing over OTLP, or none without options. The packages that do it are loaded only then; spans wait for them. */
export function createTracing(options: TracingOptions | null, log: Logger): Tracing {
  if (options === null) return noTracing;
  let loaded: Tracing | undefined;
  const loading = import("./tracing-otlp.ts")
    .then(({ openOtlp }) => openOtlp(options, log))
    .catch((error: unknown) => {
      log.warn({ error: safeError(error) }, "traces cannot be sent: requests are served without");
      return noTracing;
    })
    .then((tracing) => (loaded = tracing));
  return {
    isOn: true,
    span: async (start, work) => (loaded ?? (await loading)).span(start, work),
    close: async () => (await loading).close(),
  };
}
