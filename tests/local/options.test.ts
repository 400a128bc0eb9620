import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

const root = path.resolve(import.meta.dirname, "../..");
const { scripts } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8")) as {
  scripts: Record<string, string>;
};
const PROGRAM = `
  import { parseOptions, wholeNumber } from "./local/options.ts";
  const { values } = parseOptions("It counts.\\n", { to: { type: "string", default: "3" } });
  console.log(wholeNumber("--to", values.to, 1, 9));`;

const run = (...args: string[]) =>
  new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, args, { cwd: root }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
const refused = (stderr: string) => ({ code: 2, stdout: "", stderr: `${stderr} See --help.\n` });
const answered = (stdout: string) => ({ code: 0, stdout, stderr: "" });

test("a program is told its options, or that it has one wrong, in one line", async () => {
  const program = (...args: string[]) =>
    run("--import", "tsx", "--input-type=module", "--eval", PROGRAM, "--", ...args);
  const given = [
    [],
    ["--to", "9"],
    ["--help"],
    ["--to", "10"],
    ["--to", "x"],
    ["--to", "-1"],
    ["--two"],
    ["2"],
  ];
  expect(await Promise.all(given.map((args) => program(...args)))).toEqual([
    answered("3\n"),
    answered("9\n"),
    answered("It counts.\n"),
    refused("--to must be a whole number from 1 to 9."),
    refused("--to must be a whole number from 1 to 9."),
    refused("Option '--to' argument is ambiguous."),
    refused("Unknown option '--two'."),
    refused("Unexpected argument '2'."),
  ]);
});

test.each(["start", "demo", "demo:restore", "demo:chat", "faults", "attack", "bench"])(
  "npm run %s refuses an option that it does not know without a stack trace",
  async (name) => {
    const [, ...command] = scripts[name]?.split(" ") ?? [];
    expect(await run(...command, "--no-such-option")).toEqual(refused("Unknown option '--no-such-option'."));
  },
);
