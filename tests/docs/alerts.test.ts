import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { alertCodes, docsLink } from "../../services/alerts/codes.ts";

const root = path.resolve(import.meta.dirname, "../..");
const text = fs.readFileSync(path.join(root, "docs/ALERTS.md"), "utf8");
const codes = Object.keys(alertCodes);

/** GitHub's rule for the anchor of a heading: lower case, punctuation dropped, spaces as hyphens. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
const headings = [...text.matchAll(/^#+ (.+)$/gm)].map((match) => match[1] as string);
const anchors = headings.map(anchorOf);

test("every code has an entry, and every entry is of a code", () => {
  const entries = text.split("## Codes")[1] ?? "";
  const found = [...entries.matchAll(/^### (.+)$/gm)].map((match) => match[1]);
  expect(found.toSorted()).toEqual(codes.toSorted());
});

test.each(codes)("the link of an alert %s leads to its entry", (code) => {
  const [file, anchor] = docsLink("docs/ALERTS.md", code).split("#");
  expect(file).toBe("docs/ALERTS.md");
  expect(anchors.filter((one) => one === anchor)).toHaveLength(1);
});

test("every code is raised somewhere, and no other is", () => {
  const sources = execFileSync("git", ["ls-files", "-co", "--exclude-standard", "services"], {
    cwd: root,
    encoding: "utf8",
  })
    .split("\n")
    .filter((file) => file.endsWith(".ts") && !file.endsWith("alerts/codes.ts"));
  const raised = sources.flatMap((file) => {
    const source = fs.readFileSync(path.join(root, file), "utf8");
    const named = source.match(/(?:code: |AlertCode = )"[a-z.-]+"(?: \| "[a-z.-]+")*/g) ?? [];
    return named.flatMap((one) => one.match(/[a-z]+\.[a-z-]+/g) ?? []);
  });
  expect([...new Set(raised)].toSorted()).toEqual(codes.toSorted());
});
