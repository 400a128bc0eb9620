import { Inngest } from "inngest";

const SEND_TIMEOUT_MS = 5_000;
// Steps run back to back in one request for this long; below the function's maxDuration.
const CHECKPOINT_MAX = "50s";

export type { Inngest };

/**
 * The client of the workflow engine. Which server it talks to is the environment's choice (INNGEST_DEV,
 * INNGEST_BASE_URL, or Inngest Cloud with its keys); `baseUrl` overrides it in tests.
 */
export function createInngest(baseUrl?: string): Inngest {
  const checkpointing = { maxRuntime: CHECKPOINT_MAX } as const;
  return baseUrl === undefined
    ? new Inngest({ id: "afterimage", checkpointing })
    : new Inngest({ id: "afterimage", checkpointing, baseUrl, isDev: true });
}

export interface WorkflowEvent {
  id: string;
  name: string;
  data: Record<string, unknown>;
}

/** Hands events to the workflow engine; rejects when it does not take them within 5 s. */
export type EventSender = (events: WorkflowEvent[]) => Promise<void>;

export function createSender(inngest: Inngest): EventSender {
  return async (events) => {
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<never>((_, reject) => {
      const error = new Error(`the workflow engine did not answer within ${SEND_TIMEOUT_MS} ms`);
      timer = setTimeout(reject, SEND_TIMEOUT_MS, error);
    });
    await Promise.race([inngest.send(events), tooLate]).finally(() => clearTimeout(timer));
  };
}
