import type { AuditClient, AuditTrailUpdate } from "../../client/index.ts";
import { answer, MODEL } from "./model.ts";

const CONTEXT_LAYERS = 2;

export interface ChatRequest {
  projectId: string;
  userId: string;
  question: string;
}

/**
 * Answers a question as a stream. The trail is there, as a placeholder, before the first word; it is completed when the
 * last one is out, and marked as failed when the answer breaks off. The message's id is in the header X-Message-Id.
 */
export async function chat(
  audit: AuditClient,
  { projectId, userId, question }: ChatRequest,
): Promise<Response> {
  const messageId = crypto.randomUUID();
  const startedAt = Date.now();
  await audit.createPlaceholderAuditTrail({
    messageId,
    model: MODEL,
    contextLayers: CONTEXT_LAYERS,
    projectId,
  });
  const words = answer(question);
  const encoder = new TextEncoder();
  const update = (fields: AuditTrailUpdate) =>
    audit.updateAuditTrail(messageId, { ...fields, latencyMs: Date.now() - startedAt }, projectId);
  const fail = () => update({ status: "failed" });
  const stream = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const { value, done } = await words.next().catch(async (error: unknown) => {
        await fail();
        throw error;
      });
      if (!done) return controller.enqueue(encoder.encode(value));
      await update(value);
      await audit.logAuditEvent({
        actionType: "chat.answered",
        resourceType: "message",
        resourceId: messageId,
        workspaceId: projectId,
        createdByUserId: userId,
      });
      controller.close();
    },
    // The reader has gone away.
    cancel: fail,
  });
  return new Response(stream, {
    headers: { "content-type": "text/plain; charset=utf-8", "x-message-id": messageId },
  });
}
