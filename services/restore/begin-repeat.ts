import { notePickedUp } from "../../db/queries/requests.ts";
import type { RestoreContext } from "./context.ts";

/** Notes that the request to repeat side effects was picked up. */
export async function beginRepeat(ctx: RestoreContext, { requestId }: { requestId: string }): Promise<void> {
  await notePickedUp(ctx.db, requestId);
}
