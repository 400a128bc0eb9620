import { z } from "zod";
import { historyFloor } from "../../db/queries/history-floor.ts";
import { imageAt } from "../../db/queries/history.ts";
import type { Context } from "../context.ts";
import { notFound, ServiceError } from "../errors.ts";
import { recordRead } from "../events/record-read.ts";
import { time } from "../inputs.ts";
import { nothingSince, requireKept } from "./floor.ts";
import { historyTable } from "./table.ts";

export const pointInTime = z.strictObject({ time });

export const recordAt = z
  .object({
    table: z.string(),
    recordId: z.string(),
    time: z.string(),
    exists: z.boolean(),
    values: z
      .record(z.string(), z.unknown())
      .nullable()
      .describe("The row as it was; null when there was none."),
    exactValues: z
      .record(z.string(), z.string())
      .nullable()
      .describe("Texts of the values that JSON cannot hold bit for bit."),
    entryId: z.string().describe("The change that left the row so, or the next one, which found it so."),
  })
  .meta({ id: "RecordAt" });

/** A record as it was at a time, as JSON text. Throws `not_found` without history, `conflict` (409) before it begins. */
export async function recordAtTime(
  ctx: Context,
  input: { table: string; recordId: string; time: Date },
): Promise<string> {
  const { recordId, time: at } = input;
  const table = await historyTable(ctx, input.table);
  const name = `${table.schema}.${table.name}`;
  if (at < table.trackedAt) {
    throw new ServiceError(
      "conflict",
      `The history of ${name} begins at ${table.trackedAt.toISOString()}. Ask for a later time.`,
    );
  }
  const image = await imageAt(ctx.db, table, recordId, at);
  // After the read: a month that was dropped just before it is below the floor by now.
  const floor = await historyFloor(ctx.db);
  requireKept(floor, at, name);
  if (image === null) throw nothingSince(floor, table) ?? notFound("record with a history", "path.recordId");
  await recordRead(ctx, "history", { table: name, recordId, time: at });
  const head = {
    table: name,
    recordId,
    time: at.toISOString(),
    exists: image.values !== null,
    entryId: image.entryId,
  };
  const exact = image.exact === "{}" ? null : image.exact;
  return `${JSON.stringify(head).slice(0, -1)},"values":${image.values},"exactValues":${exact}}`;
}
