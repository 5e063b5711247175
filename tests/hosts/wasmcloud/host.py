#!/usr/bin/env python3
"""The plugin as a workload of wasmCloud: `host.py call --batch`, a JSON line in, a JSON line out.

Starts `pod-tools gateway` with the host options that it is given, has a host of wasmCloud pull the composition that
`pod-tools compose --for wasmcloud` makes and run it, and sends each line as a message over NATS. What it needs for that
it starts (services.py), unless it finds it in its environment. profile.json says what this host cannot carry.
"""

import argparse
import asyncio
import json
import os
import re
import secrets
import signal
import sys
from pathlib import Path

import nats

hosts = Path(__file__).resolve().parent.parent
sys.path += [str(hosts), str(hosts / "python")]
from errors import ToolError, escape
from gateway import Gateway
from line import request
from services import VARIABLE, Services

# What wasmCloud calls the loopback interface of its machine, as an address.
LOOPBACK = "127.255.255.254"

# Longer than any call: an answer that does not come by then does not come.
ANSWER_LIMIT = 50


class Workload:
    """The composition, running for one caller."""

    def __init__(self, client, found, gateway):
        self.client, self.found, self.gateway = client, found, gateway
        self.caller = secrets.token_hex(8)
        # What it may reach of this machine.
        self.ports = [gateway.address.rsplit(":", 1)[1]]

    def subject(self, tool):
        return f"pods.v1.kit.{self.caller}.{tool}"

    async def start(self):
        started = await self.command("start", self.description())
        if started["workloadStatus"]["workloadState"] != "WORKLOAD_STATE_RUNNING":
            sys.exit(f"host.py: the workload was not started: {started['workloadStatus']['message']}")

    async def stop(self):
        await self.command("stop", {"workloadId": self.caller})

    async def command(self, name, what):
        subject = f"runtime.host.{self.found['host']}.workload.{name}"
        return json.loads((await self.client.request(subject, json.dumps(what).encode(), timeout=60)).data)

    def description(self):
        """The workload that `pod-tools compose --for wasmcloud` shows."""
        component = {
            "name": "pod-tools",
            "image": self.found["image"],
            "localResources": {
                "allowedHostLoopbackPorts": self.ports,
                "environment": {
                    "POD_TOOLS_GATEWAY": self.gateway.address.replace("127.0.0.1", LOOPBACK),
                    "POD_TOOLS_TOKEN": self.gateway.token,
                    "POD_TOOLS_MAX_PAYLOAD": str(self.client.max_payload),
                },
            },
        }
        messages = {
            "namespace": "wasmcloud",
            "package": "messaging",
            "version": "0.2.0",
            "interfaces": ["handler", "consumer", "types"],
            "config": {"subscriptions": self.subject("*")},
        }
        world = {"components": [component], "hostInterfaces": [messages]}
        workload = {"namespace": "default", "name": f"pod-tools-{self.caller}", "witWorld": world}
        return {"workloadId": self.caller, "workload": workload}

    async def call(self, tool, text):
        """The answer's line."""
        if not re.fullmatch("[A-Za-z0-9_-]+", tool):
            raise ToolError("unknown-tool", None, f"no tool named `{escape(tool)}`: that is no token of a subject")
        payload = text.encode("utf-8", "surrogatepass")
        if len(payload) > self.client.max_payload:
            taken = f"a message takes {self.client.max_payload}, the server's max_payload"
            raise ToolError("limit", None, f"the input has {len(payload)} bytes, and {taken}")
        try:
            return (await self.client.request(self.subject(tool), payload, timeout=ANSWER_LIMIT)).data
        except nats.errors.Error as error:
            raise ToolError("internal", None, f"wasmCloud gave no answer: {error}; see its log") from error

    def has_ended(self, line):
        """Whether that is the answer because the gateway has ended."""
        if not line.startswith(b'{"err":'):
            return False
        error = json.loads(line)["err"]
        message = error["message"].replace(LOOPBACK, "127.0.0.1")
        return self.gateway.has_ended(ToolError(error["kind"], error["reason"], message))


async def serve(gateway, found):
    """Answers until the end of input."""
    client = await nats.connect(found["nats"], max_reconnect_attempts=0, pending_size=256 << 20)
    workload = Workload(client, found, gateway)
    await workload.start()
    loop = asyncio.get_running_loop()
    while given := await loop.run_in_executor(None, sys.stdin.buffer.readline):
        if not given.strip():
            continue
        try:
            line = await workload.call(*request(given))
            if workload.has_ended(line):
                # Of this host nothing is left that could answer.
                sys.exit(f"host.py: {line.decode()}")
        except ToolError as error:
            fields = {"kind": error.kind, "reason": error.reason, "message": error.message}
            line = json.dumps({"err": fields}).encode()
        sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()
    await workload.stop()
    await client.close()


def options():
    parser = argparse.ArgumentParser(allow_abbrev=False, description="Call the pod tools, a JSON line each.")
    parser.add_argument("command", choices=["call"])
    parser.add_argument("--batch", action="store_true", required=True)
    parser.add_argument("--place", required=True, metavar="DIR")
    parser.add_argument("--pod-tools", required=True, metavar="PROGRAM")
    return parser.parse_known_args()


def main():
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    args, of_gateway = options()
    gateway = Gateway(args.pod_tools, of_gateway)
    services = None
    try:
        found = os.environ.get(VARIABLE)
        if found is None:
            services = Services(args.place)
        asyncio.run(serve(gateway, services.found if services else json.loads(found)))
    finally:
        if services:
            services.end()
        gateway.end()


if __name__ == "__main__":
    main()
