import { Inngest } from "inngest";

const SEND_TIMEOUT_MS = 5_000;

/** Which server it talks to is the environment's choice: INNGEST_DEV, INNGEST_BASE_URL, or Inngest Cloud. */
export const inngest = new Inngest({ id: "afterimage", checkpointing: { maxRuntime: "50s" } });

export interface WorkflowEvent {
  id: string;
  name: string;
  data: Record<string, unknown>;
}

/** Hands events to the workflow engine; rejects when it does not take them within 5 s. */
export type EventSender = (events: WorkflowEvent[]) => Promise<void>;

export const sendEvents: EventSender = async (events) => {
  const timeout = AbortSignal.timeout(SEND_TIMEOUT_MS);
  await Promise.race([
    inngest.send(events),
    new Promise((_, reject) => timeout.addEventListener("abort", () => reject(timeout.reason as Error))),
  ]);
};
