"""`act run --mcp`, and MCP with it: as much as calls of tools take. over_mcp.py has the protocol's own SDK for that."""

import json
import os
import subprocess
import tempfile
from pathlib import Path


class Trapped(Exception):
    """The component is gone; the server would fail all that is asked of it."""


def command(program, composition, gateway, metadata_file):
    """`act` with what the tools need of it: one port. The command is that of `pod-tools compose --for act`."""
    metadata = {"pod-tools:gateway": gateway.address, "pod-tools:token": gateway.token}
    metadata_file.touch(mode=0o600)
    metadata_file.write_text(json.dumps(metadata))
    rights = ["--allow", f"sockets={gateway.address}/tcp", "--max-memory", "256MiB"]
    return [program, "run", "--mcp", "--metadata-file", str(metadata_file), *rights, composition]


def environment(program):
    """Without a configuration of the operator's; what ACT has compiled is kept beside the program."""
    home = str(Path(program).resolve().parent.parent / "home")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "ACT_"))}
    return kept | {"HOME": home}


class Server:
    """A server on pipes, in a process that ends with this one's."""

    def __init__(self, program, composition, gateway):
        self.directory = tempfile.TemporaryDirectory()
        metadata_file = Path(self.directory.name) / "act.json"
        self.process = subprocess.Popen(
            command(program, composition, gateway, metadata_file),
            env=environment(program),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.asked = 0
        client = {"name": "the conformance kit's launcher", "version": "1"}
        self.ask("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client})
        self.tell({"method": "notifications/initialized"})

    def tell(self, message):
        try:
            self.process.stdin.write(json.dumps({"jsonrpc": "2.0"} | message).encode() + b"\n")
            self.process.stdin.flush()
        except OSError as error:
            raise Trapped(f"act does not read: {error}") from error

    def ask(self, method, params):
        self.asked += 1
        self.tell({"id": self.asked, "method": method, "params": params})
        for given in self.process.stdout:
            answer = json.loads(given)
            if answer.get("id") != self.asked:
                continue
            if "error" in answer:
                raise Trapped(f"act: {answer['error']['message']}")
            return answer["result"]
        raise Trapped(f"act has ended with {self.process.wait()}")

    def call(self, tool, arguments):
        return self.ask("tools/call", {"name": tool, "arguments": arguments})

    def end(self):
        # It leaves at the end of its input.
        self.process.stdin.close()
        self.process.wait()
        self.directory.cleanup()
