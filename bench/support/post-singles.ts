import type { HttpClient } from "./http-client.ts";
import type { BenchEvent } from "./rows.ts";

const CREATED = 201;

/** Posts each event by itself; answers how many were acknowledged as stored. */
export async function postSingles(
  client: HttpClient,
  events: readonly BenchEvent[],
  time: <T>(work: () => Promise<T>) => Promise<T>,
): Promise<number> {
  const requests = events.map((event) => ({
    method: "POST" as const,
    path: "/api/audit/log",
    body: JSON.stringify(event),
  }));
  let stored = 0;
  await time(() =>
    client.sendAll(requests, ({ status }) => {
      if (status === CREATED) stored++;
    }),
  );
  return stored;
}
