#!/bin/sh
# Makes the embedded emulator's Python environment, .local/venv, from the locked list in requirements.txt, unless it is
# there and up to date; with a name, such as tpch, .local/venv-tpch from requirements-tpch.txt. PYTHON names another
# python3. What stands in the way is told in one line.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
suffix=${1:+-$1}
list=local/requirements$suffix.txt
home=.local/venv$suffix
wanted=$(cksum <"$list")

stop() {
  echo "evenkeel: $1" >&2
  exit 3
}

if [ -x "$home/bin/python" ] && [ "$(cat "$home/requirements.cksum" 2>/dev/null)" = "$wanted" ]; then exit 0; fi

command -v "$python" >/dev/null 2>&1 ||
  stop "there is no $python: install Python 3.10 or newer with its venv module (Debian, Ubuntu: apt-get install python3 python3-venv)"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
  stop "$python is too old: install Python 3.10 or newer, or name one with PYTHON=/path/to/python3"
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
  stop "$python lacks its venv module: install it (Debian, Ubuntu: apt-get install python3-venv)"

# Made beside its place and moved there whole: a run that was cut off, or another one at the same time, does no harm.
mkdir -p .local
draft=$home.$$
trap 'rm -rf "$draft"' EXIT
"$python" -m venv "$draft" || stop "cannot make a Python environment in .local (is the disk full?)"
"$draft/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes \
  --only-binary :all: -r "$list" ||
  stop "cannot install the packages of $list, above it says why: is the Python package index reachable, and the disk not full?"
echo "$wanted" >"$draft/requirements.cksum"
rm -rf "$home"
mv "$draft" "$home"
