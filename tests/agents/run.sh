#!/bin/sh
# Runs agents that nobody here wrote as pods, by their presets (`pod-tools pod --agent`), against a model of its own on the
# loopback interface: presets.py. It prints a line for each thing seen, and "not run" with the reason for what is not to be
# had.
#
#     tests/agents/run.sh [POD_TOOLS]
#
# POD_TOOLS is the binary; without one it is built. It takes npm, Node 20 or newer, and Python 3.10 or newer.
set -eu

sources=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$sources/../.." && pwd)
binary=${1:-}
if [ -z "$binary" ]; then
    cargo build --quiet --locked --manifest-path "$root/Cargo.toml" --bin pod-tools
    binary=${CARGO_TARGET_DIR:-$root/target}/debug/pod-tools
fi
place=$("$sources/install.sh")
exec python3 -B "$sources/presets.py" "$binary" "$place/programs"
