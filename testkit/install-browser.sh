#!/bin/sh
# Installs Chromium and its driver from Debian's packages, for the tests of the login. Does nothing where both are there.
set -eu

if [ -x /usr/bin/chromium ] && [ -x /usr/bin/chromedriver ]; then
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "the tests of the login need /usr/bin/chromium and /usr/bin/chromedriver; there is no apt-get here to install them with" >&2
    exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "the tests of the login need Chromium; install it once: sudo apt-get install chromium chromium-driver" >&2
    exit 1
fi
log=$(mktemp)
install() { DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium chromium-driver >"$log" 2>&1; }
if ! install; then
    apt-get update >"$log" 2>&1 && install || { tail -20 "$log" >&2; exit 1; }
fi
rm -f "$log"
