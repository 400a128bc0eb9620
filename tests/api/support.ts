import { expect } from "vitest";
import type { Answer, TestApi } from "../support/api.ts";
import type { TestDatabase } from "../support/database.ts";

export const newEvent = (workspaceId: string, more: object = {}) => ({
  actionType: "TEST_EVENT",
  resourceType: "thing",
  resourceId: "t-1",
  workspaceId,
  createdByUserId: "user-1",
  ...more,
});

/** That an answer is a problem document with all its members; `path` must be among the fields that it names. */
export function expectProblem(answer: Answer, status: number, code: string, path?: string): void {
  expect(answer.body).toEqual({
    type: `urn:afterimage:problem:${code}`,
    title: expect.stringMatching(/\S/),
    status,
    detail: expect.stringMatching(/\S/),
    code,
    requestId: answer.headers.get("x-request-id"),
    errors: expect.any(Array),
  });
  expect(answer.status).toBe(status);
  expect(answer.headers.get("content-type")).toBe("application/problem+json");
  expect(answer.body.requestId).toMatch(/^[0-9a-f-]{36}$/);
  if (path !== undefined) expect(answer.body.errors.map((one: { path: string }) => one.path)).toContain(path);
}

/** How many rows of each table of the schema hold a text anywhere; tables without any are left out. */
export async function rowsHolding(db: TestDatabase, text: string): Promise<Record<string, number>> {
  const tables = await db.rows<{ name: string }>(
    "superuser",
    `select relname as name from pg_class
     where relnamespace = 'audit'::regnamespace and relkind in ('r', 'p') and not relispartition`,
  );
  const union = tables.map(
    ({ name }) =>
      `select '${name}' as name, count(*)::int from audit.${name} t where strpos(t::text, $1) > 0`,
  );
  const found = await db.rows<{ name: string; count: number }>("superuser", union.join(" union all "), [
    text,
  ]);
  return Object.fromEntries(found.filter((one) => one.count > 0).map((one) => [one.name, one.count]));
}

interface RawCall {
  key?: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;
}

/** A request whose body and headers are exactly these. */
export async function callRaw(
  api: TestApi,
  method: string,
  path: string,
  { key, headers = {}, body }: RawCall,
): Promise<Answer> {
  const response = await api.app.request(`http://localhost/api${path}`, {
    method,
    headers: { authorization: `Bearer ${key ?? (await api.mintKey())}`, ...headers },
    ...(body === undefined ? {} : { body, duplex: "half" }),
  });
  const text = await response.text();
  const isJson = /[/+]json$/.test(response.headers.get("content-type") ?? "");
  return { status: response.status, body: isJson ? JSON.parse(text) : text, headers: response.headers };
}

/** A body that comes in pieces, so that nobody knows its length before. */
export function inPieces(text: string, pieceBytes = 65_536): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  let sent = 0;
  return new ReadableStream({
    pull(controller) {
      if (sent >= bytes.length) return controller.close();
      controller.enqueue(bytes.subarray(sent, (sent += pieceBytes)));
    },
  });
}

export interface Operation {
  method: string;
  path: string;
  hasBody: boolean;
  scope: string;
}

/** Every documented operation that needs a key, as the service describes itself. */
export async function operations(api: TestApi): Promise<Operation[]> {
  const { body } = await api.call("GET", "/openapi.json", { key: null });
  return Object.entries<Record<string, Record<string, unknown>>>(body.paths).flatMap(([path, item]) =>
    Object.entries(item)
      .filter(([, operation]) => operation.security !== undefined)
      .map(([method, operation]) => ({
        method: method.toUpperCase(),
        path: path.replace(/^\/api/, ""),
        hasBody: operation.requestBody !== undefined,
        scope: /Scope: `([^`]+)`/.exec(String(operation.description))?.[1] ?? "",
      })),
  );
}
