import { describe, expect, test } from "vitest";
import { newId, useApi } from "../support/api.ts";
import { useCli } from "../support/cli.ts";
import { newTrail } from "../services/trails/support.ts";
import { kept, useFiles, zero } from "./import-support.ts";

const api = useApi();
const afterimage = useCli(api.db);
const { write } = useFiles();

describe("compare", () => {
  test("what was imported is equal, in the fields that the file names", async () => {
    const projectId = newId("proj");
    const file = write([
      kept(newId("msg")),
      kept(newId("msg"), { tokens: zero, cost: zero, reasoning: null }),
    ]);
    await afterimage(["import", "trails", file, "--project", projectId]);
    expect(await afterimage(["compare", file, "--project", projectId])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("2 trails: 2 equal, 0 different, 0 missing, 0 unreadable."),
    });
  });

  test("each difference is named by line, message and field, and ends with 1", async () => {
    const { put, projectId, messageId } = newTrail(api);
    await put({
      ...kept(messageId),
      projectId,
      cost: { prompt: 0.0003, completion: 0.00085 },
      reasoning: ["Other."],
    });
    const missing = newId("msg");
    const file = write([kept(messageId, { projectId }), kept(missing, { projectId }), "{}"]);
    const { code, stdout } = await afterimage(["compare", file]);
    expect(code).toBe(1);
    expect(stdout).toContain("3 trails: 0 equal, 1 different, 1 missing, 1 unreadable.");
    expect(stdout).toContain(`line 1  ${messageId}  timestamp  file `);
    expect(stdout).toContain(
      `line 1  ${messageId}  reasoning  file ["The context holds the answer."]  stored ["Other."]`,
    );
    expect(stdout).toContain(`line 1  ${messageId}  cost.completion  file 0.00075  stored 0.00085`);
    expect(stdout).not.toContain("tokens");
    expect(stdout).toContain(`line 2  ${missing}  is not stored`);
  });

  test("a file without a trail is not equal to anything", async () => {
    const { code, stdout } = await afterimage(["compare", write(["", ""])]);
    expect(stdout).toContain("0 trails: 0 equal");
    expect(code).toBe(1);
  });

  test("every line of a long file is compared, and the first hundred findings are shown", async () => {
    const { projectId, messageId, patch } = newTrail(api);
    const lines = Array.from({ length: 1_100 }, (_, n) =>
      kept(n === 777 ? messageId : newId("msg"), { projectId }),
    );
    const file = write(lines);
    const nothing = await afterimage(["compare", file]);
    expect(nothing.stdout).toContain("1100 trails: 0 equal, 0 different, 1100 missing, 0 unreadable.");
    expect(nothing.stdout).toMatch(/line 100 .* is not stored\n… and 1000 more\./);
    await afterimage(["import", "trails", file]);
    await patch({ contextLayers: 4 });
    const { code, stdout } = await afterimage(["compare", file]);
    expect(stdout).toContain("1100 trails: 1099 equal, 1 different, 0 missing, 0 unreadable.");
    expect(stdout).toContain(`line 778  ${messageId}  contextLayers  file 3  stored 4`);
    expect(code).toBe(1);
  });
});
