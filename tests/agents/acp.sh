#!/bin/sh
# Runs agents of the Agent Client Protocol from npm as pods, against a model on loopback: acp.py.
#
#     tests/agents/acp.sh [POD_TOOLS]
#
# POD_TOOLS is the binary; without one it is built. It takes Node and Python 3.10 or newer.
set -eu

sources=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$sources/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
binary=${1:-}
if [ -z "$binary" ]; then
    cargo build --quiet --locked --manifest-path "$root/Cargo.toml" --bin pod-tools
    binary=$target/debug/pod-tools
fi
place=$target/agents
if ! [ -e "$sources/package-lock.json" ] || ! command -v npm >/dev/null || ! command -v python3 >/dev/null; then
    echo "not run: it takes Node with npm, Python, and the agents' package-lock.json"
    exit 0
fi
mkdir -p "$place"
if ! cmp -s "$sources/package-lock.json" "$place/package-lock.json"; then
    cp "$sources/package.json" "$sources/package-lock.json" "$place"
    if ! npm ci --prefix "$place" --no-audit --no-fund --ignore-scripts --silent; then
        rm -f "$place/package-lock.json"
        echo "not run: the agents cannot be installed from npm"
        exit 0
    fi
fi
exec python3 -B "$sources/acp.py" "$binary" "$place/node_modules"
