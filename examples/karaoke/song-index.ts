import { Inngest } from "inngest";
import type pg from "pg";

/** The songs of each venue, most wanted first: what the guests' search reads. Here in memory; elsewhere a search engine. */
export class SongIndex {
  readonly #db: pg.Pool;
  readonly #songs = new Map<number, string[]>();

  constructor(db: pg.Pool) {
    this.#db = db;
  }

  songsOf = (venueId: number): string[] => this.#songs.get(venueId) ?? [];

  async refresh(venueId: number): Promise<number> {
    const { rows } = await this.#db.query<{ song: string }>(
      `select r.song from song_requests r join singers s using (singer_id)
       where s.venue_id = $1 group by r.song order by count(*) desc, r.song`,
      [venueId],
    );
    this.#songs.set(
      venueId,
      rows.map(({ song }) => song),
    );
    return rows.length;
  }
}

/** The queue songs/index.refresh-requested: an Inngest function of the application's own. */
export function songIndexQueue(engineUrl: string, refreshed: (venueId: number) => Promise<unknown>) {
  const client = new Inngest({ id: "karaoke", baseUrl: engineUrl, isDev: true });
  const refresh = client.createFunction(
    { id: "refresh-song-index", triggers: [{ event: "songs/index.refresh-requested" }], retries: 3 },
    async ({ event, step }) =>
      step.run("refresh", async () => {
        await refreshed(Number((event.data as { venueId: string }).venueId));
        return null;
      }),
  );
  return { client, functions: [refresh] };
}
