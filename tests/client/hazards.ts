import { setTimeout as sleep } from "node:timers/promises";
import type { ApiServer } from "../support/api-server.ts";

/** Longer than callers wait. */
const SLOW_MS = 1_500;

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
