/** Rejects when a promise has not settled within `ms`; what it does later is nobody's concern any more. */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  return Promise.race([promise, tooLate]).finally(() => clearTimeout(timer));
}

/** Runs a task once for all who ask while it runs and for `ms` after its end. */
export function shareFor<T>(ms: number, task: () => Promise<T>): () => Promise<T> {
  let last: Promise<T> | undefined;
  let until = 0;
  return () => {
    if (last !== undefined && performance.now() < until) return last;
    until = Infinity;
    return (last = task().finally(() => (until = performance.now() + ms)));
  };
}
