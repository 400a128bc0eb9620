#!/usr/bin/env bash
# What a new machine does: clone, npm ci, npm start, the guide's curl, kill -9, start again, Ctrl-C. Once in a folder
# that only its owner may enter, without install scripts; once as an ordinary user where we are root.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
user=nobody
launcher=""
trap 'if [ -n "$launcher" ]; then kill -TERM "$launcher" 2>/dev/null || true; fi; rm -rf "$work"' EXIT

field() { node -p "JSON.parse(require('fs').readFileSync('$1/.afterimage/dev.json', 'utf8')).$2"; }

start() {
  (cd "$1" && exec env -u CI "${prefix[@]}" node --import tsx local/start.ts --port 0) >"$work/start.log" 2>&1 &
  launcher=$!
  for _ in $(seq 120); do
    grep -q "Ctrl-C stops everything" "$work/start.log" && return
    kill -0 "$launcher" 2>/dev/null || break
    sleep 0.5
  done
  cat "$work/start.log"
  exit 1
}

try() {
  local checkout=$1
  start "$checkout"
  local key url
  key=$(field "$checkout" apiKey) url=$(field "$checkout" url)
  curl -sf -X POST "$url/api/audit/log" \
    -H "Authorization: Bearer $key" \
    -H "Content-Type: application/json" \
    -d '{
      "actionType": "TEST_EVENT",
      "resourceType": "workspace",
      "resourceId": "ws-123",
      "workspaceId": "ws-123",
      "createdByUserId": "user-123"
    }'
  echo
  # shellcheck disable=SC2046
  kill -9 $(node -p "Object.values(JSON.parse(require('fs').readFileSync('$checkout/.afterimage/dev.json', 'utf8')).pids).join(' ')")
  wait "$launcher" 2>/dev/null || true
  start "$checkout"
  url=$(field "$checkout" url)
  curl -sf -H "Authorization: Bearer $key" "$url/api/audit/events?workspaceId=ws-123&actionType=TEST_*" | grep -q TEST_EVENT
  kill -INT "$launcher"
  wait "$launcher"
  launcher=""
}

echo "— in a folder of mode 0700, after npm ci --ignore-scripts"
mkdir -m 700 "$work/closed"
git clone -q "$root" "$work/closed/afterimage"
(cd "$work/closed/afterimage" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
prefix=()
try "$work/closed/afterimage"

if [ "$(id -u)" = 0 ]; then
  echo "— as an ordinary user"
  chmod 755 "$work"
  mv "$work/closed/afterimage" "$work/open"
  rm -rf "$work/open/.afterimage"
  mkdir "$work/home"
  chown -R "$user" "$work/open" "$work/home"
  prefix=(setpriv --reuid="$user" --clear-groups env HOME="$work/home")
  try "$work/open"
fi
echo "The fresh clone works."
