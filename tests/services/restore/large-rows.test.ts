import { expect, test } from "vitest";
import { ANSWER_BYTES_MAX } from "../../../services/answer-size.ts";
import { useRestores } from "../../support/restores.ts";
import { timeBetween } from "./support.ts";

const stage = useRestores();

test("a page of large rows of a restore ends before an answer is too large, and the next one goes on there", async () => {
  await stage.sql("create table documents (id int primary key, body text)");
  await stage.sql("select audit.track('documents')");
  await stage.sql(
    "insert into documents select g, repeat(md5(g::text), 12800) from generate_series(1, 12) g",
  );
  const at = await timeBetween(stage);
  await stage.sql("update documents set body = repeat(md5(body), 12800)");
  const { body: plan } = await stage.preview({ tables: ["public.documents"], at });
  expect(plan.itemCount).toBe(12);
  const found: string[] = [];
  let more = "";
  do {
    const { body } = await stage.call("GET", `/restores/${plan.id}/items?limit=1000${more}`);
    expect(body.items.length).toBeLessThan(6);
    expect(Buffer.byteLength(JSON.stringify(body))).toBeLessThan(ANSWER_BYTES_MAX + 1_000);
    found.push(...body.items.map((one: { recordId: string }) => one.recordId));
    more = body.nextCursor === null ? "" : `&cursor=${body.nextCursor}`;
  } while (more !== "");
  expect(found.toSorted()).toEqual(Array.from({ length: 12 }, (_, i) => String(i + 1)).toSorted());
});
