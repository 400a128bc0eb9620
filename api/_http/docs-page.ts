import { html, raw } from "hono/html";
import type { openApiDocument } from "./openapi.ts";
import { problemCodes } from "./problems.ts";

type Document = ReturnType<typeof openApiDocument>;

interface Schema {
  $ref?: string;
  type?: string | string[];
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  enum?: unknown[];
  anyOf?: Schema[];
  additionalProperties?: boolean | Schema;
  format?: string;
  minimum?: number;
  maximum?: number;
  maxLength?: number;
  maxItems?: number;
  default?: unknown;
}

interface Operation {
  tags?: string[];
  summary?: string;
  description?: string;
  parameters?: { name: string; in: string; required?: boolean; description?: string; schema?: Schema }[];
  requestBody?: { content: Record<string, { schema: Schema; example?: unknown }> };
  responses: Record<string, { description: string }>;
}

const METHODS = ["get", "post", "put", "patch", "delete"] as const;

const STYLE = `
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); }
body { font: 16px/1.55 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 2rem 1rem 6rem; }
nav { columns: 2; font-size: .9rem; } nav a { display: block; text-decoration: none; }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); } section { margin: 2.2rem 0; }
h3 { font: 600 1rem/1.4 ui-monospace, monospace; margin-bottom: .2rem; overflow-wrap: anywhere; }
h3 b { display: inline-block; min-width: 4.2rem; text-transform: uppercase; color: #0a7d55; }
table { border-collapse: collapse; table-layout: fixed; width: 100%; font-size: .9rem; } pre { overflow-x: auto; } td { border-top: 1px solid var(--line); padding: .25rem .6rem .25rem 0; vertical-align: top; }
code { font-size: .88em; } td:first-child { width: 32%; overflow-wrap: anywhere; } td:nth-child(2):not([colspan]) { width: 24%; } .quiet { opacity: .7; }
@media (max-width: 40rem) { nav { columns: 1; } }`;

