#!/bin/sh
# Fetches Debian's Prometheus for the tests of metrics and alerts where it is missing; else says that they are skipped.
# It is unpacked into .tools, not installed: the package would start a server of its own on this machine.
set -eu
cd "$(dirname "$0")/../.."
if command -v promtool >/dev/null 2>&1 && command -v prometheus >/dev/null 2>&1; then
    exit
fi
target=.tools/prometheus
if [ -x "$target/usr/bin/promtool" ]; then
    exit
fi
if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg >/dev/null 2>&1; then
    echo "prometheus is not here and there is no apt-get to fetch it: the tests of alerts are skipped" >&2
    exit
fi
echo "fetching prometheus with apt" >&2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fetch() { (cd "$scratch" && apt-get download -q prometheus >log 2>&1 </dev/null); }
if fetch || { [ "$(id -u)" = 0 ] && apt-get update -q >/dev/null 2>&1 && fetch; }; then
    mkdir -p "$target"
    dpkg -x "$scratch"/prometheus_*.deb "$target"
else
    tail -n 3 "$scratch/log" >&2
    echo "prometheus could not be fetched: the tests of alerts are skipped" >&2
fi
