import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

const root = path.resolve(import.meta.dirname, "../..");
const documents = execFileSync("git", ["ls-files", "-co", "--exclude-standard", "*.md"], {
  cwd: root,
  encoding: "utf8",
})
  .split("\n")
  .filter((file) => file !== "" && fs.existsSync(path.join(root, file)));

const textOf = (file: string) => fs.readFileSync(path.join(root, file), "utf8");

/** GitHub's rule for the anchor of a heading: lower case, punctuation dropped, spaces as hyphens. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
const anchorsOf = (file: string) =>
  [...textOf(file).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => anchorOf(heading));

/** The links of a document to documents: `to` is a path from the root, `anchor` may be missing. */
const linksOf = (file: string) =>
  [...textOf(file).matchAll(/\]\((?!https?:|mailto:)([^)#]*)(?:#([^)]+))?\)/g)].map(
    ([, to = "", anchor]) => ({
      to: to === "" ? file : path.join(path.dirname(file), to),
      anchor,
    }),
  );

test.each(documents)("every link in %s to a heading finds it", (file) => {
  const lost = linksOf(file).filter(
    ({ to, anchor }) => anchor !== undefined && !anchorsOf(to).includes(anchor),
  );
  expect(lost).toEqual([]);
});

test("every page of docs/ is linked by another document", () => {
  const pages = documents.filter((file) => /^docs\/[^/]+\.md$/.test(file));
  const linked = new Set(documents.flatMap((file) => linksOf(file).map(({ to }) => (to === file ? "" : to))));
  expect(pages.filter((page) => !linked.has(page))).toEqual([]);
});
