import { Client } from "@neondatabase/serverless";
import { NeonSocket } from "../../../db/drivers/neon-socket.ts";

// A client that holds a transaction open until it is killed: `dying-client.ts URL`, whose host and port are the proxy's.
const [url = ""] = process.argv.slice(2);
const client = new Client(url);
Object.assign(client.neonConfig, {
  webSocketConstructor: NeonSocket,
  wsProxy: () => `${new URL(url).host}/v2`,
  useSecureWebSocket: false,
});
await client.connect();
await client.query("begin");
process.send?.("in transaction");
