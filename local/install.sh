#!/bin/sh
# Installs the npm packages unless they are there as the lock file has them, and meanwhile the embedded emulator. The
# system's Node.js is needed here only: everything else runs on the one among the packages.
set -eu
cd "$(dirname "$0")/.."

stop() {
  echo "evenkeel: $1" >&2
  exit 3
}

command -v node >/dev/null 2>&1 || stop "there is no node: install Node.js 20 or newer (https://nodejs.org; Debian: apt-get install nodejs npm)"
major=$(node -p 'process.versions.node.split(".")[0]')
[ "$major" -ge 20 ] || stop "node is version $major: install Node.js 20 or newer (https://nodejs.org)"
command -v npm >/dev/null 2>&1 || stop "there is no npm: install it (Debian, Ubuntu: apt-get install npm)"

installed='
  const { packages: wanted } = require("./package-lock.json");
  const { packages: present } = require("./node_modules/.package-lock.json");
  const same = ([path, { version, optional }]) => path === "" || optional || present[path]?.version === version;
  process.exit(Object.entries(wanted).every(same) ? 0 : 1);
'
if [ -x node_modules/.bin/node ] && node -e "$installed" 2>/dev/null; then exit 0; fi

echo "installing packages (once, and when package-lock.json changes)"
# Told when it is needed: with a Docker engine it is not.
sh local/python.sh 2>/dev/null &
emulator=$!
npm ci --no-audit --no-fund --loglevel=error || stop "npm ci failed, above it says why: is the package registry reachable, and the disk not full?"
wait "$emulator" || true
