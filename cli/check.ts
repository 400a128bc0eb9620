import type { z } from "zod";
import { invalidField } from "../services/errors.ts";

/** What was typed, as a schema wants it; throws a refusal that names the first wrong option. */
export function check<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw invalidField(
    issue?.path.join(".") || "value",
    issue?.code ?? "invalid",
    issue?.message ?? "is not valid",
  );
}
