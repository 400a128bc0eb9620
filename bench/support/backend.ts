import fs from "node:fs";
import pg from "pg";

const NS_PER_US = 1_000;
const POLL_MS = 20;
const BYTES_PER_KB = 1_024;

/** A connection whose backend's own CPU and memory can be read, from Linux' /proc on this machine. */
export class Backend {
  readonly #client: pg.Client;
  readonly #pid: number;

  private constructor(client: pg.Client, pid: number) {
    this.#client = client;
    this.#pid = pid;
  }

  static async open(url: string): Promise<Backend> {
    const client = new pg.Client({ connectionString: url });
    // What fails shows in the query; the server also ends connections when the bench does.
    client.on("error", () => undefined);
    await client.connect();
    const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
    return new Backend(client, rows[0]?.pid ?? 0);
  }

  query(text: string): Promise<unknown> {
    return this.#client.query(text);
  }

  /** A statement with parameters; under a name it is parsed and planned once a connection, else each time. */
  execute(text: string, values: unknown[], name?: string): Promise<unknown> {
    return this.#client.query({ text, values, ...(name === undefined ? {} : { name }) });
  }

  async value<T>(text: string): Promise<T | undefined> {
    const { rows } = await this.#client.query<{ value: T }>(text);
    return rows[0]?.value;
  }

  /** CPU that the backend spent on some work, in microseconds. */
  async cpuUs(work: () => Promise<unknown>): Promise<number> {
    const before = this.#cpuNs();
    await work();
    return (this.#cpuNs() - before) / NS_PER_US;
  }

  /** The most memory of its own (not shared buffers) that the backend held during some work, in bytes. */
  async peakBytes(work: () => Promise<unknown>): Promise<number> {
    let peak = this.#anonBytes();
    const poll = setInterval(() => (peak = Math.max(peak, this.#anonBytes())), POLL_MS);
    try {
      await work();
    } finally {
      clearInterval(poll);
    }
    return Math.max(peak, this.#anonBytes());
  }

  close(): Promise<void> {
    return this.#client.end();
  }

  #cpuNs(): number {
    return Number(fs.readFileSync(`/proc/${this.#pid}/schedstat`, "utf8").split(" ")[0]);
  }

  #anonBytes(): number {
    const status = fs.readFileSync(`/proc/${this.#pid}/status`, "utf8");
    return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) * BYTES_PER_KB;
  }
}
