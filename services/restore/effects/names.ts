import { createHash } from "node:crypto";

/** Postgres' index takes no text of over about 2,700 bytes. */
const NAME_BYTES_MAX = 1_000;
const PATTERN = "pattern:";
const DIGEST = "sha256:";

/**
 * What an effect is noted under: itself, or its digest where Postgres would not take it or it could be taken for
 * something else.
 */
export function effectName(text: string): string {
  const isPlain =
    Buffer.byteLength(text) <= NAME_BYTES_MAX &&
    text.isWellFormed() &&
    !text.includes("\0") &&
    !text.startsWith(PATTERN) &&
    !text.startsWith(DIGEST);
  return isPlain ? text : `${DIGEST}${sha256(text)}`;
}

/** What a pattern of keys is noted under: never what a key is. */
export const patternName = (glob: string): string => {
  const name = effectName(glob);
  return `${PATTERN}${name}`;
};

/** What is noted of a key besides its name, so that `keyOf` finds it again. */
export const keyDetail = (key: string): { key?: string } =>
  effectName(key) === key ? {} : { key: Buffer.from(key).toString("base64") };

export const keyOf = ({ name, detail }: { name: string; detail: Record<string, unknown> }): string =>
  typeof detail.key === "string" ? Buffer.from(detail.key, "base64").toString() : name;

export const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
