import { setTimeout as sleep } from "node:timers/promises";

/** Stands in for a model's API: it runs here, and costs nothing. */
export const MODEL = "house-model-1";
/** Dollars per million tokens. */
const PRICE = { prompt: 0.5, completion: 1.5 };
const PER_MILLION = 1_000_000;
const WORD_MS = 15;

export interface Usage {
  reasoning: string[];
  tokens: { prompt: number; completion: number };
  cost: { prompt: number; completion: number };
}

/** Streams an answer word by word until the signal; what it returns at the end is what it took. */
export type Model = (question: string, signal: AbortSignal) => AsyncGenerator<string, Usage>;

export const answer: Model = async function* (question, signal) {
  const words = `You asked: "${question}". A real model would know; this one only counts your words.`.split(
    " ",
  );
  for (const word of words) {
    await sleep(WORD_MS, undefined, { signal });
    yield `${word} `;
  }
  const tokens = { prompt: question.split(" ").length + 200, completion: words.length };
  const price = (count: number, perMillion: number) => (count * perMillion) / PER_MILLION;
  return {
    reasoning: ["The question is short; no tool is needed.", `It has ${question.split(" ").length} words.`],
    tokens,
    cost: {
      prompt: price(tokens.prompt, PRICE.prompt),
      completion: price(tokens.completion, PRICE.completion),
    },
  };
};
