import fs from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { openStorage, parseStorageUrl } from "../../../lib/storage/open.ts";
import { s3Storage } from "../../../lib/storage/s3.ts";
import { StorageError, type Storage } from "../../../lib/storage/storage.ts";
import { useBucket } from "../../support/s3-server.ts";

const bucket = useBucket();
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "afterimage-folder-"));
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const places: [string, () => Storage][] = [
  ["a folder", () => openStorage(pathToFileURL(path.join(folder, "archive")).href)],
  ["a bucket", () => openStorage(bucket.url("some/prefix"))],
];

for (const name of ["archive", "half"]) fs.mkdirSync(path.join(folder, name));

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (body: Uint8Array) => new TextDecoder().decode(body);
const fault = (wanted: string) =>
  expect.objectContaining({ constructor: StorageError, fault: wanted }) as StorageError;

describe.each(places)("%s", (_, open) => {
  test("gives back what was put, whole and in parts", async () => {
    const storage = open();
    await storage.put("events/2025/01/part.parquet", bytes("0123456789"));
    expect(text(await storage.get("events/2025/01/part.parquet"))).toBe("0123456789");
    expect(text(await storage.get("events/2025/01/part.parquet", { start: 3, end: 7 }))).toBe("3456");
    expect(await storage.head("events/2025/01/part.parquet")).toEqual({ bytes: 10 });
  });

  test("replaces an object whole, and a large one comes back to the byte", async () => {
    const storage = open();
    const large = new Uint8Array(9 * 1024 * 1024).map((_byte, i) => i % 251);
    await storage.put("large", bytes("small"));
    await storage.put("large", large);
    expect(Buffer.compare(await storage.get("large"), large)).toBe(0);
  });

  test("says what is missing, and what ends before the range does", async () => {
    const storage = open();
    await storage.put("short", bytes("0123"));
    await expect(storage.get("not/there")).rejects.toEqual(fault("missing"));
    await expect(storage.get("short", { start: 2, end: 9 })).rejects.toEqual(fault("short"));
    await expect(storage.get("short", { start: 20, end: 29 })).rejects.toEqual(fault("short"));
    expect(await storage.head("not/there")).toBeNull();
  });

  test("removes an object, twice as well, and no other", async () => {
    const storage = open();
    await storage.put("months/2025-01/a", bytes("a"));
    await storage.put("months/2025-01/b", bytes("bb"));
    await storage.delete("months/2025-01/a");
    await storage.delete("months/2025-01/a");
    expect(await storage.head("months/2025-01/a")).toBeNull();
    expect(await storage.head("months/2025-01/b")).toEqual({ bytes: 2 });
  });

  test.each(["../outside", "/absolute", "a//b", "a/../b", "UPPER", "", "a/.part-1"])(
    "refuses the key %j",
    async (key) => {
      await expect(open().put(key, bytes("x"))).rejects.toThrow();
      await expect(open().get(key)).rejects.toThrow(TypeError);
    },
  );
});

test("a folder leaves nothing half written behind when the disk refuses", async () => {
  const storage = openStorage(pathToFileURL(path.join(folder, "half")).href);
  await storage.put("a/whole", bytes("x"));
  await expect(storage.put("a/whole/below", bytes("x"))).rejects.toEqual(fault("away"));
  expect(fs.readdirSync(path.join(folder, "half/a"))).toEqual(["whole"]);
});

test("a folder that is not there is away and not made: its volume may not be mounted", async () => {
  const root = path.join(folder, "volume", "archive");
  const storage = openStorage(pathToFileURL(root).href);
  await expect(storage.put("a/b", bytes("x"))).rejects.toEqual(fault("away"));
  expect(fs.existsSync(root)).toBe(false);
  fs.mkdirSync(root, { recursive: true });
  await storage.put("a/b", bytes("x"));
  expect(text(await storage.get("a/b"))).toBe("x");
});

test.each([
  ["before it answers", false],
  ["in the middle of a body", true],
])("a bucket that stalls %s is away when the time is over", async (_, answers) => {
  const server = http.createServer((_request, response) => {
    if (!answers) return;
    response.writeHead(206, { "content-length": "1000", "content-type": "application/octet-stream" });
    response.write("half");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const endpoint = `http://127.0.0.1:${port}`;
  const storage = s3Storage({ bucket: "b", prefix: "", region: "us-east-1", endpoint, timeoutMs: 500 });
  await expect(storage.get("some/key", { start: 0, end: 1_000 })).rejects.toEqual(fault("away"));
  server.closeAllConnections();
  server.close();
});

test("a bucket that is away says so, and is used again when it is back", async () => {
  const storage = openStorage(bucket.url("away"));
  await storage.put("kept", bytes("kept"));
  await bucket.stop();
  await expect(storage.get("kept")).rejects.toEqual(fault("away"));
  await expect(storage.put("lost", bytes("x"))).rejects.toEqual(fault("away"));
  await bucket.start();
  expect(text(await storage.get("kept"))).toBe("kept");
  expect(await storage.head("lost")).toBeNull();
}, 30_000);

test.each([
  ["file:///var/lib/archive", { folder: "/var/lib/archive" }],
  ["s3://bucket", { bucket: "bucket", prefix: "", region: "us-east-1", endpoint: undefined }],
  [
    "s3://bucket/a/b/?region=eu-central-1&endpoint=https://s3.example.com",
    { bucket: "bucket", prefix: "a/b/", region: "eu-central-1", endpoint: "https://s3.example.com" },
  ],
])("%s leads to a place", (url, place) => {
  expect(parseStorageUrl(url)).toEqual(place);
});

test.each([
  "",
  "folder",
  "file:///",
  "file://host/x",
  "https://bucket",
  "s3://",
  "s3://key:secret@bucket",
  "s3://b?acl=x",
  "s3://b?endpoint=ftp://x",
])("%j leads nowhere, and what is said of it quotes nothing", (url) => {
  expect(() => parseStorageUrl(url)).toThrow(/^(is|names|holds|takes|has) [^@]*$/);
});
