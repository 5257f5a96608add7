#!/bin/sh
# Installs what the tests need from Debian's packages: Chromium with its driver, Prometheus with promtool, and for the test on a real
# node containerd with runc. Does nothing where all of it is there.
set -eu

missing=
need() { # PROGRAM PACKAGE...
    program=$1
    shift
    [ -x "$program" ] || missing="$missing $*"
}
need /usr/bin/chromium chromium
need /usr/bin/chromedriver chromium-driver
need /usr/bin/prometheus prometheus
need /usr/bin/promtool prometheus
# Without root no node can run, and its test is skipped.
if [ "$(id -u)" -eq 0 ]; then
    need /usr/bin/containerd containerd
    need /usr/sbin/runc runc
    need /usr/lib/cni/bridge containernetworking-plugins
    need /usr/bin/strip binutils
fi
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "the tests need these packages of Debian, and there is no apt-get here to install them with:$missing" >&2
    exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "the tests need some packages; install them once: sudo apt-get install --no-install-recommends$missing" >&2
    exit 1
fi
# The tests start programs themselves: a service that a package brings is not to run.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
log=$(mktemp)
# shellcheck disable=SC2086
install() { DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >"$log" 2>&1; }
if ! install; then
    apt-get update >"$log" 2>&1 && install || { tail -20 "$log" >&2; exit 1; }
fi
rm -f "$log"
