import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { begin } from "../faults/client-misfortunes.ts";
import { bundleFolder, bundleService, startService, type Service } from "../faults/client-service.ts";
import { randomFrom } from "../faults/random.ts";
import { deleteDueTrails } from "../../services/trails/delete-due.ts";
import { rollUpTrails } from "../../services/trails/roll-up.ts";
import { workerContext } from "../../services/runtime.ts";
import { newId, useApi } from "../support/api.ts";
import { useCli } from "../support/cli.ts";
import { Fleet, type Instance, type Report } from "./fleet.ts";

const INSTANCES = 2;
const PEOPLE = 4;
const PHASE_MS = 1_000;
const MISFORTUNES_MS = 3_000;
const READS_AT_ONCE = 6;
const LEAVING_SHARE = 0.1;
const BATCH = 1_000;
const SEED = Number(process.env.FAULT_SEED ?? Date.now() % 100_000);

const api = useApi();
const afterimage = useCli(api.db);
const folder = bundleFolder();
const dumps = path.join(folder, "dumps");
const projectId = newId("proj");
let service: Service;
let fleet: Fleet;
beforeAll(async () => {
  fs.mkdirSync(dumps);
  await Promise.all([bundleService(folder), Fleet.bundle(folder)]);
  service = await startService(folder, api.db.serviceEnv());
  fleet = new Fleet(folder, {
    AUDIT_URL: service.url,
    AUDIT_API_KEY: await api.mintKey(),
    AUDIT_TRAILS_FOLDER: dumps,
  });
});
afterAll(async () => {
  fleet.close();
  await service.close();
  fs.rmSync(folder, { recursive: true });
});

interface Chat {
  messageId: string;
  askedAt: Instance;
  isWhole: boolean;
}

/** People who ask, read the answer, and look at its trail, until they are stopped; some leave in its middle. */
function startLoad(random: () => number): { chats: Chat[]; stop(): Promise<string[]> } {
  const chats: Chat[] = [];
  const problems: string[] = [];
  let isOver = false;
  const person = async (n: number) => {
    while (!isOver) {
      const askedAt = fleet.balance();
      const { url } = askedAt;
      const body = JSON.stringify({ projectId, userId: `user-${n}`, question: "Where do trails go?" });
      const response = await fetch(url, { method: "POST", body }).catch(() => null);
      // It ended before it took the question.
      if (!response) continue;
      const messageId = response.headers.get("x-message-id") as string;
      const isWhole = random() >= LEAVING_SHARE;
      if (isWhole) await response.text();
      else await response.body?.cancel();
      chats.push({ messageId, askedAt, isWhole });
      // The instance may be on its way out by now, and the database alone may not have it yet.
      const answer = await fetch(`${url}/projects/${projectId}/trails/${messageId}`).catch(() => null);
      if (!answer || !isWhole || askedAt.backend === "database") continue;
      const { status } = (await answer.json()) as { status: string };
      if (status !== "complete") problems.push(`${messageId} was ${status} for ${askedAt.backend}`);
    }
  };
  const all = Promise.all(Array.from({ length: PEOPLE }, (_, n) => person(n)));
  // A test that has failed before does not wait for them.
  all.catch(() => undefined);
  return {
    chats,
    stop: async () => {
      isOver = true;
      await all;
      return problems;
    },
  };
}

/** Takes the files that the instances have written. */
const takeFiles = (): string[] =>
  fs.readdirSync(dumps).map((name) => {
    const taken = path.join(folder, `taken-${name}`);
    fs.renameSync(path.join(dumps, name), taken);
    return taken;
  });

async function inEachFile(command: string[], files: string[]): Promise<void> {
  expect(files).toHaveLength(INSTANCES);
  for (const file of files) {
    const { code, stdout, stderr } = await afterimage([...command, file]);
    expect([code, stderr, stdout]).toEqual([0, expect.anything(), expect.anything()]);
  }
}

