#!/bin/sh
# Runs agents that nobody here wrote as pods, against a model of its own on the loopback interface: by their presets
# (`pod-tools pod --agent`), presets.py, and by their commands (`pod-tools pod --acp`), acp.py. It prints a line for each
# thing seen, and "not run" with the reason for what is not to be had.
#
#     tests/agents/run.sh [POD_TOOLS]
#
# POD_TOOLS is the binary; without one it is built. It takes npm, Node 20 or newer, and Python 3.10 or newer.
set -eu

sources=$(cd "$(dirname "$0")" && pwd)
binary=$("$sources/../pod_tools.sh" "${1:-}")
place=$("$sources/install.sh")
python3 -B "$sources/presets.py" "$binary" "$place/programs"
exec python3 -B "$sources/acp.py" "$binary" "$place/node_modules"
