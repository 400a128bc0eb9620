import { fileURLToPath } from "node:url";
import { folderStorage } from "./folder.ts";
import { s3Storage, type Bucket } from "./s3.ts";
import type { Storage } from "./storage.ts";

const DEFAULT_REGION = "us-east-1";

type Place = { folder: string } | Bucket;

/**
 * Where a URL leads: `file:///folder`, or `s3://bucket/prefix?region=…&endpoint=https://…`. Throws an Error that says what
 * is wrong and quotes nothing.
 */
export function parseStorageUrl(text: string): Place {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol === "file:") {
    if (url.host !== "" || url.pathname === "/")
      throw new Error("names a folder: file:///var/lib/afterimage");
    return { folder: fileURLToPath(url) };
  }
  if (url?.protocol !== "s3:" || url.host === "") throw new Error("is file:///folder or s3://bucket/prefix");
  if (url.username !== "" || url.password !== "") {
    throw new Error("holds no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
  }
  const unknown = [...url.searchParams.keys()].filter((name) => name !== "region" && name !== "endpoint");
  if (unknown.length > 0) throw new Error("takes region and endpoint only");
  const endpoint = url.searchParams.get("endpoint") ?? undefined;
  if (endpoint !== undefined && !/^https?:\/\/[^/]/.test(endpoint))
    throw new Error("has an endpoint of http or https");
  const prefix = url.pathname.replace(/^\/+|\/+$/g, "");
  return {
    bucket: url.host,
    prefix: prefix === "" ? "" : `${prefix}/`,
    region: url.searchParams.get("region") ?? DEFAULT_REGION,
    endpoint,
  };
}

/** Nothing is reached or made before the first call. */
export function openStorage(url: string): Storage {
  const place = parseStorageUrl(url);
  return "folder" in place ? folderStorage(place.folder) : s3Storage(place);
}
