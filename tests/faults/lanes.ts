/** Takes all that is to be done from one queue, so many at a time; `work` hears which lane it is in, from 0. */
export async function inLanes<T>(
  lanes: number,
  all: T[],
  work: (one: T, lane: number) => Promise<void>,
): Promise<void> {
  const left = [...all];
  const busy = Array.from({ length: lanes }, async (_, lane) => {
    for (let one = left.shift(); one !== undefined; one = left.shift()) await work(one, lane);
  });
  await Promise.all(busy);
}
