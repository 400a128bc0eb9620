import { z } from "zod";

/** Objects that name what they do not know, and what they do. */
export const settings = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? `${(issue.keys as string[]).join(", ")}: not known here; use ${Object.keys(shape).join(", ")}`
        : `is an object with ${Object.keys(shape).join(", ")}`,
  });

export const tableName = z.string().regex(/^[^.]+\.[^]+$/, { error: "is schema.name: public.venues" });
export const columnName = z.string({ error: "is a column's name" }).min(1, { error: "is a column's name" });
