#!/bin/sh
# Runs the official conformance suite of the Model Context Protocol against `pod-tools mcp --http`: the stable one,
# and the newest prerelease, which has the scenarios of the revision 2026-07-28.
#
#     tests/mcp/conformance.sh [POD_TOOLS]
#
# Every scenario that applies must pass; those that do not are listed, each with its reason, in expected-failures.yml
# and expected-failures-prerelease.yml, and must fail. POD_TOOLS is the binary; without one it is built. It takes npm,
# and brings a Node of its own where there is none that is new enough.
set -eu

sources=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$sources/../.." && pwd)
place=${CARGO_TARGET_DIR:-$root/target}/mcp-conformance
binary=$("$sources/../pod_tools.sh" "${1:-}")

mkdir -p "$place"
if ! cmp -s "$sources/package-lock.json" "$place/installed-from"; then
    cp "$sources/package.json" "$sources/package-lock.json" "$sources/.npmrc" "$place/"
    npm ci --prefix "$place" --no-audit --no-fund --ignore-scripts >&2
    cp "$sources/package-lock.json" "$place/installed-from"
fi
# The suite takes Node 22 or newer. Where the machine's own is older, the one that was installed beside the suite.
major=$(node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/')
if [ "${major:-0}" -lt 22 ]; then
    PATH=$(echo "$place"/node_modules/node-linux-*/bin):$PATH
fi

run=
server=
stop() {
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    rm -rf "$run"
}
trap stop EXIT

# Runs the suite that is installed under a name, against a server of its own.
suite() {
    run=$(mktemp -d)
    mkdir "$run/base"
    : >"$run/log"
    "$binary" mcp --http 0 --base-dir "$run/base" 2>"$run/log" &
    server=$!
    url=
    for _ in $(seq 300); do
        url=$(sed -n 's/.*serving at \(http[^ ]*\).*/\1/p' "$run/log")
        [ -n "$url" ] && break
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    [ -n "$url" ] || { echo "conformance.sh: the server does not start:" >&2; cat "$run/log" >&2; exit 1; }
    echo "== $1"
    (cd "$run" && node "$place/node_modules/$1/dist/index.js" server --url "$url" --suite all \
        --expected-failures "$sources/$2")
    stop
}

suite @modelcontextprotocol/conformance expected-failures.yml
suite conformance-prerelease expected-failures-prerelease.yml
