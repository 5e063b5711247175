#!/usr/bin/env python3
"""The four tools on a real pod, over NATS, as a workload of wasmCloud; and what is told of bad input.

    over_nats.py PLACE POD-TOOLS

prints each message and its answer. PLACE is what `tests/hosts/run.sh wasmcloud` has made ready. The server takes 1 MiB in
a message, as servers do that were not told otherwise.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import nats

from host import Gateway, Workload
from services import Services

MAX_PAYLOAD = 1 << 20

SHOWN = []


class Scene:
    """A directory for pods, the options that lead to it, and what runs there."""

    def __init__(self, program):
        self.program = program
        self.processes = []

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="pods")
        base = Path(self.directory.name) / "base"
        base.mkdir()
        self.options = ["--base-dir", str(base)]
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
            process.wait()
        self.directory.cleanup()

    def pod(self, name, *command):
        """A pod, once it listens."""
        pod = [self.program, "pod", name, *self.options, "--", *command]
        process = subprocess.Popen(pod, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.processes.append(process)
        process.stderr.readline()
        return process

    def gateway(self, *options):
        gateway = Gateway(self.program, [*self.options, *options])
        self.processes.append(gateway.process)
        return gateway


def expect(answer, *parts):
    for part in parts:
        if part not in answer:
            sys.exit(f"over_nats.py: `{part}` was to be in the answer: {answer}")


async def ask(workload, tool, text, *parts):
    """A message, and its answer, in which these parts have to be."""
    line = (await workload.call(tool, text)).decode()
    shown = f"> {workload.subject(tool)} {ascii(text[:80])}\n{line[:300]}"
    # What is asked until the answer is another one is shown once.
    if shown not in SHOWN[-1:]:
        print(shown)
        SHOWN.append(shown)
    expect(line, *parts)
    return json.loads(line)


async def tools(scene, client, found):
    pod = scene.pod("echo", "cat")
    gateway = scene.gateway("--max-output", "128KiB")
    workload = Workload(client, found, gateway)
    await workload.start()
    name = '{"name":"echo"}'
    await ask(workload, "ListPods", "", "echo [alive]")
    await ask(workload, "SendToPod", '{"name":"echo","message":"hello over NATS"}', "sent message to `echo`")
    said = ""
    while "hello over NATS" not in said:
        said += (await ask(workload, "ReadPodOutput", name))["ok"]["content"] or ""
    await ask(workload, "ReadPodOutput", name, "no new assistant text")

    # Nearly what a message takes.
    long = json.dumps({"name": "echo", "message": "x" * 700_000})
    await ask(workload, "SendToPod", long, "sent message")
    await bad_input(workload)
    await ask(workload, "StopPod", name, "stopped pod `echo`")
    await workload.stop()
    gateway.end()
    if pod.wait(timeout=30) != 0:
        sys.exit(f"over_nats.py: the pod ended with {pod.returncode}")


async def bad_input(workload):
    client = workload.client
    await ask(workload, "Nonsense", "{}", '"unknown-tool"')
    await ask(workload, "ReadPodOutput", "no JSON", '"invalid-argument"')
    await ask(workload, "ReadPodOutput", "\ud800", '"invalid-argument"', "not in UTF-8")
    # Nobody would get its answer.
    await client.publish(workload.subject("StopPod"), b'{"name":"echo"}')
    await ask(workload, "ListPods", "", "echo [alive]")


async def without_rights(scene, client, found):
    gateway = scene.gateway()
    workload = Workload(client, found, gateway)
    workload.ports = []
    await workload.start()
    await ask(workload, "ListPods", "", '"execution-failed"', "no gateway can be reached", "access denied")
    await workload.stop()

    workload = Workload(client, found, gateway)
    gateway.token = "0" * 64
    await workload.start()
    await ask(workload, "ListPods", "", '"denied"', "token")
    gateway.end()
    await ask(workload, "ListPods", "", '"execution-failed"', "no gateway can be reached", "refused")
    await workload.stop()


async def too_long(scene, client, found):
    """Of a history of more than a message takes, nothing is lost where nothing bounds the text of an answer."""
    text = "y" * (MAX_PAYLOAD + 10)
    pod = scene.pod("long", "sh", "-c", f"head -c {len(text)} /dev/zero | tr '\\0' y")
    gateway = scene.gateway()
    workload = Workload(client, found, gateway)
    await workload.start()
    await ask(workload, "SendToPod", '{"name":"long","message":"go"}', "sent message")
    while "err" not in (answer := await ask(workload, "ReadPodOutput", '{"name":"long"}')):
        if answer["ok"]["content"]:
            sys.exit("over_nats.py: an answer came that is too long")
    expect(json.dumps(answer), '"limit"', str(MAX_PAYLOAD), "counts as not read", "--max-output")
    await workload.stop()
    gateway.end()

    gateway = scene.gateway("--max-output", "128KiB")
    workload = Workload(client, found, gateway)
    await workload.start()
    read = ""
    while read.count("y") < len(text):
        read += (await ask(workload, "ReadPodOutput", '{"name":"long"}'))["ok"]["content"]
    await ask(workload, "StopPod", '{"name":"long"}', "stopped pod")
    await workload.stop()
    gateway.end()
    pod.wait(timeout=30)


async def all_of_it(program, found):
    client = await nats.connect(found["nats"])
    for seen in (tools, without_rights, too_long):
        with Scene(program) as scene:
            await seen(scene, client, found)
    await client.close()


def main():
    place, program = sys.argv[1:]
    services = Services(place, MAX_PAYLOAD)
    try:
        asyncio.run(all_of_it(program, services.found))
    finally:
        services.end()


if __name__ == "__main__":
    main()
