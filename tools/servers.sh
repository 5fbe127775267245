#!/bin/sh
# servers.sh: install the servers that the store tests start (Redis, PostgreSQL) where that is possible, and say so where it is not.
# PARAGRAD_SERVERS=required makes a missing server an error; PARAGRAD_SERVERS=none installs nothing.
set -eu
wanted=""
command -v redis-server >/dev/null 2>&1 || wanted="$wanted redis-server"
command -v postgres >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || wanted="$wanted postgresql"
[ -n "$wanted" ] || exit 0
[ "${PARAGRAD_SERVERS:-}" != none ] || exit 0

as_root=""
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null && as_root="sudo -n env DEBIAN_FRONTEND=noninteractive" || as_root="no"
fi
if [ "$as_root" != no ] && command -v apt-get >/dev/null 2>&1; then
    echo "servers: installing$wanted (used by the tests alone, on loopback)"
    log=$(mktemp)
    export DEBIAN_FRONTEND=noninteractive
    apt="$as_root apt-get -qq -o DPkg::Lock::Timeout=120"
    # shellcheck disable=SC2086
    if { $apt update && $apt install -y --no-install-recommends $wanted; } >"$log" 2>&1; then
        rm -f "$log"
        exit 0
    fi
    tail -n 5 "$log" >&2
    rm -f "$log"
fi
echo "servers: missing:$wanted; the tests that need them are skipped. Install them: apt-get install$wanted" >&2
[ "${PARAGRAD_SERVERS:-}" != required ] || exit 1
