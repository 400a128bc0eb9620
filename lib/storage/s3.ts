import type { S3Client } from "@aws-sdk/client-s3";
import { checkKey, exactly, StorageError, type Storage } from "./storage.ts";

export interface Bucket {
  bucket: string;
  /** Every key begins with it; empty, or ends with a slash. */
  prefix: string;
  region: string;
  /** Of a service other than Amazon's. */
  endpoint: string | undefined;
  /** How often a request is sent before it has failed. */
  attemptsMax?: number;
  /** Of one call, with all that it sends again and reads. */
  timeoutMs?: number;
}

const ATTEMPTS_MAX = 4;
const CONNECT_TIMEOUT_MS = 5_000;
/** Of one call, a file of 32 MiB and what is sent again included: a body that stops coming is given up as well. */
const TIMEOUT_MS = 30_000;

type Sdk = typeof import("@aws-sdk/client-s3");

/**
 * Objects in a bucket, through Amazon's own SDK, which is loaded at the first call only: it knows where credentials come
 * from (AWS_ACCESS_KEY_ID and the rest of its chain) and sends again what failed in passing. A put is one request, so an
 * object is there whole or not at all.
 */
export function s3Storage(options: Bucket): Storage {
  const { bucket, prefix, region, endpoint, attemptsMax = ATTEMPTS_MAX, timeoutMs = TIMEOUT_MS } = options;
  let opened: Promise<{ sdk: Sdk; client: S3Client }> | undefined;
  const open = () =>
    (opened ??= import("@aws-sdk/client-s3").then((sdk) => {
      const client = new sdk.S3Client({
        region,
        maxAttempts: attemptsMax,
        // Services other than Amazon's have no host per bucket as a rule, and not the newer checksums.
        ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
        requestChecksumCalculation: "WHEN_REQUIRED",
        responseChecksumValidation: "WHEN_REQUIRED",
        requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS },
      });
      return { sdk, client };
    }));
  const limit = () => ({ abortSignal: AbortSignal.timeout(timeoutMs) });
  const place = (key: string) => ({ Bucket: bucket, Key: prefix + checkKey(key) });
  const fault = (error: unknown, key: string) =>
    new StorageError(isMissing(error) ? "missing" : isBeyond(error) ? "short" : "away", key, error);

  return {
    put: async (key, body) => {
      const { sdk, client } = await open();
      const command = new sdk.PutObjectCommand({ ...place(key), Body: body });
      await client.send(command, limit()).catch((error: unknown) => {
        throw fault(error, key);
      });
    },
    get: async (key, range) => {
      const at = place(key);
      const { sdk, client } = await open();
      if (range !== undefined && range.start === range.end) return new Uint8Array();
      const part = range === undefined ? {} : { Range: `bytes=${range.start}-${range.end - 1}` };
      try {
        const { Body } = await client.send(new sdk.GetObjectCommand({ ...at, ...part }), limit());
        if (Body === undefined) throw new Error("an answer without a body");
        return exactly(await Body.transformToByteArray(), key, range);
      } catch (error) {
        throw error instanceof StorageError ? error : fault(error, key);
      }
    },
    head: async (key) => {
      const { sdk, client } = await open();
      try {
        const { ContentLength = 0 } = await client.send(new sdk.HeadObjectCommand(place(key)), limit());
        return { bytes: ContentLength };
      } catch (error) {
        if (isMissing(error)) return null;
        throw fault(error, key);
      }
    },
    delete: async (key) => {
      const { sdk, client } = await open();
      await client.send(new sdk.DeleteObjectCommand(place(key)), limit()).catch((error: unknown) => {
        if (!isMissing(error)) throw fault(error, key);
      });
    },
  };
}

// A bucket that is not there is no missing object: whoever emptied it would pass for us otherwise.
const isMissing = (error: unknown) => {
  const { name } = error as { name?: string };
  return name === "NoSuchKey" || name === "NotFound";
};

const isBeyond = (error: unknown) => (error as { name?: string }).name === "InvalidRange";
