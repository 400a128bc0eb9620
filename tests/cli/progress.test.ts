import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { newId } from "../support/api.ts";
import { useDatabase } from "../support/database.ts";
import { kept, useFiles } from "./import-support.ts";

const db = useDatabase();
const { write } = useFiles();
const program = path.resolve(import.meta.dirname, "../../cli/afterimage.js");
const CTRL_C = "\u0003";

/** Imports `count` trails at a terminal, which util-linux' script stands in for. */
function importAtTerminal(count: number, onOutput: (text: string, type: (keys: string) => void) => void) {
  const projectId = newId("proj");
  const file = write(Array.from({ length: count }, () => kept(newId("msg"), { projectId })));
  const command = `stty cols 200 rows 40; ${process.execPath} ${program} import trails ${file}`;
  const env = { ...process.env, CI: undefined, DATABASE_URL: db.url("app") };
  const terminal = spawn("script", ["-qec", command, "/dev/null"], { env });
  let text = "";
  terminal.stdout.on("data", (chunk: Buffer) => {
    text += chunk.toString();
    onOutput(text, (keys) => terminal.stdin.write(keys));
  });
  return new Promise<{ code: number | null; text: string }>((resolve) =>
    terminal.once("close", (code) => resolve({ code, text })),
  );
}

describe.runIf(process.platform === "linux" && fs.existsSync("/usr/bin/script"))("at a terminal", () => {
  test("an import shows how far it is, and ends with its counts", async () => {
    const { code, text } = await importAtTerminal(6_000, () => undefined);
    expect(text).toMatch(/━.* \d+00 lines/);
    expect(text).toContain("6000 lines: 6000 trails stored");
    expect(code).toBe(0);
  });

  test("one that is interrupted does not end as if it were done", async () => {
    let isTyped = false;
    const { code, text } = await importAtTerminal(20_000, (told, type) => {
      if (isTyped || !told.includes("00 lines")) return;
      isTyped = true;
      type(CTRL_C);
    });
    expect(text).not.toContain("trails stored");
    expect(code).toBe(130);
  });

  test("one that fails ends, and says why", async () => {
    await db.rows("superuser", "alter table audit.audit_trails rename to audit_trails_away");
    const { code, text } = await importAtTerminal(10, () => undefined);
    await db.rows("superuser", "alter table audit.audit_trails_away rename to audit_trails");
    expect(text).toContain("Postgres refused (42P01)");
    expect(code).toBe(1);
  });
});
