"""The MCP server seen by the official Python SDK, against real pods.

    python_client.py POD_TOOLS

Each scene runs four times, where it applies: over stdio and over HTTP, as a client of the protocol's revision 2026-07-28 and as
one of those before it. Exit status 0: all went as it should.
"""

import asyncio
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import AsyncExitStack, asynccontextmanager

import httpx2
from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.types import Implementation

# Generous: tells "bounded" from "for ever". What the contract promises within a second has a bound of its own.
LONG = 60
SECOND = 1.0

# A pod's command: its answer is the message in capitals.
CAPITALS = ["tr", "a-z", "A-Z"]


class Place:
    """A base directory of one scene's own, and the pods in it."""

    def __init__(self, binary):
        self.binary = binary
        self.directory = tempfile.TemporaryDirectory()
        self.base = pathlib.Path(self.directory.name) / "base"
        self.base.mkdir()
        self.processes = []

    def options(self):
        # Nothing but a cancellation is to end a call within these.
        return ["--base-dir", str(self.base), "--op-timeout", "60s", "--call-timeout", "60s"]

    def start(self, arguments):
        """A process of ours, once its first line on standard error is there."""
        process = subprocess.Popen(
            [self.binary, *arguments, *self.options()] if "--" not in arguments else self.with_command(arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process, process.stderr.readline()

    def with_command(self, arguments):
        cut = arguments.index("--")
        return [self.binary, *arguments[:cut], "--base-dir", str(self.base), *arguments[cut:]]

    def pod(self, name, command):
        process, line = self.start(["pod", name, "--", *command])
        assert "ready at" in line, line
        return process

    async def silent_pod(self, name):
        """A pod that takes connections and never says a word. Gives a queue of its connections, each with
        an event that is set when the other side has left."""
        connections = asyncio.Queue()

        async def serve(reader, writer):
            gone = asyncio.Event()
            await connections.put(gone)
            while await reader.read(4096):
                pass
            gone.set()
            writer.close()

        (self.base / name).mkdir()
        socket = self.base / name / "sock"
        server = await asyncio.start_unix_server(serve, str(socket))
        spawner = self.base / "pod-tools"
        spawner.mkdir(exist_ok=True)
        registry = spawner / "spawned_pods.json"
        records = json.loads(registry.read_text()) if registry.exists() else []
        records.append({"pod_name": name, "socket_path": str(socket), "scope_delegated": []})
        registry.write_text(json.dumps(records))
        return server, connections

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()
            process.stderr.close()
        self.directory.cleanup()


class Updates:
    """What a client of the earlier revisions is told of resources."""

    def __init__(self):
        self.uris = asyncio.Queue()

    async def __call__(self, message):
        if getattr(message, "method", None) == "notifications/resources/updated":
            self.uris.put_nowait(str(message.params.uri))


class World:
    """One way to reach the server."""

    def __init__(self, binary, transport, mode):
        self.binary, self.transport, self.mode = binary, transport, mode

    @asynccontextmanager
    async def server(self, *options):
        """A place and, for HTTP, a server in it; gives a function that makes clients."""
        place = Place(self.binary)
        try:
            url = None
            if self.transport == "http":
                _, line = place.start(["mcp", "--http", "0", *options])
                url = re.search(r"http://\S+", line)[0]

            def client(**settings):
                target = url or StdioServerParameters(
                    command=self.binary, args=["mcp", *options, *place.options()]
                )
                return Client(target, mode=self.mode, read_timeout_seconds=LONG, **settings)

            yield place, client
        finally:
            place.close()

    @asynccontextmanager
    async def updates(self, client, updates, uri):
        """Subscribes; gives a coroutine function that waits for the next update."""
        if self.mode == "legacy":
            await client.subscribe_resource(uri)
            yield updates.uris.get
            await client.unsubscribe_resource(uri)
        else:
            async with client.listen(resource_subscriptions=[uri]) as subscription:
                events = aiter(subscription)

                async def next_uri():
                    return str((await anext(events)).uri)

                yield next_uri


def text(result):
    return result.content[0].text


async def until_idle(client, name):
    """Reads until the pod has nothing more to say; gives all it has said."""
    said = ""
    deadline = time.monotonic() + LONG
    while time.monotonic() < deadline:
        result = await client.call_tool("ReadPodOutput", {"name": name})
        assert not result.is_error, text(result)
        said += result.structured_content["text"]
        if said and result.structured_content["state"] == "idle":
            return said
    raise AssertionError(f"{name} does not become idle")


async def tools(world):
    """The tools, from the listing of pods to the end of one."""
    async with world.server() as (place, connect):
        pod = place.pod("worker", CAPITALS)
        async with connect() as client:
            shown = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert set(shown) == {"ListPods", "SendToPod", "ReadPodOutput", "StopPod", "WaitForPods"}
            assert shown["ListPods"].annotations.read_only_hint is True
            assert shown["StopPod"].annotations.destructive_hint is True
            assert shown["ReadPodOutput"].annotations.read_only_hint is False
            assert all(tool.annotations.open_world_hint is False for tool in shown.values())
            assert "text" in shown["ReadPodOutput"].output_schema["required"]

            result = await client.call_tool("ListPods")
            assert result.structured_content["pods"] == [
                {"name": "worker", "state": "alive", "scope": [], "fence": {"held": "off", "missing": []}}
            ]
            assert text(result).startswith("1 pod(s) known"), text(result)

            result = await client.call_tool("SendToPod", {"name": "worker", "message": "hello"})
            assert text(result) == "sent message to `worker`", text(result)
            assert result.structured_content == {"pod": "worker", "summary": text(result)}
            assert await until_idle(client, "worker") == "HELLO\n"

            # What was delivered is not given twice, however soon it is asked for again.
            await client.call_tool("SendToPod", {"name": "worker", "message": "again"})
            assert await until_idle(client, "worker") == "AGAIN\n"
            result = await client.call_tool("ReadPodOutput", {"name": "worker"})
            assert result.structured_content["text"] == "" and "no new" in text(result), text(result)

            result = await client.call_tool("StopPod", {"name": "worker"})
            assert result.structured_content["confirmed"] is True, text(result)
            pod.wait(timeout=LONG)
            assert (await client.call_tool("ListPods")).structured_content["pods"] == []


async def failures(world):
    """What goes wrong is told to the model, or to the program, as it should be."""
    async with world.server("--grant", "list,read:a*") as (place, connect):
        place.pod("b", CAPITALS)
        async with connect() as client:
            result = await client.call_tool("StopPod", {"name": "b"})
            assert result.is_error and "stop:b" in text(result), text(result)
            assert result.meta["pod-tools/error"] == {"kind": "denied", "reason": "not-granted"}, result.meta
            result = await client.call_tool("ReadPodOutput", {"name": "absent"})
            assert result.meta["pod-tools/error"]["reason"] == "unknown-pod", result.meta
            result = await client.call_tool("ReadPodOutput", {"nam": "b"})
            assert result.is_error and '`name`' in text(result), text(result)
            for call in (client.call_tool("Nothing"), client.read_resource("pod://absent/transcript")):
                try:
                    raise AssertionError(await call)
                except MCPError as error:
                    assert error.code in (-32602, -32002), error
            assert (await client.list_resources()).resources == []


async def transcripts(world):
    """Conversations: listed, read without moving a cursor, and their subscribers told of a run's end."""
    async with world.server() as (place, connect):
        place.pod("worker", CAPITALS)
        updates = Updates()
        async with connect(message_handler=updates) as client:
            listed = (await client.list_resources()).resources
            assert [str(resource.uri) for resource in listed] == ["pod://worker/transcript"], listed
            templates = (await client.list_resource_templates()).resource_templates
            assert [template.uri_template for template in templates] == ["pod://{name}/transcript"]
            uri = str(listed[0].uri)
            async with world.updates(client, updates, uri) as next_update:
                await client.call_tool("SendToPod", {"name": "worker", "message": "hello"})
                # The pod says that its run has ended by rewriting its status; the subscriber knows within a
                # second of that.
                status = place.base / "worker" / "status.json"
                ended = None
                told = None
                deadline = time.monotonic() + LONG
                update = asyncio.ensure_future(next_update())
                while not (ended and told) and time.monotonic() < deadline:
                    if ended is None and "HELLO" in (place.base / "worker" / "history.json").read_text():
                        if json.loads(status.read_text())["state"] == "idle":
                            ended = time.monotonic()
                    if update.done():
                        assert update.result() == uri
                        if ended:
                            told = time.monotonic()
                        else:
                            update = asyncio.ensure_future(next_update())
                    await asyncio.sleep(0.01)
                assert ended and told, (ended, told)
                assert told - ended < SECOND, told - ended
                update.cancel()
            [content] = (await client.read_resource(uri)).contents
            assert "HELLO" in content.text and str(content.uri) == uri
            # The cursor has not moved.
            assert await until_idle(client, "worker") == "HELLO\n"


async def cancellation(world):
    """A cancelled call closes its pod's connection within a second, and the server goes on."""
    async with world.server() as (place, connect):
        server, connections = await place.silent_pod("silent")
        progress = asyncio.Queue()

        async def note(at, total, message):
            progress.put_nowait((at, total, message))

        async with connect() as client:
            call = asyncio.ensure_future(
                client.call_tool("ReadPodOutput", {"name": "silent"}, progress_callback=note)
            )
            gone = await asyncio.wait_for(connections.get(), LONG)
            at, total, message = await asyncio.wait_for(progress.get(), LONG)
            assert 0 < at < total and message, (at, total, message)
            assert not gone.is_set()
            call.cancel()
            await asyncio.wait_for(gone.wait(), SECOND)
            await asyncio.gather(call, return_exceptions=True)
            assert len((await client.call_tool("ListPods")).structured_content["pods"]) == 1
        server.close()


async def departure(world):
    """A client that leaves in the middle of a call takes the call with it."""
    async with world.server() as (place, connect):
        server, connections = await place.silent_pod("silent")
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(connect())
            call = asyncio.ensure_future(client.call_tool("ReadPodOutput", {"name": "silent"}))
            gone = await asyncio.wait_for(connections.get(), LONG)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        await asyncio.wait_for(gone.wait(), LONG)
        server.close()


async def two_clients(world):
    """Two clients at once, one of them busy with a pod that says nothing."""
    async with world.server() as (place, connect):
        place.pod("worker", CAPITALS)
        server, connections = await place.silent_pod("silent")
        info = [Implementation(name=name, version="1") for name in ("one", "other")]
        async with connect(client_info=info[0]) as one, connect(client_info=info[1]) as other:
            waiting = asyncio.ensure_future(one.call_tool("ReadPodOutput", {"name": "silent"}))
            gone = await asyncio.wait_for(connections.get(), LONG)
            await other.call_tool("SendToPod", {"name": "worker", "message": "hello"})
            assert await until_idle(other, "worker") == "HELLO\n"
            assert not waiting.done() and not gone.is_set()
            await one.call_tool("SendToPod", {"name": "worker", "message": "me too"})
            assert await until_idle(other, "worker") == "ME TOO\n"
            # What another client has read, this one has still to read: at once, as the pod is idle by now.
            assert await until_idle(one, "worker") == "HELLO\n\n\nME TOO\n"
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        server.close()


async def token(world):
    """A server with a token answers those who show it, and no others."""
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("0123456789abcdef0123456789abcdef\n")
        file.flush()
        os.chmod(file.name, 0o600)
        place = Place(world.binary)
        try:
            _, line = place.start(["mcp", "--http", "0", "--token-file", file.name])
            url = re.search(r"http://\S+", line)[0]
            for shown, accepted in (("0123456789abcdef0123456789abcdef", True), ("guess", False)):
                headers = {"Authorization": f"Bearer {shown}"}
                async with httpx2.AsyncClient(headers=headers) as http:
                    try:
                        async with Client(streamable_http_client(url, http_client=http), mode=world.mode) as client:
                            assert len((await client.list_tools()).tools) == 5
                        assert accepted, "a guess was accepted"
                    except Exception as error:
                        assert not accepted, error
        finally:
            place.close()


SCENES = [tools, failures, transcripts, cancellation, departure, two_clients]
# Over standard input and output nobody else can come in.
SCENES_OF = {"stdio": SCENES, "http": [*SCENES, token]}


async def main(binary, only):
    failed = 0
    for transport in ("stdio", "http"):
        for mode in ("auto", "legacy"):
            for scene in SCENES_OF[transport]:
                name = f"{transport}, {'2026-07-28' if mode == 'auto' else 'handshake'}: {scene.__name__}"
                if only and not all(word in name for word in only):
                    continue
                try:
                    await asyncio.wait_for(scene(World(binary, transport, mode)), 5 * LONG)
                    print(f"passed  {name}", flush=True)
                except Exception as error:
                    failed += 1
                    print(f"FAILED  {name}: {error!r}", flush=True)
                    traceback.print_exception(error)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(os.path.abspath(sys.argv[1]), sys.argv[2:])))
