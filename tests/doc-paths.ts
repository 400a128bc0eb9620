import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

// Fails when a document names a file or folder of ours that is not there.
const root = path.resolve(import.meta.dirname, "..");
const tracked = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: root,
  encoding: "utf8",
});
const documents = tracked.split("\n").filter((file) => file.endsWith(".md"));
const folders = "api|functions|services|db|lib|client|local|cli|bench|tests|examples|docs";
const ROOT_PATH = new RegExp(`\`((?:${folders})/[\\w./-]*)\``, "g");
const LINK = /\]\((?!https?:|#|mailto:)([^)#]+)/g;

const missing: string[] = [];
for (const document of documents) {
  const text = fs.readFileSync(path.join(root, document), "utf8");
  const named = [...text.matchAll(ROOT_PATH)].map((match) => path.join(root, match[1] as string));
  const linked = [...text.matchAll(LINK)].map((match) =>
    path.join(root, path.dirname(document), match[1] as string),
  );
  for (const target of [...named, ...linked]) {
    if (!fs.existsSync(target)) missing.push(`${document}: ${path.relative(root, target)}`);
  }
}

if (missing.length > 0) {
  console.error(`Documents name files that are not there:\n  ${missing.join("\n  ")}`);
  process.exit(1);
}
console.log(`${documents.length} documents name only files that are there.`);
