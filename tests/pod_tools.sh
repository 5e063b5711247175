#!/bin/sh
# Prints the binary of pod-tools that a script of tests is to run: the one that it was given, else the one that is built now.
#
#     tests/pod_tools.sh [POD_TOOLS]
set -eu

binary=${1:-}
if [ -z "$binary" ]; then
    root=$(cd "$(dirname "$0")/.." && pwd)
    cargo build --quiet --locked --manifest-path "$root/Cargo.toml" --bin pod-tools >&2
    binary=${CARGO_TARGET_DIR:-$root/target}/debug/pod-tools
fi
realpath "$binary"
