/** Lengths in the protocol count themselves, and a typed message has its type before the length. */
const LENGTH_BYTES = 4;
const HEADER_BYTES = 1 + LENGTH_BYTES;

export class ProtocolError extends Error {
  override name = "ProtocolError";
}

interface Message {
  type: string;
  body: Buffer;
  /** The message as it came, header included. */
  raw: Buffer;
}

/**
 * Takes messages of Postgres' protocol 3 out of bytes that come in pieces.
 * Source: https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
export class MessageBuffer {
  readonly #maxBytes: number;
  #bytes: Buffer = Buffer.alloc(0);

  /** Throws ProtocolError from its methods when more than `maxBytes` are kept or announced. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  push(bytes: Buffer): void {
    if (this.#bytes.length + bytes.length > this.#maxBytes) throw new ProtocolError("too many bytes");
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
  }

  /** The first message of a connection, which has no type; null while it is incomplete. */
  startup(): Buffer | null {
    return this.#take(0);
  }

  /** The next typed message; null while it is incomplete. */
  next(): Message | null {
    const raw = this.#take(1);
    return raw && { type: String.fromCharCode(raw[0] as number), body: raw.subarray(HEADER_BYTES), raw };
  }

  /** Everything that was not taken. */
  rest(): Buffer {
    const rest = this.#bytes;
    this.#bytes = Buffer.alloc(0);
    return rest;
  }

  #take(typeBytes: number): Buffer | null {
    if (this.#bytes.length < typeBytes + LENGTH_BYTES) return null;
    const length = this.#bytes.readInt32BE(typeBytes);
    if (length < LENGTH_BYTES || length > this.#maxBytes) throw new ProtocolError("a length out of bounds");
    const end = typeBytes + length;
    if (this.#bytes.length < end) return null;
    const message = this.#bytes.subarray(0, end);
    this.#bytes = this.#bytes.subarray(end);
    return message;
  }
}

export function message(type: string, ...parts: (Buffer | string)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part)));
  return Buffer.concat([Buffer.from(type, "latin1"), int32(body.length + LENGTH_BYTES), body]);
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(LENGTH_BYTES);
  bytes.writeInt32BE(value);
  return bytes;
}

/** Text as the protocol writes it: ended by a zero byte. */
export const cstring = (text: string) => `${text}\0`;
