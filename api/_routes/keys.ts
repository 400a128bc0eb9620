import { z } from "zod";
import { createKey, newKey } from "../../services/keys/create.ts";
import { key } from "../../services/keys/key.ts";
import { keyFilter, listKeys } from "../../services/keys/list.ts";
import { revokeKey } from "../../services/keys/revoke.ts";
import { rotateKey, rotation } from "../../services/keys/rotate.ts";
import { page, uuid } from "../../services/inputs.ts";
import type { Runtime } from "../../services/runtime.ts";
import type { App } from "../_http/app.ts";
import { endpoint } from "../_http/endpoint.ts";

const secret = z.string().nullable().describe("Shown once; null when an Idempotency-Key is replayed.");
const keyWithSecret = z.object({ key, secret });
const params = z.object({ id: uuid });
const common = { tag: "Keys", scope: "keys:manage", limit: "admin" } as const;

export function keyRoutes(app: App, runtime: Runtime): void {
  endpoint(app, runtime, {
    ...common,
    method: "post",
    path: "/keys",
    operationId: "createKey",
    summary: "Mint a key that reaches no further than your own",
    body: newKey,
    example: { name: "web application", scopes: ["events:write", "trails:write"] },
    answers: { 201: { description: "The key and, once, its secret.", schema: keyWithSecret } },
    handle: async (ctx, { body }) => {
      const created = await createKey(ctx, body);
      return { status: 201, body: created, keptBody: { ...created, secret: null } };
    },
  });
  endpoint(app, runtime, {
    ...common,
    method: "get",
    path: "/keys",
    operationId: "listKeys",
    summary: "List keys, newest first",
    query: keyFilter,
    answers: { 200: { description: "A page of keys.", schema: page(key) } },
    handle: async (ctx, { query }) => ({ status: 200, body: await listKeys(ctx, query) }),
  });
  endpoint(app, runtime, {
    ...common,
    method: "post",
    path: "/keys/{id}/rotate",
    operationId: "rotateKey",
    summary: "Replace a key's secret; the old one goes on working for a while",
    params,
    body: rotation,
    answers: { 201: { description: "The new key and, once, its secret.", schema: keyWithSecret } },
    handle: async (ctx, { params: { id }, body }) => {
      const rotated = await rotateKey(ctx, id, body);
      return { status: 201, body: rotated, keptBody: { ...rotated, secret: null } };
    },
  });
  endpoint(app, runtime, {
    ...common,
    method: "delete",
    path: "/keys/{id}",
    operationId: "revokeKey",
    summary: "Revoke a key, effective within 30 seconds",
    params,
    answers: { 200: { description: "The revoked key.", schema: key } },
    handle: async (ctx, { params: { id } }) => ({ status: 200, body: await revokeKey(ctx, id) }),
  });
}
