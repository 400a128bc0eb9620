import { setTimeout as sleep } from "node:timers/promises";
import type { AuditClient } from "../../client/index.ts";
import type { ApiServer } from "../support/api-server.ts";

/** Shorter than a slowed answer takes. */
export const TIMEOUT_MS = 1_000;
const SLOW_MS = 1_500;
const UP_MS = 2_500;
const DOWN_MS = 250;

const problem = (status: number) =>
  Response.json({ code: "internal", detail: "A planted fault." }, { status });

const brokenOff = () => new Response('{"id":', { headers: { "content-type": "application/json" } });

/** What can become of a request; some are carried out, and only the answer is lost. */
const HAZARDS: ApiServer["fault"][] = [
  async () => problem(500),
  async () => problem(503),
  async () => new Response("<html>Down for maintenance</html>", { headers: { "content-type": "text/html" } }),
  async (request, through) => {
    await through(request);
    return problem(502);
  },
  async (request, through) => {
    await through(request);
    return brokenOff();
  },
  async (request, through) => {
    await sleep(SLOW_MS);
    return through(request);
  },
];

/** Hits a share of the requests with a fault, each kind in turn. */
export function hazards(share: number): ApiServer["fault"] {
  let seen = 0;
  let hit = 0;
  return async (request, through) => {
    if (++seen * share < hit + 1) return through(request);
    const hazard = HAZARDS[hit++ % HAZARDS.length] as ApiServer["fault"];
    return hazard(request, through);
  };
}

/** Takes the service away and brings it back until the work is done. */
export async function restarting<T>(server: ApiServer, work: Promise<T>): Promise<T> {
  let isDone = false;
  const ended = work.finally(() => (isDone = true));
  const restarts = (async () => {
    while (!isDone) {
      await Promise.race([ended.catch(() => undefined), sleep(UP_MS)]);
      server.cut();
      await sleep(DOWN_MS);
      server.restore();
    }
  })();
  try {
    return await ended;
  } finally {
    await restarts;
  }
}

/** Flushes until nothing is left: on a busy machine one flush may end before. */
export async function drain(client: AuditClient): Promise<void> {
  while ((await client.flush()) > 0);
}
