#!/bin/sh
# Runs agents of the Agent Client Protocol from npm as pods, against a model on loopback: acp.py.
#
#     tests/agents/acp.sh [POD_TOOLS]
#
# POD_TOOLS is the binary; without one it is built. It takes Node and Python 3.10 or newer.
set -eu

sources=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$sources/../.." && pwd)
binary=${1:-}
if [ -z "$binary" ]; then
    cargo build --quiet --locked --manifest-path "$root/Cargo.toml" --bin pod-tools
    binary=${CARGO_TARGET_DIR:-$root/target}/debug/pod-tools
fi
place=$("$sources/install.sh")
exec python3 -B "$sources/acp.py" "$binary" "$place/node_modules"
