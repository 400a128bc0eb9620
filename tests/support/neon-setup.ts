import type { TestProject } from "vitest/node";
import { startNeon } from "../../local/neon/index.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** host:port of Neon's wire in front of the server, in a run whose service uses Neon's driver. */
    neonProxy?: string;
  }
}

/** Puts Neon's wire in front of the run's server; fails the run when nothing went through it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = new URL(project.getProvidedContext().server.url);
  const neon = await startNeon({ postgresHost: server.hostname, postgresPort: Number(server.port || 5_432) });
  project.provide("neonProxy", neon.proxy);
  return async () => {
    const { ever } = neon.connections();
    await neon.stop();
    if (ever === 0) throw new Error("No connection went through Neon's wire: its driver was not used.");
    console.log(`${ever} connections went through Neon's wire.`);
  };
}
