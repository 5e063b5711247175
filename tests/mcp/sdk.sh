#!/bin/sh
# Makes the official Python SDK of the Model Context Protocol ready, beneath target/, and prints the Python that has it.
# To be called as often as one likes: what is there already is not made again.
#
#     tests/mcp/sdk.sh
set -eu

sources=$(cd "$(dirname "$0")" && pwd)
place=${CARGO_TARGET_DIR:-$(cd "$sources/../.." && pwd)/target}/mcp-python
wanted=$sources/requirements.txt
if ! cmp -s "$wanted" "$place/installed-from"; then
    python3 -m venv --clear "$place" >&2
    "$place/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted" >&2
    cp "$wanted" "$place/installed-from"
fi
echo "$place/bin/python"
