import net from "node:net";

const WAIT_MS = 20_000;

export interface Exchange {
  /** Status of each answer, in order; 100 Continue is left out. */
  statuses: number[];
  /** All that came back, as Latin-1. */
  text: string;
  /** Whether the server ended the connection. */
  isEnded: boolean;
}

export interface Pieces {
  /** What is sent, one piece after another. */
  pieces: (string | Uint8Array)[];
  /** Between two pieces. */
  pauseMs?: number;
  /** Ends our side after the last piece. */
  end?: boolean;
  /** Stops reading as soon as so many answers have begun. */
  answers?: number;
}

/** Bytes on a connection of their own, exactly as given; waits for the answers, the end, or 20 s. */
export async function exchange(port: number, options: Pieces): Promise<Exchange> {
  const { pieces, pauseMs = 0, end = false, answers = Infinity } = options;
  const socket = net.connect(port, "127.0.0.1");
  let text = "";
  let isEnded = false;
  const statuses = () =>
    [...text.matchAll(/HTTP\/1\.[01] (\d{3})/g)].map((one) => Number(one[1])).filter((one) => one !== 100);
  const done = new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, WAIT_MS);
    const finish = () => (clearTimeout(timer), resolve());
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
      if (statuses().length >= answers) setTimeout(finish, 50);
    });
    socket.on("close", () => ((isEnded = true), finish()));
    // A server that has said enough may reset what it does not want to read.
    socket.on("error", () => undefined);
  });
  for (const piece of pieces) {
    if (socket.destroyed) break;
    socket.write(piece);
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  if (end) socket.end();
  await done;
  socket.destroy();
  return { statuses: statuses(), text, isEnded };
}

/** A request in HTTP/1.1 with these header lines. */
export const request = (line: string, headers: string[], body = "") =>
  `${line} HTTP/1.1\r\n${[...headers, "", ""].join("\r\n")}${body}`;
