import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import S3rver from "s3rver";
import { afterAll, beforeAll } from "vitest";
import { quietPort } from "./ports.ts";

export interface TestBucket {
  /** As ARCHIVE_URL. */
  url(prefix: string): string;
  /** Where the bucket's objects lie on disk. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

const BUCKET = "afterimage-test";
const CREDENTIALS = { AWS_ACCESS_KEY_ID: "S3RVER", AWS_SECRET_ACCESS_KEY: "S3RVER" };

/** A server that speaks S3 and checks signatures, with one empty bucket; it may be stopped and started again. */
export function useBucket(): TestBucket {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "afterimage-s3-"));
  let port: number;
  let server: S3rver | undefined;
  const bucket: TestBucket = {
    url: (prefix) => `s3://${BUCKET}/${prefix}?endpoint=http://127.0.0.1:${port}`,
    start: async () => {
      const options = { address: "127.0.0.1", port, silent: true, directory };
      server = new S3rver({ ...options, configureBuckets: [{ name: BUCKET, configs: [] }] });
      await server.run();
    },
    stop: async () => {
      await server?.close();
      server = undefined;
    },
  };
  beforeAll(async () => {
    Object.assign(process.env, CREDENTIALS);
    port = await quietPort();
    await bucket.start();
  });
  afterAll(async () => {
    await bucket.stop();
    for (const name of Object.keys(CREDENTIALS)) delete process.env[name];
    fs.rmSync(directory, { recursive: true, force: true });
  });
  return bucket;
}
