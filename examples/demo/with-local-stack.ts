import fs from "node:fs";
import path from "node:path";
import { startStack } from "../../local/stack.ts";

interface Reached {
  url: string;
  apiKey: string;
  devFile: string;
}

const DATA_DIR = ".afterimage";
const PORT = 3_000;

/** Works on the stack that npm start runs in this folder; when none runs, on one that it starts and stops. */
export async function withLocalStack(work: (reached: Reached) => Promise<void>): Promise<void> {
  const devFile = path.resolve(DATA_DIR, "dev.json");
  const running = await reach(devFile);
  if (running) return work({ ...running, devFile });
  console.log("Nothing runs here yet; starting the local stack for the demo …");
  const stack = await startStack({
    dataDir: path.resolve(DATA_DIR),
    port: PORT,
    inngest: true,
    say: (line) => console.log(line),
  });
  const stop = () => void stack.stop().finally(() => process.exit(130));
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  try {
    await work({ url: stack.dev.url, apiKey: stack.dev.apiKey, devFile });
  } finally {
    await stack.stop();
  }
}

async function reach(devFile: string): Promise<{ url: string; apiKey: string } | null> {
  if (!fs.existsSync(devFile)) return null;
  const { url, apiKey } = JSON.parse(fs.readFileSync(devFile, "utf8")) as { url: string; apiKey: string };
  const answers = await fetch(`${url}/api/health`).then(
    (response) => response.ok,
    () => false,
  );
  return answers ? { url, apiKey } : null;
}
