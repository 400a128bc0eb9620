import { beforeEach, expect, test } from "vitest";
import { expirePurges } from "../../services/purges/expire.ts";
import { workerContext } from "../../services/runtime.ts";
import { useApi } from "../support/api.ts";
import { proposePurge } from "../support/purges.ts";
import { expectProblem } from "./support.ts";

const api = useApi();

beforeEach(() => {
  api.engine.sent.length = 0;
  api.engine.away = false;
});

const decide = (id: string, how: "approve" | "reject") =>
  api.call("POST", `/purges/${id}/${how}`, { body: {} });
const statusOf = async (id: string) =>
  (await api.db.rows("app", "select status, decision from purges where id = $1", [id]))[0];

test("an approval that the engine did not hear of is kept, and sent again when somebody looks", async () => {
  const id = await proposePurge(api.db);
  api.engine.away = true;
  expect((await decide(id, "approve")).status).toBe(200);
  expect(await statusOf(id)).toEqual({ status: "approved", decision: "approved" });
  api.engine.away = false;
  await api.db.asOwner(
    "update workflow_requests set created_at = now() - interval '61 s', last_sent_at = null where event_id = $1",
    [id],
  );
  await api.call("GET", "/purges");
  expect(api.engine.sent).toEqual([
    { id, name: "audit/purge.approved", data: { purgeId: id, requestId: id } },
  ]);
});

test("of decisions that come at the same time one counts, and the others are told so", async () => {
  const id = await proposePurge(api.db);
  const answers = await Promise.all([
    decide(id, "approve"),
    decide(id, "reject"),
    decide(id, "approve"),
    decide(id, "reject"),
  ]);
  const [made, ...more] = answers.filter(({ status }) => status === 200);
  expect(more).toEqual([]);
  for (const answer of answers.filter((one) => one !== made)) expectProblem(answer, 409, "conflict");
  expect(await statusOf(id)).toEqual({ status: made?.body.status, decision: made?.body.status });
  expect(api.engine.sent).toHaveLength(made?.body.status === "approved" ? 1 : 0);
});

test("a proposal that expires as it is decided is decided or expired, never both", async () => {
  for (let i = 0; i < 8; i++) {
    const id = await proposePurge(api.db, "1 day");
    const [answer] = await Promise.all([
      decide(id, "approve"),
      api.db
        .rows("superuser", "update audit.purges set expires_at = now() - interval '1 s' where id = $1", [id])
        .then(() => expirePurges(workerContext(api.runtime))),
    ]);
    const isApproved = answer.status === 200;
    if (!isApproved) expectProblem(answer, 409, "conflict");
    expect(await statusOf(id)).toEqual(
      isApproved ? { status: "approved", decision: "approved" } : { status: "expired", decision: null },
    );
  }
});
