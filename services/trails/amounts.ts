import { z } from "zod";

/** The largest integer that its column holds. */
export const INTEGER_MAX = 2 ** 31 - 1;
const COST_MAX = 1e12;

const amount = z.int().min(0).max(INTEGER_MAX);
const money = z.number().min(0).max(COST_MAX);

/** Tokens of one message; `total` is prompt + completion when left out. */
export const tokens = z
  .strictObject({
    prompt: amount,
    completion: amount,
    total: amount.nullish().describe("The provider's own, kept as it is; prompt + completion if left out."),
    cached: amount.nullish().describe("Of the prompt, read from the provider's cache."),
    reasoning: amount.nullish().describe("Of the completion, spent on thinking."),
  })
  .refine(({ prompt, completion, total }) => (total ?? prompt + completion) <= INTEGER_MAX, {
    path: ["total"],
    message: `prompt + completion must not exceed ${INTEGER_MAX}`,
  });
type Tokens = z.infer<typeof tokens>;

/** Money for one message, in the caller's currency; added exactly, kept with all its digits. */
export const cost = z.strictObject({
  prompt: money,
  completion: money,
  total: money.nullish().describe("prompt + completion if left out."),
});
type Cost = z.infer<typeof cost>;

/** Whether tokens or a cost hold anything: a placeholder's are absent, null or 0. */
export function holdAmount(...groups: (Tokens | Cost | null | undefined)[]): boolean {
  return groups.some((group) => Object.values(group ?? {}).some((value) => (value ?? 0) > 0));
}
