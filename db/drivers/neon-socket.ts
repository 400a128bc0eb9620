import { WebSocket, type Event, type MessageEvent, type CloseEvent, type ErrorEvent } from "ws";

const HANDSHAKE_TIMEOUT_MS = 3_000;
/** How long the other side may take to say goodbye before the connection is cut. */
const CLOSE_TIMEOUT_MS = 1_000;

type Listener = (event: unknown) => void;

/**
 * The WebSocket that Neon's driver is given, on every version of Node. It differs from a plain one in what the driver
 * needs of it: what is written in one turn goes out as one message, a peer that does not answer cannot keep it open,
 * nothing is compressed, and an error is an Error.
 */
export class NeonSocket {
  readonly #socket: WebSocket;
  #unsent: Uint8Array[] = [];

  constructor(address: string) {
    this.#socket = new WebSocket(address, {
      perMessageDeflate: false,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    });
  }

  get readyState(): number {
    return this.#socket.readyState;
  }

  get binaryType(): string {
    return this.#socket.binaryType;
  }

  set binaryType(type: "arraybuffer") {
    this.#socket.binaryType = type;
  }

  send(bytes: Uint8Array): void {
    if (this.#unsent.push(bytes) === 1) process.nextTick(() => this.#flush());
  }

  close(): void {
    this.#flush();
    this.#socket.close();
    const timer = setTimeout(() => this.#socket.terminate(), CLOSE_TIMEOUT_MS);
    this.#socket.once("close", () => clearTimeout(timer));
  }

  addEventListener(type: "open" | "message" | "close" | "error", listener: Listener): void {
    const add = this.#socket.addEventListener.bind(this.#socket);
    if (type === "error") add(type, (event: ErrorEvent) => listener(asError(event)));
    else if (type === "message") add(type, (event: MessageEvent) => listener(event));
    else if (type === "close") add(type, (event: CloseEvent) => listener(event));
    else add(type, (event: Event) => listener(event));
  }

  #flush(): void {
    const [first, ...more] = this.#unsent;
    if (first === undefined || this.#socket.readyState !== WebSocket.OPEN) return;
    this.#socket.send(more.length === 0 ? first : Buffer.concat(this.#unsent));
    this.#unsent = [];
  }
}

/** Named as `pg` names a lost connection, so that whoever tells them apart need not know the transport. */
function asError(event: ErrorEvent): Error {
  return new Error(`Connection terminated: ${event.message}`, { cause: event.error });
}
