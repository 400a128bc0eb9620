import { spawn } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { text } from "node:stream/consumers";

const root = path.resolve(import.meta.dirname, "../..");

/** A chat application in one file, whose audit code is what the document's blocks say. */
const source = (client: string, ending: string) => `
import http from "node:http";
const log = { error: (...what: unknown[]) => console.log("LOGGED", JSON.stringify(what)) };
${client.replace("afterimage-client", path.join(root, "client/index.ts"))}
const server = http.createServer(async (request, response) => {
  const [, what = "", messageId = ""] = (request.url ?? "").split("/");
  if (what === "trail") return response.end(JSON.stringify(await getAuditTrail(messageId)));
  if (what === "copy") return response.end(String(writeMemory()));
  if (what === "placeholder")
    await createPlaceholderAuditTrail({ messageId, projectId: "proj-1", model: "house-model-1", contextLayers: 2 });
  response.write("…");
  let answer = "";
  for await (const chunk of request) answer += chunk;
  await updateAuditTrail(messageId, {
    reasoning: [answer],
    tokens: { prompt: 100, completion: 50 },
    cost: { prompt: 0.0003, completion: 0.00075 },
  });
  response.end();
});
${ending}
server.listen(0, "127.0.0.1", () => console.log("PORT", (server.address() as { port: number }).port));
`;

export interface App {
  /** The answer streams until `end` is called with its text. */
  chat(what: "placeholder" | "update", messageId: string): Promise<{ end(answer: string): Promise<void> }>;
  get(what: string): Promise<string>;
  /** SIGTERM; resolves when the process has ended, with all that it logged as errors. */
  terminate(): Promise<{ code: number | null; logged: string[] }>;
}

/** Writes the application into a folder and starts it. */
export async function startApp(
  folder: string,
  blocks: { client: string; ending: string },
  env: Record<string, string>,
): Promise<App> {
  const file = path.join(folder, "app.ts");
  fs.writeFileSync(file, source(blocks.client, blocks.ending));
  const child = spawn(process.execPath, ["--import", "tsx", file], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  let told = "";
  const port = await new Promise<string>((resolve, reject) => {
    child.stdout.on("data", (chunk: Buffer) => {
      told += chunk.toString();
      const [, found] = /^PORT (\d+)$/m.exec(told) ?? [];
      if (found) resolve(found);
    });
    void ended.then((code) => reject(new Error(`the application ended with ${code}:\n${told}`)));
  });
  const url = `http://127.0.0.1:${port}`;
  return {
    chat: async (what, messageId) => {
      const request = http.request(`${url}/${what}/${messageId}`, { method: "POST" });
      request.flushHeaders();
      const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
        request.once("response", resolve).once("error", reject);
      });
      return {
        end: async (answer) => {
          request.end(answer);
          await text(response);
        },
      };
    },
    get: async (what) => (await fetch(`${url}/${what}`)).text(),
    terminate: async () => {
      child.kill("SIGTERM");
      return { code: await ended, logged: told.split("\n").filter((line) => line.startsWith("LOGGED")) };
    },
  };
}
