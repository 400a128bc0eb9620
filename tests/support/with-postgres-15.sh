#!/usr/bin/env bash
# Runs a command with TEST_DATABASE_URL set to a fresh PostgreSQL 15 (Debian's), the oldest that is supported:
#   bash tests/support/with-postgres-15.sh npx vitest run tests/db tests/api
set -euo pipefail
bin=/usr/lib/postgresql/15/bin
[ -x "$bin/initdb" ] || { echo "PostgreSQL 15 is missing: apt-get install postgresql-15" >&2; exit 1; }
home=$(mktemp -d "${TMPDIR:-/tmp}/afterimage-pg15.XXXXXX")
password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
port=$(node -e 'const s = require("node:net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
printf %s "$password" > "$home/password"
as=()
if [ "$(id -u)" = 0 ]; then
  # The server refuses to run as root.
  as=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
  chown -R nobody "$home"
fi
cd "$home"
"${as[@]}" "$bin/initdb" -D "$home/data" -U postgres -A scram-sha-256 --pwfile="$home/password" -E UTF8 --locale=C --no-sync >/dev/null
"${as[@]}" "$bin/postgres" -D "$home/data" -p "$port" -h 127.0.0.1 -k "" -c fsync=off -c max_connections=300 -c shared_buffers=256MB \
  > "$home/log" 2>&1 &
server=$!
trap 'kill -INT "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$home"' EXIT
cd "$OLDPWD"
for _ in $(seq 100); do
  "$bin/pg_isready" -q -h 127.0.0.1 -p "$port" && break
  kill -0 "$server" 2>/dev/null || { cat "$home/log" >&2; exit 1; }
  sleep 0.1
done
TEST_DATABASE_URL="postgresql://postgres:$password@127.0.0.1:$port/postgres" "$@"
