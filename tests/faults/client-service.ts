import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { quietPort } from "../support/ports.ts";
import { startUnrulyProxy, type UnrulyProxy } from "./client-proxy.ts";
import { bundleScripts } from "./stage-parts.ts";
import { Victim } from "./victim.ts";

/** One attempt of a client. */
export const TIMEOUT_MS = 1_000;
const DELAYS = { slowMs: 150, lateMs: 1_500 };
/** Of the requests that reach the service, how many meet a fault there. */
const DOOR_SHARE = 0.05;
const POOL_SIZE = "8";

/** The service as a process that can be killed, behind a proxy that can do worse. */
export interface Service {
  /** Of the proxy. */
  url: string;
  proxy: UnrulyProxy;
  host: Victim;
  close(): Promise<void>;
}

/** Bundles what `startService` runs into a folder. */
export const bundleService = (folder: string) =>
  bundleScripts(folder, { "client-host": "tests/faults/client-host.ts" });

/** `env` names the database as the service's environment does. */
export async function startService(folder: string, env: Record<string, string>): Promise<Service> {
  const port = await quietPort();
  const host = new Victim(path.join(folder, "client-host.mjs"), [`--port=${port}`, `--share=${DOOR_SHARE}`], {
    DATABASE_POOL_SIZE: POOL_SIZE,
    LOG_LEVEL: "silent",
    ...env,
  });
  const proxy = await startUnrulyProxy(() => port, DELAYS);
  await host.start();
  return {
    url: `http://127.0.0.1:${proxy.port}`,
    proxy,
    host,
    close: async () => {
      await proxy.close();
      await host.kill();
    },
  };
}

/** A folder for what is bundled, which every user may read. */
export function bundleFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "client-faults-"));
  fs.chmodSync(folder, 0o755);
  return folder;
}
