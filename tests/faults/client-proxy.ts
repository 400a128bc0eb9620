import net from "node:net";

/** What becomes of a piece that a caller sends, most often one request. */
export type Fate =
  | "through"
  /** A moment later. */
  | "slow"
  /** After the caller has given up and gone away. */
  | "late"
  /** It is carried out, and its answer breaks off in the middle. */
  | "half an answer"
  /** It is carried out, and no answer comes. */
  | "no answer"
  /** Half of it arrives, then the connection is reset. */
  | "half"
  /** The connection is reset. */
  | "reset"
  /** Nothing arrives, and nobody says so. */
  | "nothing";

export interface UnrulyProxy {
  port: number;
  /** Asked for every piece that a caller sends. */
  fate: () => Fate;
  /** Resets every connection, and each new one until `restore`. */
  cut(): void;
  restore(): void;
  /** Resolves when nothing is on its way to the server any more. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

export interface Delays {
  /** Of what is slow, at most. */
  slowMs: number;
  /** Of what is late; longer than callers wait. */
  lateMs: number;
}

/** A TCP proxy on loopback that slows, holds back, halves, swallows and resets. */
export async function startUnrulyProxy(target: () => number, delays: Delays): Promise<UnrulyProxy> {
  const callers = new Set<net.Socket>();
  const servers = new Set<net.Socket>();
  let isCut = false;

  const connect = (caller: net.Socket) => {
    if (isCut) return void caller.resetAndDestroy();
    const server = net.connect(target(), "127.0.0.1");
    join(caller, server, new Connection(caller, server, delays), () => proxy.fate());
    for (const [all, one] of [
      [callers, caller],
      [servers, server],
    ] as const) {
      all.add(one);
      one.on("close", () => all.delete(one));
    }
  };
  const listener = net.createServer({ noDelay: true }, connect);
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const proxy: UnrulyProxy = {
    port: (listener.address() as net.AddressInfo).port,
    fate: () => "through",
    cut: () => {
      isCut = true;
      for (const one of callers) one.resetAndDestroy();
    },
    restore: () => {
      isCut = false;
    },
    settled: async () => {
      const gone = [...servers].map((one) => new Promise((resolve) => one.once("close", resolve)));
      for (const one of callers) one.destroy();
      await Promise.all(gone);
    },
    close: async () => {
      const closed = new Promise((resolve) => listener.close(resolve));
      for (const one of [...callers, ...servers]) one.destroy();
      await closed;
    },
  };
  return proxy;
}

function join(caller: net.Socket, server: net.Socket, connection: Connection, fate: () => Fate): void {
  let isDeaf = false;
  caller.on("data", (bytes) => {
    const drawn = isDeaf ? "nothing" : fate();
    // After a gap in it, a stream makes no sense any more.
    isDeaf ||= drawn === "nothing";
    connection.send(bytes, drawn);
  });
  server.on("data", (bytes) => connection.receive(bytes));
  for (const one of [caller, server]) one.on("error", () => undefined);
  server.on("close", () => caller.destroy());
  caller.on("close", () => void (connection.isOver && server.destroy()));
}

class Connection {
  readonly #caller: net.Socket;
  readonly #server: net.Socket;
  readonly #delays: Delays;
  /** Pieces go on in the order in which they came. */
  #before = Promise.resolve();
  #waiting = 0;
  #isLate = false;
  #answer: "through" | "half" | "none" = "through";

  constructor(caller: net.Socket, server: net.Socket, delays: Delays) {
    this.#caller = caller;
    this.#server = server;
    this.#delays = delays;
  }

  /** Whether the caller's end is the server's, too. */
  get isOver(): boolean {
    return !this.#isLate;
  }

  send(bytes: Buffer, fate: Fate): void {
    const { slowMs, lateMs } = this.#delays;
    switch (fate) {
      case "nothing":
        return;
      case "reset":
        return this.#reset();
      case "half":
        this.#forward(bytes.subarray(0, bytes.length / 2), 0);
        return this.#reset();
      case "late":
        this.#isLate = true;
        return this.#forward(bytes, lateMs);
      case "slow":
        return this.#forward(bytes, Math.random() * slowMs);
      case "half an answer":
        this.#answer = "half";
        break;
      case "no answer":
        this.#answer = "none";
        break;
      case "through":
        break;
    }
    this.#forward(bytes, 0);
  }

  #forward(bytes: Buffer, ms: number): void {
    if (ms === 0 && this.#waiting === 0) return void this.#server.write(bytes);
    this.#waiting++;
    this.#before = this.#before.then(async () => {
      await new Promise((resolve) => setTimeout(resolve, ms));
      this.#waiting--;
      this.#server.write(bytes);
    });
  }

  receive(bytes: Buffer): void {
    // Nobody waits for the answer to what was late.
    if (this.#caller.destroyed) return void this.#server.destroy();
    this.#isLate = false;
    if (this.#answer === "none") return;
    if (this.#answer === "through") return void this.#caller.write(bytes);
    this.#caller.write(bytes.subarray(0, bytes.length / 2), () => this.#reset());
  }

  #reset(): void {
    this.#caller.resetAndDestroy();
    this.#server.destroy();
  }
}
