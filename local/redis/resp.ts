import { RedisError, type Command, type Reply } from "./backend.ts";

const MAX_REPLY_BYTES = 64 * 1024 * 1024;
const LINE_END = "\r\n";

/** One command in Redis' wire format (RESP2, https://redis.io/docs/latest/develop/reference/protocol-spec/). */
export function encodeCommand(command: Command): string {
  const parts = command.map((part) => `$${Buffer.byteLength(part)}${LINE_END}${part}${LINE_END}`);
  return `*${command.length}${LINE_END}${parts.join("")}`;
}

interface Parsed {
  reply: Reply;
  end: number;
}

/** Cuts a stream of bytes into replies. Throws when one reply grows beyond MAX_REPLY_BYTES or is not RESP2. */
export class ReplyReader {
  private buffer: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): Reply[] {
    this.buffer = this.buffer.length === 0 ? chunk : Buffer.concat([this.buffer, chunk]);
    if (this.buffer.length > MAX_REPLY_BYTES) throw new Error("a reply of Redis is too large");
    const replies: Reply[] = [];
    let offset = 0;
    for (let parsed = this.parse(0); parsed !== null; parsed = this.parse(offset)) {
      replies.push(parsed.reply);
      offset = parsed.end;
    }
    this.buffer = this.buffer.subarray(offset);
    return replies;
  }

  private parse(offset: number): Parsed | null {
    const lineEnd = this.buffer.indexOf(LINE_END, offset);
    if (lineEnd < 0) return null;
    const line = this.buffer.toString("utf8", offset + 1, lineEnd);
    const end = lineEnd + LINE_END.length;
    switch (String.fromCharCode(this.buffer[offset] ?? 0)) {
      case "+":
        return { reply: line, end };
      case "-":
        return { reply: new RedisError(line), end };
      case ":":
        return { reply: Number(line), end };
      case "$":
        return this.parseBulk(Number(line), end);
      case "*":
        return this.parseArray(Number(line), end);
      default:
        throw new Error("Redis sent something that is not RESP2");
    }
  }

  private parseBulk(length: number, start: number): Parsed | null {
    if (length < 0) return { reply: null, end: start };
    const end = start + length + LINE_END.length;
    if (this.buffer.length < end) return null;
    return { reply: Buffer.from(this.buffer.subarray(start, start + length)), end };
  }

  private parseArray(length: number, start: number): Parsed | null {
    if (length < 0) return { reply: null, end: start };
    const reply: Reply[] = [];
    let end = start;
    for (let i = 0; i < length; i++) {
      const item = this.parse(end);
      if (item === null) return null;
      reply.push(item.reply);
      end = item.end;
    }
    return { reply, end };
  }
}
