import { beforeAll, describe, expect, test } from "vitest";
import packageJson from "../../package.json" with { type: "json" };
import { problemCodes } from "../../api/_http/problems.ts";
import { useApi } from "../support/api.ts";

const api = useApi();

interface Schema {
  $ref?: string;
  description?: string;
  type?: string | string[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
  allOf?: Schema[];
  enum?: unknown[];
}
interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  schema: Schema;
}
interface Operation {
  operationId: string;
  summary: string;
  description: string;
  tags: string[];
  security?: Record<string, string[]>[];
  parameters?: Parameter[];
  requestBody?: { required: boolean; content: Record<string, { schema: Schema }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: Schema }> }>;
}
interface Document {
  openapi: string;
  info: { title: string; version: string };
  servers: { url: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema>; securitySchemes: Record<string, object> };
}

let document: Document;
let all: { name: string; path: string; method: string; operation: Operation }[];

beforeAll(async () => {
  document = (await api.call("GET", "/openapi.json", { key: null })).body;
  all = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      path,
      method,
      operation,
    })),
  );
});

/** A schema, or what may stand in its place. */
const alternativesOf = (schema: Schema): Schema[] => {
  const { anyOf, ...one } = resolve(schema);
  return anyOf ? anyOf.flatMap(alternativesOf) : [one];
};

const resolve = (schema: Schema): Schema =>
  schema.$ref
    ? (document.components.schemas[schema.$ref.replace("#/components/schemas/", "")] as Schema)
    : schema;

describe("the OpenAPI document", () => {
  test("is OpenAPI 3.1 with a title, a version, a server and how to authenticate", () => {
    expect(document.openapi).toMatch(/^3\.1\.\d+$/);
    expect(document.info).toMatchObject({
      title: "Afterimage",
      version: packageJson.version,
    });
    expect(document.servers).toHaveLength(1);
    expect(document.components.securitySchemes).toEqual({ apiKey: { type: "http", scheme: "bearer" } });
  });

  test("refers only to what it holds", () => {
    const references = JSON.stringify(document).match(/"\$ref":"[^"]+"/g) ?? [];
    expect(references.length).toBeGreaterThan(10);
    for (const reference of new Set(references)) {
      const name = /#\/components\/schemas\/(.+)"$/.exec(reference)?.[1] ?? reference;
      expect(Object.keys(document.components.schemas)).toContain(name);
    }
  });

  test("has every mounted route but the two that describe it, and no other; its paths lead there", async () => {
    const mounted = api.app.routes
      .filter((one) => one.method !== "ALL")
      .map((one) => `${one.method} ${one.path.replaceAll(/:(\w+)/g, "{$1}")}`)
      .filter((route) => route !== "GET /api/docs" && route !== "GET /api/openapi.json");
    const [server] = document.servers;
    const named = all.map(
      ({ method, path }) => `${method.toUpperCase()} ${server?.url.replace(/\/$/, "")}${path}`,
    );
    expect(named.toSorted()).toEqual(mounted.toSorted());
  });

  test("says of each what it does, who may, and what it answers, refusals included", () => {
    const summaries = new Set(all.map((one) => one.operation.summary));
    expect(summaries.size).toBe(all.length);
    for (const { name, operation } of all) {
      expect([name, operation.summary, operation.tags.length]).toEqual([
        name,
        expect.stringMatching(/\w+ /),
        1,
      ]);
      const answers = Object.keys(operation.responses);
      expect([name, answers.some((status) => /^2\d\d$/.test(status))]).toEqual([name, true]);
      if (operation.tags[0] === "Health") continue;
      expect([name, operation.security]).toEqual([name, [{ apiKey: [] }]]);
      expect(operation.description).toMatch(/Scope: `[a-z]+:[a-z]+`/);
      const problem = operation.responses["4XX"]?.content?.["application/problem+json"]?.schema as Schema;
      const members = ["type", "title", "status", "detail", "code", "requestId", "errors"];
      expect(resolve(problem).required).toEqual(members);
      for (const [status, answer] of Object.entries(operation.responses)) {
        expect([name, status, answer.description]).toEqual([name, status, expect.stringMatching(/\w/)]);
      }
    }
  });

  test("gives each operation a name of its own that a generated client can call it by", () => {
    const names = all.map((one) => one.operation.operationId);
    expect(new Set(names).size).toBe(all.length);
    for (const name of names) expect(name).toMatch(/^[a-z]+([A-Z][a-z]+)+$/);
    expect(document.paths["/api/audit/log"]?.post?.operationId).toBe("appendEvent");
    expect(document.paths["/api/restores/{id}/reject"]?.post?.operationId).toBe("rejectRestore");
  });

  // That every refusal has one of these codes is the compiler's to say (ErrorCode).
  test("lists the codes of all problems, each with its status", async () => {
    const { code } = (document.components.schemas.Problem as Schema).properties ?? {};
    for (const one of problemCodes) expect(code?.description).toContain(`\`${one.code}\` (${one.status})`);
    expect(code?.enum).toEqual(problemCodes.map((one) => one.code));
    const { body: page } = await api.call("GET", "/docs", { key: null });
    for (const one of problemCodes) expect(page).toContain(`<code>${one.code}</code>`);
  });

  test("declares every parameter in a path, and with a type each in a query", () => {
    for (const { name, path, operation } of all) {
      const parameters = operation.parameters ?? [];
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      const declared = parameters.filter((one) => one.in === "path");
      expect([name, declared.map((one) => one.name)]).toEqual([name, inPath]);
      for (const one of declared) expect(one.required).toBe(true);
      for (const one of parameters) {
        const { type, anyOf, enum: values, $ref } = one.schema;
        expect([name, one.name, type ?? anyOf ?? values ?? $ref]).not.toEqual([name, one.name, undefined]);
      }
    }
    const events = document.paths["/api/audit/events"]?.get?.parameters;
    const limit = events?.find((one) => one.name === "limit");
    expect(limit).toMatchObject({ schema: { type: "integer", minimum: 1, maximum: 1_000, default: 50 } });
    expect(limit?.required ?? false).toBe(false);
  });

  test("describes bodies by their fields, and no empty object stands for one", () => {
    const bodies = all.filter((one) => one.operation.requestBody);
    expect(bodies.length).toBeGreaterThan(5);
    for (const { name, operation } of bodies) {
      const body = operation.requestBody?.content["application/json"]?.schema as Schema;
      for (const schema of alternativesOf(body)) {
        const { type, properties = {} } = schema;
        expect([name, type, Object.keys(properties).length > 0]).toEqual([name, "object", true]);
        for (const [field, inner] of Object.entries(properties)) {
          const empty = alternativesOf(inner).filter((one) => Object.keys(one).length === 0);
          expect([name, field, empty]).toEqual([name, field, []]);
        }
      }
    }
    const start = document.paths["/api/restores"]?.post?.requestBody?.content["application/json"]?.schema;
    const fieldsOf = (schema: Schema = {}) =>
      alternativesOf(schema).map((one) => Object.keys(one.properties ?? {}).join());
    expect(fieldsOf(start)).toEqual(["planId,digest", "target,options,reason,incident"]);
    expect(fieldsOf(start?.anyOf?.[1]?.properties?.target)).toEqual([
      "table,recordId,to",
      "transactionId",
      "actor,from,to,tables",
      "tables,at,where",
    ]);
    const event = document.components.schemas.NewEvent as Schema;
    expect(event.required?.toSorted()).toEqual([
      "actionType",
      "createdByUserId",
      "resourceId",
      "resourceType",
      "workspaceId",
    ]);
    const { properties = {} } = event;
    expect(Object.keys(properties)).toContain("oldValues");
    expect(properties.workspaceId).toMatchObject({ type: "string", maxLength: 200 });
    expect(properties.occurredAt).toMatchObject({ type: "string", format: "date-time" });
    expect(properties.oldValues).toMatchObject({ type: ["object", "null"] });
    expect(properties.ipAddress?.anyOf).toEqual([
      { type: "string", format: "ipv4" },
      { type: "string", format: "ipv6" },
    ]);
    expect(properties.tags).toMatchObject({ type: "array", maxItems: 50 });
  });

  test("describes what lists answer by the items' fields", () => {
    for (const path of ["/api/audit/events", "/api/keys", "/api/trails", "/api/jobs"]) {
      const schema = document.paths[path]?.get?.responses["200"]?.content?.["application/json"]
        ?.schema as Schema;
      const page = resolve(schema);
      expect(page.required).toEqual(expect.arrayContaining(["items", "nextCursor"]));
      const item = resolve(page.properties?.items?.items as Schema);
      expect(Object.keys(item.properties ?? {}).length).toBeGreaterThan(5);
    }
  });

  test("says null as 3.1 does, in the type", () => {
    const { oldValues, deletedAt } = (document.components.schemas.Event as Schema).properties ?? {};
    expect(oldValues).toEqual({ type: ["object", "null"] });
    expect(deletedAt).toEqual({ type: ["string", "null"] });
  });

  test("is the same however often it is asked for", async () => {
    const texts = await Promise.all(
      Array.from({ length: 5 }, async () => JSON.stringify((await api.call("GET", "/openapi.json")).body)),
    );
    expect(new Set(texts)).toEqual(new Set([JSON.stringify(document)]));
    const definitions = api.app.openAPIRegistry.definitions.length;
    await api.call("GET", "/openapi.json");
    await api.call("GET", "/docs");
    expect(api.app.openAPIRegistry.definitions).toHaveLength(definitions);
  });
});

