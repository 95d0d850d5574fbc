#!/bin/sh
# Finds a Chromium for the browser tests, or gets Debian's: as root into the system, else into .local/chromium, without
# touching the system. EVENKEEL_CHROMIUM names another one. Prints nothing when there is one.
set -eu
cd "$(dirname "$0")/.."

say() {
  echo "evenkeel: $1" >&2
}

if [ -n "${EVENKEEL_CHROMIUM:-}" ]; then
  [ -x "$EVENKEEL_CHROMIUM" ] || say "EVENKEEL_CHROMIUM is no program: $EVENKEEL_CHROMIUM"
  exit 0
fi
if command -v chromium >/dev/null 2>&1 || [ -x .local/chromium/chromium ]; then exit 0; fi

missing="there is no Chromium, and it could not be installed: the browser tests will fail. Install it (Debian: apt-get install chromium), or set EVENKEEL_CHROMIUM"
if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-deb >/dev/null 2>&1; then
  say "$missing"
  exit 0
fi

echo "getting Chromium for the browser tests (once)"
log=.local/chromium.log
mkdir -p .local
if [ "$(id -u)" -eq 0 ]; then
  if apt-get update >"$log" 2>&1 && apt-get install -y --no-install-recommends chromium >>"$log" 2>&1; then exit 0; fi
  say "$missing ($log says why)"
  exit 0
fi

# Not root: apt with directories of its own; packages are unpacked side by side.
target=$PWD/.local/chromium
work=$target.new
rm -rf "$work"
mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial" "$work/root"
touch "$work/apt/status"
apt() {
  apt-get -o Dir::State="$work/apt" -o Dir::State::status="$work/apt/status" -o Dir::Cache="$work/apt/cache" \
    -o Debug::NoLocking=true -o APT::Sandbox::User="" "$@"
}
# An empty status: whatever it needs is fetched, however this system is set up.
fetch() {
  apt update
  apt install -y --no-install-recommends --download-only chromium fonts-dejavu-core
}
if ! fetch >"$log" 2>&1; then
  rm -rf "$work"
  say "$missing ($log says why)"
  exit 0
fi
for package in "$work"/apt/cache/archives/*.deb; do
  # The loader and the C library belong together and come from the system.
  case ${package##*/} in \*.deb | libc6_* | libc-bin_* | base-files_* | dpkg_* | perl* | debconf*) continue ;; esac
  dpkg-deb -x "$package" "$work/root"
done
rm -rf "$work/apt"
cat >"$work/chromium" <<'END'
#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
libraries=$(find "$here/root/usr/lib" "$here/root/lib" -maxdepth 1 -name '*-linux-gnu*' 2>/dev/null | tr '\n' ':')
export LD_LIBRARY_PATH="$here/root/usr/lib/chromium:$libraries"
export FONTCONFIG_PATH="$here/root/etc/fonts" XDG_DATA_DIRS="$here/root/usr/share"
exec "$here/root/usr/lib/chromium/chromium" "$@"
END
chmod +x "$work/chromium"
if ! "$work/chromium" --version >>"$log" 2>&1; then
  rm -rf "$work"
  say "$missing ($log says why)"
  exit 0
fi
rm -rf "$target"
mv "$work" "$target"
