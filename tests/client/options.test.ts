import { expect, test, vi } from "vitest";
import { createAuditClient } from "../../client/index.ts";
import { event, trail } from "./support.ts";

const service = { url: "http://127.0.0.1:9", apiKey: "key" };
const log = () => undefined;

test.each([
  [{ backend: "postgres" }, "backend must be one of memory,dual,database"],
  [{ backend: "database", ...service, mode: "later" }, "mode must be one of required,buffered"],
  [{ backend: "database", url: "", apiKey: "key" }, "url (https:) and apiKey must be given"],
  [{ backend: "dual", url: "http://127.0.0.1:9" }, "url (https:) and apiKey must be given"],
  [{ ...service, backend: "dual", url: "audit.example.com" }, "url (https:) and apiKey must be given"],
  // fetch() would throw it back in an error, for a log to keep.
  [{ ...service, backend: "dual", apiKey: "afi_key\n" }, "url (https:) and apiKey must be given"],
  [{ queueMax: 0 }, "queueMax must be 1 to 2147483647"],
  [{ deadlineMs: Infinity }, "deadlineMs must be 1 to 2147483647"],
  [{ timeoutMs: Number.NaN }, "timeoutMs must be 1 to 2147483647"],
  [{ timeoutMs: "5000" as unknown as number }, "timeoutMs must be 1 to 2147483647"],
])("options that cannot work are refused: %o", (options, message) => {
  expect(() => createAuditClient({ log, ...options })).toThrow(message);
});

test("an unset variable means memory, and each backend is logged once", async () => {
  const lines: string[] = [];
  // As in a process that has logged nothing yet.
  vi.resetModules();
  const { createAuditClient } = await import("../../client/index.ts");
  const make = (backend: string | undefined) =>
    createAuditClient({ ...service, backend, log: (line) => lines.push(line) });
  for (const backend of [undefined, "dual", undefined, "dual"]) make(backend);
  expect(lines).toEqual([
    "[Audit Trail] Using backend: memory",
    "[Audit Trail] Using backend: dual (required)",
  ]);
});

test("memory keeps so many trails and events, the newest, and starts no timer", async () => {
  const timers = [vi.spyOn(globalThis, "setTimeout"), vi.spyOn(globalThis, "setInterval")];
  const client = createAuditClient({ memoryMax: 3, log });
  for (let i = 1; i <= 5; i++) {
    await client.storeAuditTrail(trail(`msg-${i}`, "proj"));
    await client.logAuditEvent(event("ws", { resourceId: `r-${i}` }));
  }
  for (const timer of timers) {
    expect(timer).not.toHaveBeenCalled();
    timer.mockRestore();
  }
  expect(await client.getAuditTrail("msg-2")).toBeNull();
  expect(await client.getAuditTrail("msg-3")).not.toBeNull();
  const kept = await client.getAuditEvents("ws");
  expect(kept.map((one) => one.resourceId)).toEqual(["r-5", "r-4", "r-3"]);
});
