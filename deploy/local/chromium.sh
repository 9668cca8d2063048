#!/bin/sh
# Installs Debian's Chromium for the browser tests where it is missing and may be installed; else says that they are skipped.
set -eu
if command -v chromium >/dev/null 2>&1; then
    exit
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "chromium is not here and cannot be installed by this user: the browser tests are skipped" >&2
    exit
fi
echo "installing chromium with apt" >&2
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
if apt-get update -q >"$log" 2>&1 && apt-get install -y -q --no-install-recommends chromium chromium-driver >>"$log" 2>&1 </dev/null; then
    rm -f "$log"
else
    tail -n 5 "$log" >&2
    rm -f "$log"
    echo "chromium could not be installed: the browser tests are skipped" >&2
fi
