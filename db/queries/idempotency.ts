import { sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { rows } from "./rows.ts";

interface Request {
  key: string;
  hash: Uint8Array;
}

interface FirstUse {
  state: "new" | "replay" | "mismatch" | "running";
  status: number | null;
  body: unknown;
}

export async function beginIdempotent(db: Db, keyId: string, request: Request): Promise<FirstUse> {
  const [first] = await rows<FirstUse>(
    db,
    sql`select state, status, body from audit.begin_idempotent(${keyId}, ${request.key}, ${Buffer.from(request.hash)})`,
  );
  return first ?? { state: "new", status: null, body: null };
}

export async function finishIdempotent(
  db: Db,
  keyId: string,
  request: Request,
  status: number,
  body: unknown,
): Promise<void> {
  await db.execute(sql`
    select audit.finish_idempotent(
      ${keyId}, ${request.key}, ${Buffer.from(request.hash)}, ${status}::int, ${JSON.stringify(body)}::jsonb
    )`);
}

export async function sweepKeys(db: Db, limit: number): Promise<number> {
  const [row] = await rows<{ swept: number }>(
    db,
    sql`select audit.sweep_idempotency_keys(${limit}::int) as swept`,
  );
  return row?.swept ?? 0;
}
