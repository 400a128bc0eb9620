import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll } from "vitest";
import { newId } from "../support/api.ts";
import { daysAgo } from "../services/trails/support.ts";

/** Files of this test file's own; a line that is no text is written as JSON. */
export function useFiles(): { folder: string; write(lines: readonly unknown[]): string } {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "afterimage-import-"));
  afterAll(() => fs.rmSync(folder, { recursive: true }));
  const write = (lines: readonly unknown[]) => {
    const file = path.join(folder, `${newId("file")}.ndjson`);
    const texts = lines.map((one) => (typeof one === "string" ? one : JSON.stringify(one)));
    fs.writeFileSync(file, texts.join("\n"));
    return file;
  };
  return { folder, write };
}

/** As an application's memory holds it. */
export const kept = (messageId: string, more: object = {}) => ({
  messageId,
  timestamp: daysAgo(3),
  model: "claude-3-7-sonnet-20250219",
  reasoning: ["The context holds the answer."],
  contextLayers: 3,
  tokens: { prompt: 100, completion: 50, total: 150 },
  cost: { prompt: 0.0003, completion: 0.00075, total: 0.00105 },
  ...more,
});

export const zero = { prompt: 0, completion: 0, total: 0 };

export interface Reject {
  line: number;
  reason: string;
  text: string | null;
}

export const rejectsOf = (file: string): Reject[] =>
  fs
    .readFileSync(`${file}.rejected`, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Reject);
