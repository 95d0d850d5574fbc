#!/bin/sh
# Installs the npm packages, and meanwhile makes the embedded emulator's Python environment. The system's Node.js is
# needed here only: everything else runs on the one among the packages.
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

echo "installing packages (about half a minute, once)"
npm ci --no-audit --no-fund --loglevel=error || stop "npm ci failed (above it says why): is the package registry reachable, and the disk not full?"
