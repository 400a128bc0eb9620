#!/usr/bin/env node
import pg from "pg";

// psql URL -c SQL, where Postgres' own client is not installed: rows as JSON, one a line.
const [url, , sql] = process.argv.slice(2);
const db = new pg.Client(url);
await db.connect();
try {
  const results = [await db.query(sql)].flat();
  for (const row of results.at(-1).rows) console.log(JSON.stringify(row));
} finally {
  await db.end();
}
