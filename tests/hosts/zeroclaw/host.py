#!/usr/bin/env python3
"""The plugin in ZeroClaw: `host.py call --batch`, a JSON line in, a JSON line out.

Starts `pod-tools gateway` with the host options that it is given, and a program on ZeroClaw's own crate (src/main.rs)
with five plugins, a tool each. agent.py is that with what it is configured to, profile.json says what this host cannot
carry.
"""

import argparse
import json
import os
import signal
import sys
from pathlib import Path

from agent import TOOLS, Agent

hosts = Path(__file__).resolve().parent.parent
sys.path += [str(hosts), str(hosts / "python")]
from batch import arguments, serve
from errors import ToolError
from gateway import Gateway


def line(answer):
    """What came of a call as a line."""
    if "failed" in answer:
        raise ToolError("internal", None, answer["failed"])
    if not answer["success"]:
        error = json.loads(answer["output"])
        raise ToolError(error["kind"], error["reason"], answer["error"])
    summary, rest = answer["output"].split("\n", 1)
    content, is_there, data = rest.rpartition("\n")
    content = json.dumps(content if is_there else None)
    # The data goes as the text that it is.
    return f'{{"ok":{{"summary":{json.dumps(summary)},"content":{content},"data":{data}}}}}'


def call(agent, tool, given):
    if tool not in TOOLS:
        raise ToolError("unknown-tool", None, f"no plugin is a tool `{tool}`; there are {', '.join(TOOLS)}")
    return line(agent.call(tool, given))


def options():
    parser = argparse.ArgumentParser(allow_abbrev=False, description="Call the pod tools, a JSON line each.")
    parser.add_argument("command", choices=["call"])
    parser.add_argument("--batch", action="store_true", required=True)
    parser.add_argument("--place", required=True, metavar="DIRECTORY")
    parser.add_argument("--pod-tools", required=True, metavar="PROGRAM")
    return parser.parse_known_args()


def main():
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    args, of_gateway = options()
    gateway = Gateway(args.pod_tools, of_gateway)
    agent = None
    try:
        agent = Agent(args.place, gateway)
        serve(gateway, lambda tool, text: call(agent, tool, arguments(text)))
    finally:
        if agent:
            agent.end()
        gateway.end()


if __name__ == "__main__":
    main()
