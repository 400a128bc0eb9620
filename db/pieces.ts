import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";

/** Applied around the table migrations, each whenever its text has changed; later files may use earlier ones. */
const BEFORE_TABLES = ["roles", "schema", "keeper"];
const AFTER_TABLES = [
  "home",
  "events-every",
  "events-guard",
  "retention",
  "holds",
  "events-chronology",
  "events-membership",
  "events-insert",
  "events-read",
  "history-guard",
  "partitions",
  "partition-guards",
  "idempotency",
  "trails-due",
  "trails",
  "trails-digests",
  "trails-totals",
  "events-service",
  "archive-rows",
  "archive-plan",
  "archive-moves",
  "archive-months",
  "archive-run",
  "archive-back",
  "cold",
  "cold-note",
  "cold-back",
  "cold-purge",
  "history-catalog",
  "history-images",
  "history-exact",
  "history-capture",
  "history-events",
  "history-events-insert",
  "history-functions",
  "history-triggers",
  "history-track",
  "history-untrack",
  "history-switch",
  "history-problems",
  "history-read",
  "history-verify",
  "cleanup-reach",
  "cleanup",
  "history-floor",
  "restore-draft",
  "restore-entries",
  "restore-undo",
  "restore-rows",
  "restore-rollback",
  "restore-match",
  "restore-relations",
  "restore-children",
  "restore-parents",
  "restore-fit",
  "restore-columns",
  "restore-check",
  "restore-holds",
  "restore-unique",
  "restore-row-order",
  "restore-order",
  "restore-items",
  "restore-overlap",
  "restore-snapshot",
  "restore-lock",
  "restore-write",
  "restore-apply",
  "restore-verify",
  "comments",
];
/** Applied last, whenever anything has changed: trigger functions are made by functions, and rights are on them. */
const AFTER_CHANGES = ["history-renew", "grants", "grants-keeper"];

export interface Piece {
  name: string;
  role: "admin" | "audit_owner" | "audit_keeper";
  text: string;
  checksum: string;
  /** Whether it is applied whenever another piece is, not only when its own text has changed. */
  followsChanges: boolean;
}

/** All pieces in order: SQL files before the tables, the table migrations, the other SQL files, those that follow changes. */
export function pieces(): Piece[] {
  const journal = JSON.parse(read("migrations/meta/_journal.json")) as { entries: { tag: string }[] };
  return [
    ...BEFORE_TABLES.map((name) => sqlPiece(name)),
    ...journal.entries.map(({ tag }) => piece(`migrations/${tag}.sql`, "audit_owner")),
    ...[...AFTER_TABLES, ...AFTER_CHANGES].map((name) => sqlPiece(name)),
  ];
}

function sqlPiece(name: string): Piece {
  if (name === "roles") return piece("sql/roles.sql", "admin");
  const file = `sql/${name}.sql`;
  return piece(file, read(file).startsWith("-- role: audit_keeper\n") ? "audit_keeper" : "audit_owner");
}

function piece(name: string, role: Piece["role"]): Piece {
  const text = read(name);
  return {
    name,
    role,
    text,
    checksum: createHash("sha256").update(text).digest("hex"),
    followsChanges: AFTER_CHANGES.some((one) => name === `sql/${one}.sql`),
  };
}

function read(file: string): string {
  return fs.readFileSync(path.join(import.meta.dirname, file), "utf8");
}
