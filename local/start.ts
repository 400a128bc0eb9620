import path from "node:path";
import { parseOptions, wholeNumber } from "./options.ts";
import { startStack, type Stack } from "./stack.ts";

const PORT_MAX = 65_535;

const HELP = `npm start -- [options]

Starts Afterimage on this machine: PostgreSQL, Redis, a mail catcher, a workflow engine and the API, all on loopback.

  --port <n>      port of the API; the next free one when it is taken (3000)
  --data <dir>    where everything is kept (.afterimage)
  --neon          the API reaches PostgreSQL by Neon's driver, over Neon's wire
  --no-inngest    no workflow engine: schedules rest, requests for workflows wait
  --help          this text

DATABASE_URL (with WORKER_DATABASE_URL and MIGRATE_DATABASE_URL), UPSTASH_REDIS_REST_URL (with …_TOKEN) and
INNGEST_DEV=<url> or INNGEST_BASE_URL, SMTP_URL (with ALERT_MAIL_FROM and ALERT_MAIL_TO) put your own in place of the
parts that would be started. AFTERIMAGE_CONFIG=<file> puts another configuration in place of afterimage.config.ts.
`;

const say = (line: string) => void process.stdout.write(`${line}\n`);

function readOptions() {
  const { values } = parseOptions(HELP, {
    port: { type: "string", default: "3000" },
    data: { type: "string", default: ".afterimage" },
    neon: { type: "boolean", default: false },
    "no-inngest": { type: "boolean", default: false },
  });
  const port = wholeNumber("--port", values.port, 0, PORT_MAX);
  return { port, dataDir: path.resolve(values.data), inngest: !values["no-inngest"], neon: values.neon };
}

/** A path as the person at the terminal would type it. */
const shown = (file: string) => path.relative(".", file) || ".";

function welcome(
  { dev, redisKind }: Stack,
  { port, dataDir }: { port: number; dataDir: string },
  seconds: string,
): string {
  const auth = `-H "Authorization: Bearer ${dev.apiKey}"`;
  const taken = port !== 0 && !dev.url.endsWith(`:${port}`) ? ` (port ${port} was taken)` : "";
  return `
Afterimage answers at ${dev.url}${taken}, after ${seconds} s.

  API key   ${dev.apiKey}
  Docs      ${dev.url}/api/docs
  Redis     ${redisKind === "memory" ? "an in-memory stand-in; install redis-server for the real one" : redisKind}
  Engine    ${dev.inngestUrl ?? "none (--no-inngest)"}
  Mail      ${dev.mailDir === null ? "to the server of SMTP_URL" : `of alerts lands in ${shown(dev.mailDir)}`}
  Details   ${shown(path.join(dataDir, "dev.json"))}, logs beside it

Try:

  curl -X POST ${dev.url}/api/audit/log \\
    ${auth} -H "Content-Type: application/json" \\
    -d '{"actionType":"TEST_EVENT","resourceType":"workspace","resourceId":"ws-123","workspaceId":"ws-123","createdByUserId":"user-123"}'

  curl ${auth} "${dev.url}/api/audit/events?workspaceId=ws-123"

  curl ${dev.url}/api/ready

Ctrl-C stops everything; data stays.`;
}

async function main(): Promise<void> {
  const started = performance.now();
  const options = readOptions();
  let starting: Promise<Stack> | undefined;
  let signals = 0;
  const end = async () => {
    if (++signals > 1) process.exit(1);
    say("Stopping …");
    const stack = await starting?.catch(() => null);
    await stack?.stop();
    process.exit(0);
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void end());
  say("Starting PostgreSQL, Redis, the mail catcher, the workflow engine and the API …");
  try {
    starting = startStack({ ...options, say });
    const stack = await starting;
    const seconds = ((performance.now() - started) / 1_000).toFixed(1);
    if (signals === 0) say(welcome(stack, options, seconds));
  } catch (error) {
    // What fails because it is being stopped is no news.
    if (signals === 0) throw error;
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`\n${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
