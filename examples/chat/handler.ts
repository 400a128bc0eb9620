import type { AuditClient, AuditTrailUpdate } from "../../client/index.ts";
import { answer, MODEL, type Model } from "./model.ts";

const CONTEXT_LAYERS = 2;

export interface ChatRequest {
  projectId: string;
  userId: string;
  question: string;
}

/**
 * Answers a question as a stream. The trail is there, as a placeholder, before the first word; it is complete when the last
 * one is out, and failed when the answer breaks off or its reader leaves. The message's id is in the header X-Message-Id.
 */
export async function chat(
  audit: AuditClient,
  { projectId, userId, question }: ChatRequest,
  model: Model = answer,
): Promise<Response> {
  const messageId = crypto.randomUUID();
  const startedAt = Date.now();
  await audit.createPlaceholderAuditTrail({
    messageId,
    model: MODEL,
    contextLayers: CONTEXT_LAYERS,
    projectId,
  });

  let isOver = false;
  /** A trail ends once: a reader who leaves while the last word is being noted does not make it a failed one. */
  const end = async (fields: AuditTrailUpdate) => {
    if (isOver) return;
    isOver = true;
    await audit.updateAuditTrail(messageId, { ...fields, latencyMs: Date.now() - startedAt }, projectId);
  };
  // What cannot be noted is onDropped's; whoever reads the answer is to hear what was wrong with that.
  const fail = () => end({ status: "failed" }).catch(() => undefined);

  const leaving = new AbortController();
  const words = model(question, leaving.signal);
  const encoder = new TextEncoder();
  const stream = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      try {
        const { value, done } = await words.next();
        if (!done) return controller.enqueue(encoder.encode(value));
        await end(value);
        await audit.logAuditEvent({
          actionType: "chat.answered",
          resourceType: "message",
          resourceId: messageId,
          workspaceId: projectId,
          createdByUserId: userId,
        });
        controller.close();
      } catch (error) {
        await fail();
        throw error;
      }
    },
    cancel: async () => {
      leaving.abort();
      await fail();
    },
  });
  return new Response(stream, {
    headers: { "content-type": "text/plain; charset=utf-8", "x-message-id": messageId },
  });
}
