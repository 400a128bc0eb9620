import { Inngest } from "inngest";
import { safeError, type Logger } from "./logger.ts";
import { within } from "./promises.ts";

const SEND_TIMEOUT_MS = 5_000;
// Steps run back to back in one request for this long; below the function's maxDuration.
const CHECKPOINT_MAX = "50s";

export type { Inngest };

/**
 * The client of the workflow engine. Which server it talks to is the environment's choice (INNGEST_DEV,
 * INNGEST_BASE_URL, or Inngest Cloud with its keys); `baseUrl` overrides it in tests.
 */
export function createInngest(log: Logger, baseUrl?: string): Inngest {
  const options = {
    id: "afterimage",
    checkpointing: { maxRuntime: CHECKPOINT_MAX },
    logger: safeLogger(log),
  } as const;
  return new Inngest(baseUrl === undefined ? options : { ...options, baseUrl, isDev: true });
}

/** The SDK logs errors with their messages, which quote values; of those only kind and code reach our log. */
function safeLogger(log: Logger) {
  const say =
    (level: "warn" | "error") =>
    (...args: unknown[]) => {
      const error = args.find((one) => one instanceof Error);
      log[level](error ? { error: safeError(error) } : {}, "workflow engine's client");
    };
  return { debug: () => undefined, info: () => undefined, warn: say("warn"), error: say("error") };
}

export interface WorkflowEvent {
  id: string;
  name: string;
  data: Record<string, unknown>;
}

/** Hands events to the workflow engine; rejects when it does not take them within 5 s. */
export type EventSender = (events: WorkflowEvent[]) => Promise<void>;

export function createSender(inngest: Inngest): EventSender {
  return async (events) => void (await within(SEND_TIMEOUT_MS, inngest.send(events)));
}
