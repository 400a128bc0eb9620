import net from "node:net";
import type { WebSocket } from "ws";
import { logIn, LoginReader, PASSWORD_PLEASE, PIPELINED_BYTES_MAX, type Login } from "./login.ts";

const LOGIN_TIMEOUT_MS = 10_000;
/** How long either side may take to end after the other went. */
const END_TIMEOUT_MS = 2_000;
const BUFFERED_BYTES_MAX = 1_024 * 1_024;
/** WebSocket close code "internal error". */
const SERVER_AWAY = 1_011;

/** Where the server is: fixed at the start, never named by a client. */
export interface Target {
  host: string;
  port: number;
}

/**
 * Carries one client's Postgres protocol between its WebSocket and a connection to the server. As Neon's proxy does, it
 * asks for the password in the clear (the driver sends it with its first query, unasked) and logs in with it.
 * When either side ends, so does the other.
 */
export class Bridge {
  readonly #client: WebSocket;
  readonly #target: Target;
  readonly #loginTimer: NodeJS.Timeout;
  readonly #reader = new LoginReader();
  #server: net.Socket | undefined;
  /** From the client, while the server has not accepted it. */
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #isLoggingIn = false;
  #isOpen = false;

  constructor(client: WebSocket, target: Target) {
    this.#client = client;
    this.#target = target;
    this.#loginTimer = setTimeout(() => this.#end(), LOGIN_TIMEOUT_MS);
  }

  start(): void {
    const client = this.#client;
    client.on("message", (data) => this.#fromClient(data as Buffer));
    client.on("close", () => this.#clientGone());
    // "close" follows, and says all that matters.
    client.on("error", () => undefined);
    client.send(PASSWORD_PLEASE);
  }

  #fromClient(bytes: Buffer): void {
    if (this.#isOpen) {
      if (!this.#server?.write(bytes)) this.#client.pause();
      return;
    }
    if (this.#isLoggingIn) {
      this.#waitingBytes += bytes.length;
      if (this.#waitingBytes > PIPELINED_BYTES_MAX) return this.#end();
      this.#waiting.push(bytes);
      return;
    }
    try {
      const login = this.#reader.push(bytes);
      if (login) void this.#open(login).catch(() => this.#end());
    } catch {
      this.#end();
    }
  }

  async #open(login: Login): Promise<void> {
    this.#isLoggingIn = true;
    const server = net.connect({ ...this.#target, noDelay: true, keepAlive: true });
    this.#server = server;
    server.on("error", () => undefined);
    server.on("close", () => this.#end());
    const { isIn, bytes } = await logIn(server, login);
    clearTimeout(this.#loginTimer);
    this.#client.send(bytes);
    if (!isIn) return this.#end();
    this.#isOpen = true;
    server.on("drain", () => this.#client.resume());
    server.on("data", (data) => this.#fromServer(server, data));
    server.write(Buffer.concat([login.rest, ...this.#waiting]));
    this.#waiting = [];
  }

  #fromServer(server: net.Socket, bytes: Buffer): void {
    this.#client.send(bytes, () => {
      if (server.isPaused() && this.#client.bufferedAmount < BUFFERED_BYTES_MAX) server.resume();
    });
    if (this.#client.bufferedAmount > BUFFERED_BYTES_MAX) server.pause();
  }

  /** Ends the client's side; the server's follows when the client has gone. */
  #end(): void {
    clearTimeout(this.#loginTimer);
    this.#client.resume();
    this.#client.close(SERVER_AWAY);
    const timer = setTimeout(() => this.#client.terminate(), END_TIMEOUT_MS);
    this.#client.once("close", () => clearTimeout(timer));
  }

  #clientGone(): void {
    clearTimeout(this.#loginTimer);
    const server = this.#server;
    if (!server || server.destroyed) return;
    // What the client sent last, its farewell among it, still goes out.
    server.end();
    server.resume();
    const timer = setTimeout(() => server.destroy(), END_TIMEOUT_MS);
    server.once("close", () => clearTimeout(timer));
  }
}