/** The OpenAPI document as one page of HTML without scripts. */
export function docsPage(document: Document) {
  const operations = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = (item as Record<string, unknown>)[method] as Operation | undefined;
      return operation ? [{ path, method, operation }] : [];
    }),
  );
  const tags = [...new Set(operations.map((one) => one.operation.tags?.[0] ?? "Other"))];
  const schemas = (document.components?.schemas ?? {}) as Record<string, Schema>;
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>Afterimage API</title>
        <style>
          ${raw(STYLE)}
        </style>
      </head>
      <body>
        <h1>Afterimage API</h1>
        <p>
          Every request carries <code>Authorization: Bearer afi_…</code>. Errors are RFC 9457 problem
          documents: rely on <code>code</code> (<a href="#errors">all of them</a>), read <code>detail</code>.
          Lists answer <code>items</code> and <code>nextCursor</code>; give the cursor back with the same
          filters. Writes take an <code>Idempotency-Key</code>. After a 429 or 503 wait as
          <code>Retry-After</code> says. For programs: <a href="openapi.json">openapi.json</a>.
        </p>
        <nav>
          ${operations.map(({ path, method }) => html`<a href="#${anchor(method, path)}"><code>${method.toUpperCase()} ${path}</code></a>`)}
          <a href="#errors">Errors</a>
        </nav>
        ${tags.map(
          (tag) =>
            html`<h2>${tag}</h2>
              ${operations
                .filter((one) => (one.operation.tags?.[0] ?? "Other") === tag)
                .map((one) => section(one.path, one.method, one.operation, schemas))}`,
        )}
        <h2 id="errors">Errors</h2>
        <table>
          ${problemCodes.map(
            ({ code, status, title }) =>
              html`<tr>
                <td><code>${code}</code></td>
                <td>${status}</td>
                <td>${title}.</td>
              </tr>`,
          )}
        </table>
      </body>
    </html>`;
}

const anchor = (method: string, path: string) => `${method}${path.replaceAll(/[^a-z]+/gi, "-")}`;

function section(path: string, method: string, operation: Operation, schemas: Record<string, Schema>) {
  const content = Object.values(operation.requestBody?.content ?? {})[0];
  return html`<section id="${anchor(method, path)}">
    <h3><b>${method}</b> ${path}</h3>
    <p>${operation.summary}. <span class="quiet">${prose(operation.description)}</span></p>
    <table>
      ${(operation.parameters ?? []).map((one) => field(`${one.in} ${one.name}`, one.schema, one.required ?? false, one.description))}
      ${content ? fieldsWithin("body ", content.schema, schemas) : ""}
      ${Object.entries(operation.responses)
        .filter(([status]) => !status.endsWith("XX"))
        .map(
          ([status, answer]) =>
            html`<tr>
              <td>${status}</td>
              <td colspan="2">${prose(answer.description)}</td>
            </tr>`,
        )}
    </table>
    ${content?.example === undefined ? "" : example(content.example)}
  </section>`;
}

const example = (body: unknown) =>
  html`<p class="quiet">For example:</p>
    <pre><code>${JSON.stringify(body, null, 2)}</code></pre>`;

function field(name: string, schema: Schema | undefined, isRequired: boolean, description?: string) {
  return html`<tr>
    <td><code>${name}</code>${isRequired ? "" : html` <span class="quiet">optional</span>`}</td>
    <td class="quiet">${[typeName(schema), ...bounds(schema)].join(", ")}</td>
    <td>${prose(description ?? schema?.description)}</td>
  </tr>`;
}

/** Rows for the fields of an object and of the objects in it; where it is one of several, for those of each. */
function fieldsWithin(
  prefix: string,
  given: Schema,
  schemas: Record<string, Schema>,
): ReturnType<typeof html>[] {
  const schema = resolve(given, schemas);
  const objects = (schema.anyOf ?? []).map((one) => resolve(one, schemas)).filter((one) => one.properties);
  if (objects.length > 1) {
    return objects.flatMap((one, i) => [
      html`<tr>
        <td colspan="3" class="quiet">
          ${i === 0 ? "Either" : "Or"} <code>${prefix.replace(/\.$/, "").trim()}</code> is ${typeName(one)}:
        </td>
      </tr>`,
      ...fieldsWithin(prefix, one, schemas),
    ]);
  }
  const { properties = {}, required = [] } = objects[0] ?? schema;
  return Object.entries(properties).flatMap(([name, inner]) => [
    field(prefix + name, resolve(inner, schemas), required.includes(name), inner.description),
    ...fieldsWithin(`${prefix}${name}.`, inner, schemas),
  ]);
}

function resolve(schema: Schema, schemas: Record<string, Schema>): Schema {
  return schema.$ref ? (schemas[schema.$ref.split("/").at(-1) ?? ""] ?? schema) : schema;
}

function typeName(schema: Schema | undefined): string {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").at(-1) ?? "";
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.anyOf) return schema.anyOf.map(typeName).join(" | ");
  if (schema.items)
    return schema.items.anyOf ? `(${typeName(schema.items)})[]` : `${typeName(schema.items)}[]`;
  if (schema.properties) {
    const isNullable = [schema.type].flat().includes("null");
    return shape(schema.properties, schema.required) + (isNullable ? " | null" : "");
  }
  if (typeof schema.additionalProperties === "object") {
    return `object of ${typeName(schema.additionalProperties)} by name`;
  }
  return [schema.type ?? "any"].flat().join(" | ") + (schema.format ? ` (${schema.format})` : "");
}

/** `{ table, recordId, to? }` */
const shape = (properties: Record<string, Schema>, required: string[] = []) =>
  `{ ${Object.keys(properties)
    .map((name) => (required.includes(name) ? name : `${name}?`))
    .join(", ")} }`;

function bounds(schema: Schema = {}): string[] {
  const { minimum, maximum, maxLength, maxItems } = schema;
  return [
    minimum !== undefined && maximum !== undefined ? `${minimum} to ${maximum}` : "",
    maxLength === undefined ? "" : `up to ${maxLength} characters`,
    maxItems === undefined ? "" : `up to ${maxItems}`,
    schema.default === undefined
      ? ""
      : `default ${typeof schema.default === "string" ? schema.default : JSON.stringify(schema.default)}`,
  ].filter(Boolean);
}

/** Text whose `code` is marked with backticks. */
const prose = (text = "") =>
  text.split("`").map((part, i) => (i % 2 === 0 ? part : html`<code>${part}</code>`));
