#!/bin/sh
# The four tools on a real pod, through `act run --mcp`, with the official Python SDK as the client.
#
#     tests/hosts/act/over_mcp.sh
#
# It takes Python 3.10 or newer.
set -eu

sources=$(cd "$(dirname "$0")" && pwd)
# What starts the host has all that is needed: the composition, `act` and `pod-tools`.
command=$("$sources/../run.sh" act)
python=$("$sources/../../mcp/sdk.sh")
# shellcheck disable=SC2086 # The options are several words.
exec "$python" -B "$sources/over_mcp.py" ${command#*--batch}
