import net from "node:net";

/** The port asked for when nothing listens there on loopback, else a free one that the system picks. */
export async function freePort(preferred = 0): Promise<number> {
  if (preferred !== 0 && (await answers(preferred))) return freePort(0);
  return (await bind(preferred)) ?? freePort(0);
}

function bind(port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once("error", () => resolve(null));
    server.listen(port, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : null));
    });
  });
}

// A listener on 0.0.0.0 does not always keep a second one off 127.0.0.1, so ask by connecting, too.
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ port, host: "127.0.0.1" });
    socket.once("connect", () => (socket.destroy(), resolve(true)));
    socket.once("error", () => resolve(false));
  });
}
