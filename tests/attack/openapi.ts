import type { App } from "../../api/_http/app.ts";

/** What the service's documents use of JSON Schema (2020-12); `$ref` is resolved already. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  pattern?: string;
  enum?: unknown[];
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  maxItems?: number;
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  propertyNames?: Schema;
  anyOf?: Schema[];
  allOf?: Schema[];
}

export interface Parameter {
  name: string;
  in: "path" | "query" | "header";
  required?: boolean;
  schema: Schema;
}

export interface Operation {
  /** `PUT /api/trails/{messageId}` */
  name: string;
  method: string;
  path: string;
  parameters: Parameter[];
  body: Schema | null;
  /** By status (`201`, `4XX`), then by content type. */
  responses: Record<string, Record<string, Schema>>;
  /** Null: anybody may ask. */
  scope: string | null;
}

interface Described {
  description?: string;
  security?: unknown[];
  parameters?: Parameter[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, { content?: Record<string, { schema: Schema }> }>;
}

/** Every operation that a running app says it has. Nothing here knows a route by name. */
export async function readOperations(app: App): Promise<Operation[]> {
  const response = await app.request("http://localhost/api/openapi.json");
  const document = (await response.json()) as {
    paths: Record<string, Record<string, Described>>;
    components?: { schemas?: Record<string, Schema> };
  };
  const named = document.components?.schemas ?? {};
  const whole = <T>(value: T): T => resolve(value, named) as T;
  return Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, one]) => ({
      name: `${method.toUpperCase()} ${path}`,
      method: method.toUpperCase(),
      path,
      parameters: (one.parameters ?? []).map(whole),
      body: whole(Object.values(one.requestBody?.content ?? {})[0]?.schema ?? null),
      responses: Object.fromEntries(
        Object.entries(one.responses).map(([status, { content = {} }]) => [
          status,
          Object.fromEntries(Object.entries(content).map(([type, { schema }]) => [type, whole(schema)])),
        ]),
      ),
      scope: one.security ? (/Scope: `([^`]+)`/.exec(one.description ?? "")?.[1] ?? "") : null,
    })),
  );
}

function resolve(value: unknown, named: Record<string, Schema>): unknown {
  if (Array.isArray(value)) return value.map((one) => resolve(one, named));
  if (typeof value !== "object" || value === null) return value;
  const { $ref } = value as Schema;
  if ($ref !== undefined) return resolve(named[$ref.split("/").at(-1) ?? ""] ?? {}, named);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, resolve(inner, named)]));
}

export const typesOf = ({ type }: Schema): string[] => (type === undefined ? [] : [type].flat());
