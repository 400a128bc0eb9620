const DAY_MS = 24 * 60 * 60 * 1_000;
const PROJECTS = ["assessment-pilot", "support-chat", "course-tutor"];
/** Dollars per million tokens; the last model has no price, as a new one has none for a while. */
const MODELS = [
  { name: "claude-3-7-sonnet-20250219", prompt: 3, completion: 15 },
  { name: "gpt-4o-mini", prompt: 0.15, completion: 0.6 },
  { name: "mistral-large-2411", prompt: 2, completion: 6 },
  { name: "house-model-preview", prompt: null, completion: null },
];
const THOUGHTS = [
  "The learner asks for the reason, not the rule; answer with an example first.",
  "Two of the retrieved passages contradict each other; prefer the newer one and say so.",
  "The policy asks for the assessment's wording to be kept; quote it.",
  "No tool is needed; the context holds the answer.",
];

export interface ChatMessage {
  messageId: string;
  projectId: string;
  placeholder: { projectId: string; model: string; contextLayers: number; timestamp: string };
  /** Null: the answer never came, as happens. */
  completion: {
    status: "complete" | "failed";
    reasoning: string[];
    tokens: { prompt: number; completion: number };
    cost: { prompt: number; completion: number } | null;
    latencyMs: number;
  } | null;
}

/** A day of chat messages that ends at `end`, busy by day and quiet by night; the same for the same seed. */
export function chatDay(count: number, seed: number, end: Date): ChatMessage[] {
  const random = seededRandom(seed);
  const pick = <T>(from: readonly T[]) => from[Math.floor(random() * from.length)] as T;
  const day = end.toISOString().slice(0, "2026-01-01".length);
  return Array.from({ length: count }, (_, i) => {
    const model = pick(MODELS);
    const projectId = pick(PROJECTS);
    const share = (i + random()) / count;
    const timestamp = new Date(
      end.getTime() - DAY_MS * (1 - (share + Math.sin(2 * Math.PI * share) / 12)),
    ).toISOString();
    return {
      messageId: `msg-${day}-${seed}-${i}`,
      projectId,
      placeholder: { projectId, model: model.name, contextLayers: 1 + Math.floor(random() * 5), timestamp },
      completion: random() < 0.01 ? null : complete(model, random, pick),
    };
  });
}

function complete(
  model: (typeof MODELS)[number],
  random: () => number,
  pick: <T>(from: readonly T[]) => T,
): ChatMessage["completion"] {
  const prompt = 200 + Math.floor(random() ** 2 * 6_000);
  const completion = 20 + Math.floor(random() ** 2 * 1_500);
  const price = (tokens: number, perMillion: number) => Math.round(tokens * perMillion) / 1_000_000;
  return {
    status: random() < 0.02 ? "failed" : "complete",
    reasoning: Array.from({ length: Math.floor(random() * 3) }, () => pick(THOUGHTS)),
    tokens: { prompt, completion },
    cost:
      model.prompt === null || model.completion === null
        ? null
        : { prompt: price(prompt, model.prompt), completion: price(completion, model.completion) },
    latencyMs: 300 + Math.floor(random() ** 3 * 20_000),
  };
}

/** A linear congruential generator (multiplier and increment of Numerical Recipes): numbers from 0 to 1. */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
