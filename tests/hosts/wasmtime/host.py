#!/usr/bin/env python3
"""The plugin in wasmtime's own command line: `host.py call --batch`, a JSON line in, a JSON line out.

Starts `pod-tools gateway` with the host options that it is given, and for each line `wasmtime run --invoke` with the
composition that `pod-tools compose --for wasmtime` makes. values.py reads what that prints, profile.json says what this
host cannot carry.
"""

import argparse
import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import values

hosts = Path(__file__).resolve().parent.parent
sys.path += [str(hosts), str(hosts / "python")]
from batch import serve
from errors import ToolError
from gateway import Gateway

# What a call needs of wasmtime: TCP, and two variables of the environment; and bounds on what it may use. The command
# is that of `pod-tools compose --for wasmtime`.
RIGHTS = [
    *["-W", "max-memory-size=268435456,timeout=60s"],
    *["-S", "inherit-network,udp=n,inherit-stdin=n,inherit-stdout=n"],
    *["--env", "POD_TOOLS_GATEWAY", "--env", "POD_TOOLS_TOKEN"],
]


class Wasmtime:
    """`wasmtime run`, a process a call."""

    def __init__(self, program, component, gateway):
        self.command = [program, "run", *RIGHTS, "--invoke"]
        self.component = component
        self.environment = os.environ | {"POD_TOOLS_GATEWAY": gateway.address, "POD_TOOLS_TOKEN": gateway.token}

    def call(self, tool, text):
        """The answer's line."""
        invoked = f"call({values.text(tool)}, {values.text(text)})"
        try:
            done = subprocess.run(
                [*self.command, invoked, self.component],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
        except OSError as error:
            if error.errno != errno.E2BIG:
                raise
            message = f"the input has {len(text)} bytes; it goes over on a command line, which takes 128 KiB"
            raise ToolError("limit", None, message) from error
        if done.returncode != 0:
            raise ToolError("internal", None, f"wasmtime ended with {done.returncode}: {done.stderr.decode()}")
        return line(*values.parse(done.stdout.decode()))


def line(case, payload):
    """A result of `tools.call` as a line."""
    if case == "err":
        raise ToolError(payload["kind"][0], (payload.get("reason") or [None, [None]])[1][0], payload["message"])
    summary, content = json.dumps(payload["summary"]), json.dumps((payload.get("content") or [None, None])[1])
    # The data goes as the text that it is.
    return f'{{"ok":{{"summary":{summary},"content":{content},"data":{payload["data"]}}}}}'


def options():
    parser = argparse.ArgumentParser(allow_abbrev=False, description="Call the pod tools, a JSON line each.")
    parser.add_argument("command", choices=["call"])
    parser.add_argument("--batch", action="store_true", required=True)
    parser.add_argument("--composition", required=True, metavar="FILE")
    parser.add_argument("--wasmtime", required=True, metavar="PROGRAM")
    parser.add_argument("--pod-tools", required=True, metavar="PROGRAM")
    return parser.parse_known_args()


def main():
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    args, of_gateway = options()
    gateway = Gateway(args.pod_tools, of_gateway)
    try:
        wasmtime = Wasmtime(args.wasmtime, args.composition, gateway)
        serve(gateway, wasmtime.call)
    finally:
        gateway.end()


if __name__ == "__main__":
    main()
