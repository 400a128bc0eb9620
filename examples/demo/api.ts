const TIMEOUT_MS = 30_000;

export interface Api {
  url: string;
  /** Sends JSON to a route below /api; throws an Error with the problem's detail unless it succeeds. */
  send<T>(method: string, path: string, body?: unknown): Promise<T>;
}

export function connectApi(url: string, apiKey: string): Api {
  return {
    url,
    send: async <T>(method: string, path: string, body?: unknown): Promise<T> => {
      const response = await fetch(`${url}/api${path}`, {
        method,
        headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      const answer = (await response.json()) as { detail?: string };
      if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${answer.detail}`);
      return answer as T;
    },
  };
}
