#!/bin/sh
# Runs the MCP server's tests with the official Python SDK as the client, over stdio and HTTP, against real pods.
#
#     tests/mcp/python.sh [POD_TOOLS]
#
# POD_TOOLS is the binary; without one it is built. It takes Python 3.10 or newer.
set -eu

sources=$(cd "$(dirname "$0")" && pwd)
binary=$("$sources/../pod_tools.sh" "${1:-}")

python=$("$sources/sdk.sh")
# The SDK warns of every feature of the earlier revisions, which are what half of the scenes are about.
exec "$python" -B -W ignore "$sources/python_client.py" "$binary"
