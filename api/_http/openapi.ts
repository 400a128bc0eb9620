import { z } from "zod";
import packageJson from "../../package.json" with { type: "json" };
import type { App } from "./app.ts";
import { IDEMPOTENCY_KEY } from "./input.ts";
import { problemCodes } from "./problems.ts";
import type { Endpoint } from "./spec.ts";

const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe("What is wrong and what to do next."),
    code: z
      .enum(problemCodes.map((one) => one.code))
      .describe(problemCodes.map((one) => `\`${one.code}\` (${one.status}): ${one.title}.`).join("\n")),
    requestId: z.string(),
    errors: z.array(z.object({ path: z.string(), code: z.string(), message: z.string() })),
  })
  .describe("An RFC 9457 problem document.")
  .meta({ id: "Problem" });

const problem = (description: string) => ({
  description,
  content: { "application/problem+json": { schema: problemSchema } },
});

const contentOf = (schema: z.ZodType, contentType: string | string[] = "application/json") =>
  Object.fromEntries([contentType].flat().map((type) => [type, { schema }]));

const bodyOf = (schema: z.ZodType, example: unknown) => ({
  required: true,
  content: { "application/json": { schema, ...(example === undefined ? {} : { example }) } },
});

/** Adds an endpoint to the OpenAPI document, from the schemas that check its requests. */
export function documentEndpoint<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType>(
  app: App,
  spec: Endpoint<P, Q, B>,
): void {
  const writeHeaders = z.object({
    "Idempotency-Key": z
      .string()
      .regex(IDEMPOTENCY_KEY)
      .optional()
      .describe("The same key answers the same for 24 hours."),
    ...(spec.minimal
      ? {
          Prefer: z
            .enum(["return=minimal", "return=representation"])
            .optional()
            .describe(
              `\`return=minimal\` (RFC 7240) asks for the short answer, which is then also what is kept. A key without the scope \`${spec.minimal.wholeScope}\` gets it in any case.`,
            ),
        }
      : {}),
  });
  app.openAPIRegistry.registerPath({
    method: spec.method,
    path: spec.path,
    operationId: spec.operationId,
    tags: [spec.tag],
    summary: spec.summary,
    description: [spec.description, `Scope: \`${spec.scope}\`.`].filter(Boolean).join("\n\n"),
    security: [{ apiKey: [] }],
    request: {
      ...(spec.params instanceof z.ZodObject ? { params: spec.params } : {}),
      ...(spec.query instanceof z.ZodObject ? { query: spec.query } : {}),
      ...(spec.method === "get" ? {} : { headers: writeHeaders }),
      ...(spec.body ? { body: bodyOf(spec.body, spec.example) } : {}),
    },
    responses: {
      ...Object.fromEntries(
        Object.entries(spec.answers).map(([status, { description, schema, contentType }]) => [
          status,
          {
            description,
            ...(schema ? { content: contentOf(schema, contentType) } : {}),
          },
        ]),
      ),
      "4XX": problem("The request is refused: `code` says why, `detail` what to do, `errors` which fields."),
      "5XX": problem(
        "The service or its database failed. A 503 passes: ask again, after the seconds of `Retry-After` where it has one. A 500 does not: report its `requestId`.",
      ),
    },
  });
}

/** The document behind /api/openapi.json and /api/docs. */
export function openApiDocument(app: App) {
  app.openAPIRegistry.registerComponent("securitySchemes", "apiKey", { type: "http", scheme: "bearer" });
  return app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Afterimage",
      version: packageJson.version,
      description:
        "Audit trails you can restore from: workspace events, AI message trails, and the jobs that keep them.",
    },
    servers: [{ url: "/" }],
  });
}
