import type { z } from "zod";
import { checkInput } from "../lib/input-faults.ts";
import { invalidField } from "../services/errors.ts";

/** What was typed, as a schema wants it; throws a refusal that names the first wrong option. */
export function check<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const { data, faults } = checkInput(schema, value);
  if (!faults) return data;
  const [{ path, code, message }] = faults;
  throw invalidField(path.map(String).join(".") || "value", code, message);
}
