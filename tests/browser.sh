#!/usr/bin/env bash
# Makes sure that there is a browser for the tests that need one: installs Debian's chromium when none is there
# and this is root on a machine with apt-get. Prints nothing when all is well; does nothing when one is there.
set -euo pipefail

for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then
        exit 0
    fi
done
if [[ $(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null; then
    echo "no browser and no way to install one: report and studio are not looked at in a browser" >&2
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
if ! { apt-get -qq update && apt-get -qq install -y --no-install-recommends chromium; } >"$log" 2>&1; then
    echo "chromium could not be installed:" >&2
    tail -n 5 "$log" >&2
fi
rm -f "$log"
