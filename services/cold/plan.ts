import { dueColdMonths } from "../../db/queries/cold-export.ts";
import { isQuiet } from "../quiet.ts";
import type { ColdContext } from "./context.ts";

const MONTHS_MAX = 12;

/**
 * The months whose archived events go to cold files now: 12 at most, oldest first; none without a place for the files, or where
 * that may be another's.
 */
export async function planCold(ctx: ColdContext): Promise<{ months: string[]; remains: boolean }> {
  if (ctx.archive === null || (await isQuiet(ctx))) return { months: [], remains: false };
  const due = await dueColdMonths(ctx.db);
  return { months: due.slice(0, MONTHS_MAX), remains: due.length > MONTHS_MAX };
}
