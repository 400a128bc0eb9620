import { createHash } from "node:crypto";
import { createRequire } from "node:module";

interface Payload {
  action?: string;
  sender?: { login: string };
  repository?: { full_name: string; owner: { login: string } };
  organization?: { login: string };
  changes?: Record<string, unknown>;
  [key: string]: unknown;
}

export interface WebhookEvent {
  eventId: string;
  actionType: string;
  resourceType: string;
  resourceId: string;
  workspaceId: string;
  createdByUserId: string;
  oldValues?: Record<string, unknown>;
  newValues?: Record<string, unknown>;
  tags: string[];
  metadata: Record<string, unknown>;
}

/** GitHub's published webhook payloads (npm @octokit/webhooks-examples) as workspace events, the same at every call. */
export function webhookEvents(): WebhookEvent[] {
  const published = createRequire(import.meta.url)("@octokit/webhooks-examples") as {
    name: string;
    examples: Payload[];
  }[];
  return published.flatMap(({ name, examples }) => examples.map((payload) => toEvent(name, payload)));
}

function toEvent(name: string, payload: Payload): WebhookEvent {
  const { action, sender, repository, organization } = payload;
  const workspaceId = repository?.owner.login ?? organization?.login ?? sender?.login ?? "github";
  const digest = createHash("sha256").update(JSON.stringify(payload)).digest("hex").slice(0, 24);
  return {
    eventId: `github:${name}:${digest}`,
    actionType: action ? `${name}.${action}` : name,
    resourceType: repository ? "repository" : "account",
    resourceId: repository?.full_name ?? workspaceId,
    workspaceId,
    createdByUserId: sender?.login ?? workspaceId,
    ...changesOf(payload, name),
    tags: ["github", name],
    metadata: { payload },
  };
}

/** GitHub says what an edited field was before; the payload holds what it is now. */
function changesOf(payload: Payload, name: string): Pick<WebhookEvent, "oldValues" | "newValues"> {
  const subject = (payload[name] ?? payload.repository ?? {}) as Record<string, unknown>;
  const fields = Object.entries(payload.changes ?? {}).filter(
    ([field, change]) =>
      typeof change === "object" && change !== null && "from" in change && field in subject,
  );
  if (fields.length === 0) return {};
  return {
    oldValues: Object.fromEntries(
      fields.map(([field, change]) => [field, (change as { from: unknown }).from]),
    ),
    newValues: Object.fromEntries(fields.map(([field]) => [field, subject[field]])),
  };
}
