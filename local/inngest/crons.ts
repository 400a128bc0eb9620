import { Cron } from "croner";

const ZONE = /^(?:CRON_)?TZ=(\S+)\s+/;

/**
 * The first tick of a cron expression after `from`, or null when there is none. Five fields, optionally
 * after `TZ=<zone>`; UTC unless a zone is named. Like Inngest's server it takes no `@daily` and no seconds.
 * Throws when the expression is not valid.
 */
export function nextTick(expression: string, from: Date): Date | null {
  const text = expression.trim();
  const fields = text.replace(ZONE, "");
  if (fields.startsWith("@")) throw new SyntaxError(`"${expression}" is no cron expression of five fields`);
  const timezone = ZONE.exec(text)?.[1] ?? "UTC";
  return new Cron(fields, { timezone, mode: "5-part", paused: true }).nextRun(from);
}
