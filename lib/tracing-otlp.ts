import {
  isSpanContextValid,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
} from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor, type SpanExporter } from "@opentelemetry/sdk-trace-base";
import { waitUntil } from "@vercel/functions";
import { AsyncLocalStorage } from "node:async_hooks";
import { safeError, type Logger } from "./logger.ts";
import { within } from "./promises.ts";
import type { Span, Tracing, TracingOptions } from "./tracing.ts";

const EXPORT_TIMEOUT_MS = 5_000;
const FLUSH_TIMEOUT_MS = 5_000;
/** After a failure spans are dropped for this long before the next try. */
const PAUSE_MS = 15_000;
/** ExportResultCode of @opentelemetry/core. */
const SUCCESS = 0;
const FAILED = 1;

const KINDS = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL };

/**
 * Tracing by OpenTelemetry's SDK, with nothing registered globally. The SDK reads the variables of sampling, batches,
 * headers and limits by itself. Spans wait in a bounded queue, and beyond it are dropped.
 */
export function openOtlp({ url, serviceName, instance, flushEach }: TracingOptions, log: Logger): Tracing {
  const exporter = new OTLPTraceExporter({ url, timeoutMillis: EXPORT_TIMEOUT_MS });
  const processor = new BatchSpanProcessor(forgiving(exporter, log));
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ "service.name": serviceName, "service.instance.id": instance }),
    spanProcessors: [processor],
  });
  const tracer = provider.getTracer("afterimage");
  const running = new AsyncLocalStorage<Context>();
  const settled = (sent: Promise<void>) => within(FLUSH_TIMEOUT_MS, sent).catch(() => undefined);
  return {
    isOn: true,
    span: async ({ name, kind, attributes = {}, traceparent }, work) => {
      const above = kind === "server" ? undefined : running.getStore();
      const parent = above ?? callersContext(traceparent);
      const span = tracer.startSpan(name, { kind: KINDS[kind], attributes }, parent);
      const fail = (type: string) => {
        span.setAttribute("error.type", type);
        span.setStatus({ code: SpanStatusCode.ERROR });
      };
      const handle: Span = {
        rename: (text) => void span.updateName(text),
        set: (more) => void span.setAttributes(more),
        fail,
      };
      try {
        return await running.run(trace.setSpan(parent, span), () => work(handle));
      } catch (error) {
        fail(kindOf(error));
        throw error;
      } finally {
        span.end();
        if (flushEach && above === undefined) waitUntil(settled(processor.forceFlush()));
      }
    },
    close: () => settled(provider.shutdown()),
  };
}

// https://www.w3.org/TR/trace-context/#traceparent-header. The caller's tracestate is not kept: it holds any text.
const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

function callersContext(traceparent = ""): Context {
  const [, version, traceId = "", spanId = "", flags = "", more] = TRACEPARENT.exec(traceparent) ?? [];
  const context = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true };
  if (!isSpanContextValid(context) || (version === "00" && more !== undefined)) return ROOT_CONTEXT;
  return trace.setSpanContext(ROOT_CONTEXT, context);
}

/** A code (SQLSTATE, ECONNREFUSED) or else the class: neither holds a value. */
function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const { code } = error as { code?: unknown };
  return typeof code === "string" && /^\w{1,40}$/.test(code) ? code : error.name;
}

/** Says once that spans cannot be sent, and once that they can again; between that it tries every `pauseMs` only. */
export function forgiving(exporter: SpanExporter, log: Logger, pauseMs = PAUSE_MS): SpanExporter {
  let retryAt: number | null = null;
  return {
    export: (spans, done) => {
      if (retryAt !== null && performance.now() < retryAt) return done({ code: FAILED });
      exporter.export(spans, (result) => {
        if (result.code === SUCCESS) {
          if (retryAt !== null) log.info({}, "traces are sent again");
          retryAt = null;
        } else {
          if (retryAt === null) {
            log.warn({ error: safeError(result.error) }, "traces cannot be sent: they are dropped");
          }
          retryAt = performance.now() + pauseMs;
        }
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
  };
}
