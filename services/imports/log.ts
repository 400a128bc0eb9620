import { isEventStored } from "../../db/queries/events-append.ts";
import { SERVICE_WORKSPACE, type Context } from "../context.ts";
import { logServiceEvent } from "../events/log-service-event.ts";

type Kind = "trails" | "events";
type Details = Record<string, unknown>;

const action = (kind: Kind) => `IMPORT_${kind.toUpperCase()}`;

/** Writes down that an import begins; answers the id by which this database knows it from now on. */
export async function beginImport(ctx: Context, kind: Kind, metadata: Details): Promise<string> {
  const id = crypto.randomUUID();
  await logServiceEvent(ctx, `${action(kind)}_STARTED`, "import", id, { metadata, eventId: id });
  return id;
}

/** Whether it began in this database, and not in one before or beside it. */
export const isImportKnown = (ctx: Context, id: string): Promise<boolean> =>
  isEventStored(ctx.db, SERVICE_WORKSPACE, id);

/** Writes down what came of it, once. */
export const endImport = (ctx: Context, kind: Kind, id: string, metadata: Details): Promise<void> =>
  logServiceEvent(ctx, action(kind), "import", id, { metadata, eventId: `${id}:end` });
