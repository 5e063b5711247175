"""The four tools on a real pod, through `act run --mcp`, with the official Python SDK as the client.

    over_mcp.py --composition FILE --act PROGRAM --pod-tools PROGRAM

Exit status 0: all went as it should.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from mcp import Client
from mcp.client.stdio import StdioServerParameters

from server import command, environment

# Generous: tells "bounded" from "for ever".
LONG = 60

sys.path.append(str(Path(__file__).resolve().parent.parent))
from gateway import Gateway


def start_pod(program, base):
    """A pod whose answer is the message in capitals, once it takes connections."""
    arguments = ["pod", "worker", "--base-dir", str(base), "--", "tr", "a-z", "A-Z"]
    pod = subprocess.Popen([program, *arguments], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    line = pod.stderr.readline()
    assert "ready at" in line, line
    return pod


def texts(result):
    return [block.text for block in result.content]


async def scene(client, pod):
    shown = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(shown) == {"ListPods", "SendToPod", "ReadPodOutput", "StopPod", "WaitForPods"}
    assert shown["ListPods"].annotations.read_only_hint is True
    assert shown["StopPod"].annotations.destructive_hint is True
    assert shown["SendToPod"].input_schema["required"] == ["name", "message"]

    listed = await client.call_tool("ListPods", {})
    assert texts(listed) == ["1 pod(s) known", "worker [alive] scope=(none)"], listed
    data = json.loads(listed.content[0].meta["pod-tools:data"])
    assert [pod["name"] for pod in data["pods"]] == ["worker"], data

    sent = await client.call_tool("SendToPod", {"name": "worker", "message": "hello"})
    assert texts(sent) == ["sent message to `worker`"], sent
    said = ""
    while "HELLO" not in said:
        said += "".join(texts(await client.call_tool("ReadPodOutput", {"name": "worker"}))[1:])
    assert said.count("HELLO") == 1, f"what was read is not given again: {said}"

    refused = await client.call_tool("ReadPodOutput", {"name": "nobody"})
    assert refused.is_error and "nobody" in texts(refused)[0], refused

    stopped = await client.call_tool("StopPod", {"name": "worker"})
    assert texts(stopped) == ["stopped pod `worker`; reclaimed scope: (none)"], stopped
    assert pod.wait(timeout=LONG) == 0
    assert texts(await client.call_tool("ListPods", {})) == ["no spawned pods"]


async def main():
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ["--composition", "--act", "--pod-tools"]:
        parser.add_argument(name, required=True)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        base = Path(directory) / "base"
        base.mkdir()
        pod = start_pod(args.pod_tools, base)
        gateway = Gateway(args.pod_tools, ["--base-dir", str(base), "--grant", "list,read,send,stop"])
        try:
            act, *arguments = command(args.act, args.composition, gateway, Path(directory) / "act.json")
            server = StdioServerParameters(command=act, args=arguments, env=environment(args.act))
            async with Client(server, read_timeout_seconds=LONG) as client:
                await scene(client, pod)
        finally:
            gateway.end()
            pod.kill()
            pod.wait()
            pod.stderr.close()
    print("act: the four tools work over MCP")


asyncio.run(main())
