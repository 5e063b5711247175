"""The program on ZeroClaw's crate, with the plugins that `pod-tools compose --for zeroclaw` makes: their manifests, and
the configuration that grants them what they need, are those that it has printed."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TOOLS = ("ListPods", "SendToPod", "ReadPodOutput", "StopPod", "WaitForPods")


def printed(file):
    """The manifest of a plugin and its entry in the configuration: what stands indented."""
    lines = [line[4:] for line in file.read_text().splitlines() if line.startswith("    ")]
    begin = next(at for at, line in enumerate(lines) if line.startswith("name = "))
    end = next(at for at, line in enumerate(lines) if line.startswith("zeroclaw plugin install "))
    entry = lines.index("[[plugins.entries]]")
    return "\n".join(lines[begin:end]), "\n".join(lines[entry:])


class Agent:
    """A process that ends with this one's."""

    def __init__(self, place, gateway):
        self.directory = tempfile.TemporaryDirectory()
        plugins, configuration = Path(self.directory.name) / "plugins", Path(self.directory.name) / "config.toml"
        self.names = {}
        entries = []
        for tool in TOOLS:
            manifest, entry = printed(Path(place) / f"{tool}.txt")
            name = json.loads(manifest.split("\n")[0].removeprefix("name = "))
            self.names[tool] = name
            (plugins / name).mkdir(parents=True)
            (plugins / name / "manifest.toml").write_text(manifest + "\n")
            shutil.copyfile(Path(place) / f"{tool}.wasm", plugins / name / "plugin.wasm")
            entry = entry.replace("127.0.0.1:8123", gateway.address).replace("the text of TOKEN-FILE", gateway.token)
            entries.append(entry + "\n")
        configuration.touch(mode=0o600)
        configuration.write_text("".join(entries))
        program = Path(place) / "target/release/pod-tools-zeroclaw-agent"
        self.process = subprocess.Popen(
            [program, plugins, configuration], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def ask(self, call):
        self.process.stdin.write(json.dumps(call).encode() + b"\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"the agent has ended with {self.process.wait()}")
        return json.loads(answer)

    def call(self, tool, arguments):
        return self.ask({"plugin": self.names[tool], "arguments": arguments})

    def shown(self, tool):
        """The tool as a model is shown it."""
        return self.ask({"plugin": self.names[tool]})

    def end(self):
        # It leaves at the end of its input.
        self.process.stdin.close()
        self.process.wait()
        self.directory.cleanup()
