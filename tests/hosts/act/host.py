#!/usr/bin/env python3
"""The plugin in ACT: `host.py call --batch`, a JSON line in, a JSON line out.

Starts `pod-tools gateway` with the host options that it is given, and one `act run --mcp` with the composition that
`pod-tools compose --for act` makes; each line is a `tools/call` of it. server.py speaks MCP, profile.json says what this
host cannot carry.
"""

import argparse
import json
import os
import signal
import sys
from pathlib import Path

from server import Server, Trapped

hosts = Path(__file__).resolve().parent.parent
sys.path += [str(hosts), str(hosts / "python")]
from batch import arguments, serve
from errors import ToolError
from gateway import Gateway

KINDS = {
    "std:invalid-args": "invalid-argument",
    "pod-tools:execution-failed": "execution-failed",
    "std:not-found": "unknown-tool",
    "std:capability-denied": "denied",
    "std:timeout": "timeout",
    "pod-tools:limit": "limit",
    "std:internal": "internal",
}


def line(result):
    """An answer of MCP as a line."""
    texts = [block["text"] for block in result["content"]]
    if result.get("isError"):
        details = result["_meta"]
        reason = details.get("dev.actcore/error-metadata", {}).get("pod-tools:reason")
        raise ToolError(KINDS[details["dev.actcore/error-kind"]], reason, texts[-1])
    summary, *content = texts
    # The data goes as the text that it is.
    data = result["content"][0]["_meta"]["pod-tools:data"]
    content = json.dumps(content[0] if content else None)
    return f'{{"ok":{{"summary":{json.dumps(summary)},"content":{content},"data":{data}}}}}'


class Act:
    """The server, and the next one where a trap has ended its component."""

    def __init__(self, start):
        self.start = start
        self.server = start()

    def call(self, tool, given):
        try:
            return line(self.server.call(tool, given))
        except Trapped as error:
            self.server.end()
            self.server = self.start()
            raise ToolError("internal", None, str(error)) from error


def options():
    parser = argparse.ArgumentParser(allow_abbrev=False, description="Call the pod tools, a JSON line each.")
    parser.add_argument("command", choices=["call"])
    parser.add_argument("--batch", action="store_true", required=True)
    parser.add_argument("--composition", required=True, metavar="FILE")
    parser.add_argument("--act", required=True, metavar="PROGRAM")
    parser.add_argument("--pod-tools", required=True, metavar="PROGRAM")
    return parser.parse_known_args()


def main():
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    args, of_gateway = options()
    gateway = Gateway(args.pod_tools, of_gateway)
    act = None
    try:
        act = Act(lambda: Server(args.act, args.composition, gateway))
        serve(gateway, lambda tool, text: act.call(tool, arguments(text)))
    finally:
        if act:
            act.server.end()
        gateway.end()


if __name__ == "__main__":
    main()
