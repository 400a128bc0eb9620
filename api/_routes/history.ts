import { z } from "zod";
import { pointInTime, recordAt, recordAtTime } from "../../services/history/at.ts";
import { historyPage, historyQuery, listHistory } from "../../services/history/list.ts";
import type { Runtime } from "../../services/runtime.ts";
import type { App } from "../_http/app.ts";
import { asJson } from "../_http/as-json.ts";
import { endpoint } from "../_http/endpoint.ts";

const NAME_LENGTH_MAX = 200;
const KEY_LENGTH_MAX = 1_000;

const withoutNul = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((text) => !text.includes("\0"), "must not hold the NUL character");
const params = z.object({
  table: withoutNul(NAME_LENGTH_MAX).describe("schema.name as the catalog spells it, or the name alone."),
  recordId: withoutNul(KEY_LENGTH_MAX).describe("The row's key; a composite one as a JSON array."),
});
const read = { tag: "History", method: "get", scope: "history:read", limit: "read" } as const;

export function historyRoutes(app: App, runtime: Runtime): void {
  endpoint(app, runtime, {
    ...read,
    path: "/history/{table}/{recordId}",
    operationId: "listRecordHistory",
    summary: "What happened to a row, newest first",
    params,
    query: historyQuery,
    answers: { 200: { description: "A page of its changes.", schema: historyPage } },
    handle: async (ctx, { params, query }) => asJson(await listHistory(ctx, { ...params, ...query })),
  });
  endpoint(app, runtime, {
    ...read,
    path: "/history/{table}/{recordId}/at",
    operationId: "getRecordAt",
    summary: "A row as it was at a time",
    params,
    query: pointInTime,
    answers: { 200: { description: "The row then.", schema: recordAt } },
    handle: async (ctx, { params, query }) => asJson(await recordAtTime(ctx, { ...params, ...query })),
  });
}
