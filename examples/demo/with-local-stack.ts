import path from "node:path";
import { readDevFile } from "../../local/dev-file.ts";
import { startStack } from "../../local/stack.ts";

interface Reached {
  url: string;
  apiKey: string;
}

const PORT = 3_000;

/** Works on the stack that npm start runs in this folder; when none runs, on one that it starts and stops. */
export async function withLocalStack(
  dataDir: string,
  work: (reached: Reached) => Promise<void>,
): Promise<void> {
  const running = await reach(dataDir);
  if (running) return work(running);
  console.log("Nothing runs here yet; starting the local stack for the demo …");
  const stack = await startStack({
    dataDir: path.resolve(dataDir),
    port: PORT,
    inngest: true,
    say: (line) => console.log(line),
  });
  const stop = () => void stack.stop().finally(() => process.exit(130));
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  try {
    await work(stack.dev);
  } finally {
    await stack.stop();
  }
}

async function reach(dataDir: string): Promise<Reached | null> {
  const dev = readDevFile(path.resolve(dataDir));
  if (!dev) return null;
  const answers = await fetch(`${dev.url}/api/health`).then(
    (response) => response.ok,
    () => false,
  );
  return answers ? dev : null;
}