/** Each trail is found where it was asked for, or by any instance if that has ended. */
async function readAll(chats: Chat[]): Promise<void> {
  const left = chats.values();
  const reader = async () => {
    for (const { messageId, askedAt } of left) {
      const { url } = fleet.serving.includes(askedAt) ? askedAt : fleet.balance();
      const response = await fetch(`${url}/projects/${projectId}/trails/${messageId}`);
      expect([messageId, response.status]).toEqual([messageId, 200]);
    }
  };
  await Promise.all(Array.from({ length: READS_AT_ONCE }, reader));
}

const askedUnder = (backend: string, chats: Chat[]) =>
  chats.filter(({ askedAt }) => askedAt.backend === backend);

const together = (reports: Report[]) => ({
  dropped: reports.flatMap((one) => one.dropped),
  differences: reports.flatMap((one) => one.differences),
  compared: reports.reduce((sum, one) => sum + one.stats.compared, 0),
});

test(
  `the whole migration under load, with the service killed meanwhile, loses nothing, and nothing differs (seed ${SEED})`,
  { timeout: 180_000 },
  async () => {
    const random = randomFrom(SEED);
    await fleet.deploy("memory", INSTANCES);
    const load = startLoad(random);
    await sleep(PHASE_MS);

    await Promise.all(fleet.serving.map((one) => one.copy()));
    await inEachFile(["import", "trails"], takeFiles());
    await fleet.deploy("dual", INSTANCES);
    const files = takeFiles();
    await inEachFile(["import", "trails"], files);
    await inEachFile(["compare"], files);

    const misfortunes = begin(service, random);
    await sleep(MISFORTUNES_MS);
    await misfortunes.end();
    expect([...misfortunes.struck.values()].length).toBeGreaterThan(0);
    await readAll([...load.chats]);
    const dual = together(await fleet.deploy("database", INSTANCES));
    expect([dual.differences, dual.dropped]).toEqual([[], []]);
    expect(dual.compared).toBeGreaterThanOrEqual(askedUnder("dual", load.chats).length);

    await sleep(PHASE_MS);
    for (const file of files) fs.rmSync(file);
    expect(await load.stop()).toEqual([]);
    await readAll(load.chats);
    const database = together(await fleet.deploy("database", INSTANCES));
    expect(database.dropped).toEqual([]);
    for (const backend of ["memory", "dual", "database"])
      expect(askedUnder(backend, load.chats).length).toBeGreaterThan(PEOPLE);
    await expectStored(load.chats);
  },
);

/** Before and after the next night: each trail once and at its end, each event once, and nothing else. */
async function expectStored(chats: Chat[]): Promise<void> {
  const trails = await api.db.rows<{ id: string; status: string }>(
    "app",
    "select message_id as id, status from audit_trails where project_id = $1",
    [projectId],
  );
  expect(trails.map(({ id }) => id).toSorted()).toEqual(chats.map((one) => one.messageId).toSorted());
  const statuses = new Map(trails.map(({ id, status }) => [id, status]));
  for (const { messageId, isWhole } of chats) {
    // Who leaves at the last word has left a complete one.
    const expected = isWhole ? ["complete"] : ["failed", "complete"];
    expect(expected).toContain(statuses.get(messageId));
  }
  const events = await api.db.rows<{ id: string }>(
    "app",
    "select resource_id as id from audit_events where workspace_id = $1",
    [projectId],
  );
  const answered = chats.filter(
    ({ messageId, askedAt }) => askedAt.backend !== "memory" && statuses.get(messageId) === "complete",
  );
  expect(events.map(({ id }) => id).toSorted()).toEqual(answered.map((one) => one.messageId).toSorted());

  const worker = workerContext(api.runtime);
  while ((await rollUpTrails(worker, BATCH)) > 0);
  await deleteDueTrails(worker, BATCH);
  const { body } = await api.call("GET", `/projects/${projectId}/analytics`);
  expect(body.analytics.messageCount).toBe(chats.length);
}
