import { setTimeout as sleep } from "node:timers/promises";
import type { Fate } from "./client-proxy.ts";
import { TIMEOUT_MS, type Service } from "./client-service.ts";
import { pick } from "./random.ts";

const UP_MS_MIN = 300;
const UP_MS_MAX = 1_500;
const DOWN_MS_MAX = 400;
/** Of the pieces that callers send at any time, how many meet a fault on the way. */
const FATE_SHARE = 0.05;
const FATES: Fate[] = [
  "slow",
  "late",
  "late",
  "late",
  "half an answer",
  "no answer",
  "half",
  "reset",
  "nothing",
];

export type Misfortune = "kill" | "cut" | "slow" | "nothing";
const MISFORTUNES: Misfortune[] = ["kill", "kill", "cut", "slow", "nothing"];

export interface Misfortunes {
  struck: Map<Misfortune, number>;
  end(): Promise<void>;
}

/** One misfortune after the other until it is ended; a share of what is sent meets one of its own all the time. */
export function begin({ host, proxy }: Service, random: () => number): Misfortunes {
  const over = new AbortController();
  const struck = new Map<Misfortune, number>();
  const wait = (ms: number) => sleep(ms, undefined, { signal: over.signal }).catch(() => undefined);
  let all: Fate | null = null;
  proxy.fate = () => all ?? (random() < FATE_SHARE ? pick(random, FATES) : "through");
  const strike = async (kind: Misfortune) => {
    const downMs = random() * DOWN_MS_MAX;
    if (kind === "kill") {
      await host.kill();
      await wait(downMs);
      await host.start();
    } else if (kind === "cut") {
      proxy.cut();
      await wait(downMs);
      proxy.restore();
    } else {
      all = kind;
      await wait(kind === "slow" ? downMs : downMs + TIMEOUT_MS);
      all = null;
    }
  };
  const striking = (async () => {
    while (!over.signal.aborted) {
      await wait(UP_MS_MIN + random() * (UP_MS_MAX - UP_MS_MIN));
      if (over.signal.aborted) break;
      // However short a run is, it has a kill.
      const kind = struck.size === 0 ? "kill" : pick(random, MISFORTUNES);
      struck.set(kind, (struck.get(kind) ?? 0) + 1);
      await strike(kind);
    }
    proxy.fate = () => "through";
  })();
  const end = async () => {
    over.abort();
    await striking;
  };
  return { struck, end };
}