describe("the page of documentation", () => {
  test("is HTML without scripts that names every route with its summary, each anchor once", async () => {
    const { status, body, headers } = await api.call("GET", "/docs", { key: null });
    expect([status, headers.get("content-type")]).toEqual([200, "text/html; charset=UTF-8"]);
    expect(headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(body).not.toMatch(/<script|javascript:|\son\w+=/i);
    for (const { path, operation } of all) {
      expect(body).toContain(path);
      expect(body).toContain(operation.summary.replaceAll("'", "&#39;"));
    }
    const ids = [...(body as string).matchAll(/ id="([^"]+)"/g)].map((match) => match[1]);
    const links = [...(body as string).matchAll(/href="#([^"]+)"/g)].map((match) => match[1]);
    expect(new Set(ids).size).toBe(ids.length);
    expect(links.filter((link) => !ids.includes(link))).toEqual([]);
    expect(body).not.toContain("undefined");
    expect(body).not.toContain("[object Object]");
  });

  test("shows of a body that is one of several the fields of each", async () => {
    const { body } = await api.call("GET", "/docs", { key: null });
    const [section = ""] = /<section id="post-api-restores">.*?<\/section>/s.exec(body as string) ?? [];
    for (const field of ["planId", "target", "target.to.entryId", "target.transactionId", "target.where"]) {
      expect(section).toContain(`<code>body ${field}</code>`);
    }
    expect(section).toContain("{ table, recordId, to? } | { transactionId }");
    expect(section).toContain("options.onConflict");
    expect(body).toContain("{ prompt, completion, total? } | null");
  });
});
