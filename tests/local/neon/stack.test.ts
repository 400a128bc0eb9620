import pg from "pg";
import { expect, test } from "vitest";
import { isAlive, waitForExit } from "../../../local/processes.ts";
import { useStack } from "../../support/stack.ts";

const stack = useStack();

test("npm start -- --neon serves the API over Neon's wire; other programs connect as ever", async () => {
  const { dev, end } = await stack.start(["--port", "0", "--no-inngest", "--neon"]);
  const headers = { authorization: `Bearer ${dev.apiKey}` };
  const read = () => fetch(`${dev.url}/api/audit/events?limit=1`, { headers }).then(({ status }) => status);
  expect(await read()).toBe(200);
  const client = new pg.Client({ connectionString: dev.databaseUrl });
  await client.connect();
  await client.end();

  const wire = dev.pids.neon as number;
  process.kill(wire, "SIGSTOP");
  const waiting = read();
  expect(await Promise.race([waiting, new Promise((resolve) => setTimeout(resolve, 300, "waits"))])).toBe(
    "waits",
  );
  process.kill(wire, "SIGCONT");
  expect(await waiting).toBe(200);

  process.kill(wire, "SIGKILL");
  await waitForExit(wire, 5_000);
  await expect.poll(read, { timeout: 15_000 }).toBe(200);
  await end("SIGINT");
  const left = await Promise.all(Object.values(dev.pids).map((pid) => waitForExit(pid, 15_000)));
  expect(left.every(Boolean)).toBe(true);
  expect(isAlive(wire)).toBe(false);
});
