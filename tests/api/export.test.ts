import { describe, expect, test } from "vitest";
import { newId, useApi } from "../support/api.ts";
import { parseCsv } from "../support/csv.ts";
import { newEvent } from "./support.ts";

const api = useApi();
const EXPORT = "/audit/events/export";

const batch = async (events: object[]): Promise<string[]> =>
  (await api.call("POST", "/audit/log/batch", { body: { events } })).body.ids;
const lines = (text: string) =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

const odd = [
  'say "hi", then go',
  "two\nlines",
  "carriage\rreturn\r\nboth",
  "comma, semicolon; tab\there",
  "ü😀審\u2028\u00a0",
  "'quoted'",
  '""',
  " spaces ",
  "\\backslash\\n",
];

describe("a CSV export", () => {
  test("opens in a parser with every character as it was stored", async () => {
    const ws = newId("ws");
    await batch(
      odd.map((text, i) =>
        newEvent(ws, {
          resourceId: text,
          userAgent: text,
          eventId: `e-${i}`,
          newValues: { [text]: [text, null, 1.5] },
          tags: [text],
          occurredAt: "2026-01-01T00:00:00.123Z",
        }),
      ),
    );
    const { status, body, headers } = await api.call("GET", `${EXPORT}?format=csv&workspaceId=${ws}`);
    expect(status).toBe(200);
    expect(headers.get("content-type")).toBe("text/csv; charset=utf-8");
    expect(headers.get("content-disposition")).toContain('filename="audit-events.csv"');
    const rows = parseCsv(body)
      .filter((row) => row.actionType === "TEST_EVENT")
      .toReversed();
    expect(rows.map((row) => row.resourceId)).toEqual(odd);
    rows.forEach((row, i) => {
      const text = odd[i] as string;
      expect(row).toMatchObject({ userAgent: text, workspaceId: ws, oldValues: "", deletedAt: "" });
      expect(JSON.parse(row.newValues as string)).toEqual({ [text]: [text, null, 1.5] });
      expect(JSON.parse(row.tags as string)).toEqual([text]);
      expect(row.occurredAt).toBe("2026-01-01T00:00:00.123Z");
    });
  });

  test("holds no cell that a spreadsheet would run as a formula", async () => {
    const ws = newId("ws");
    const formulas = ["=1+1", "+1", "-1", "@sum(1)", "\t=1", "\r=1", '=HYPERLINK("http://x")', "=1\n+2"];
    await batch(
      formulas.map((text) => newEvent(ws, { resourceId: text, actionType: text, userAgent: text })),
    );
    const { body } = await api.call("GET", `${EXPORT}?format=csv&workspaceId=${ws}&resourceType=thing`);
    const rows = parseCsv(body).toReversed();
    for (const column of ["resourceId", "actionType", "userAgent"]) {
      expect(rows.map((row) => row[column])).toEqual(formulas.map((text) => `'${text}`));
    }
    for (const row of rows) {
      for (const cell of Object.values(row)) expect(cell).not.toMatch(/^[=+\-@\t\r]/);
    }
  });

  test("of nothing is its header line", async () => {
    const { body } = await api.call("GET", `${EXPORT}?format=csv&workspaceId=${newId("ws")}`);
    expect(body).toMatch(/^id,createdAt,occurredAt,[\w,]+\r\n$/);
  });
});

describe("an NDJSON export", () => {
  test("is one object a line, each equal to what the list shows", async () => {
    const ws = newId("ws");
    await batch(odd.map((text) => newEvent(ws, { resourceId: text, metadata: { text } })));
    const query = `workspaceId=${ws}&actionType=TEST_EVENT`;
    const { body, headers } = await api.call("GET", `${EXPORT}?format=ndjson&${query}`);
    expect(headers.get("content-type")).toBe("application/x-ndjson");
    const { items } = (await api.call("GET", `/audit/events?${query}`)).body;
    expect(lines(body)).toEqual(items);
    expect(items).toHaveLength(odd.length);
  });

  test("of nothing is empty", async () => {
    const { status, body } = await api.call("GET", `${EXPORT}?format=ndjson&workspaceId=${newId("ws")}`);
    expect([status, body]).toEqual([200, ""]);
  });

  test("takes the same filters as the list", async () => {
    const ws = newId("ws");
    await batch(["a.x", "a.y", "b.x"].map((actionType) => newEvent(ws, { actionType, tags: [actionType] })));
    for (const [filter, count] of [
      ["actionType=a.*", 2],
      ["tag=b.x", 1],
      ["text=A.X", 1],
    ]) {
      const { body } = await api.call("GET", `${EXPORT}?format=ndjson&workspaceId=${ws}&${filter}`);
      expect(lines(body)).toHaveLength(count as number);
    }
  });
});
