#!/usr/bin/env python3
"""What a workload needs to run: a NATS server, a registry that has the composition, and a host of wasmCloud; all of them
on the loopback interface, at ports of their own.

    services.py PLACE COMMAND…

starts them, runs the command, which finds them in its environment (`WASMCLOUD_SERVICES`), and ends them with it. PLACE is
what `tests/hosts/run.sh wasmcloud` has made ready.
"""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import nats

VARIABLE = "WASMCLOUD_SERVICES"

# The server's default is 1 MiB. The kit has answers of more, and what is told of those that are too long is tested
# beside it.
MAX_PAYLOAD = 64 << 20

NATS = """
listen: "127.0.0.1:-1"
max_payload: {max_payload}
max_pending: {max_pending}
"""

REGISTRY = """
version: 0.1
log: {{level: info}}
storage: {{filesystem: {{rootdirectory: "{directory}/registry"}}}}
http: {{addr: "127.0.0.1:0"}}
"""

# What the host grants, as `pod-tools compose --for wasmcloud` says: ports of this machine, to workloads that name them;
# nothing else that is beyond it; and memory. The registry has no TLS.
RIGHTS = ["--allow-host-loopback", "--socket-egress", "enforce", "--default-heap-memory", "256MiB"]
REGISTRY_RIGHTS = ["--allow-insecure-registries"]


class Services:
    """The three, as processes; and where they are found."""

    def __init__(self, place, max_payload=MAX_PAYLOAD):
        self.place = Path(place)
        self.processes = []
        self.directory = tempfile.TemporaryDirectory()
        try:
            self.found = self.start(max_payload)
        except BaseException:
            self.end()
            raise

    def start(self, max_payload):
        pending = max(2 * max_payload, 64 << 20)
        conf = self.write("nats.conf", NATS.format(max_payload=max_payload, max_pending=pending))
        server = [self.place / "bin/nats-server", "-c", conf]
        broker = "nats://" + self.listening(server, r"Listening for client connections on (\S+)")
        conf = self.write("registry.yml", REGISTRY.format(directory=self.directory.name))
        program = shutil.which("docker-registry") or self.place / "registry/usr/bin/docker-registry"
        registry = self.listening([program, "serve", conf], r"listening on (127\.0\.0\.1:\d+)")
        image = self.push(registry)
        return {"nats": broker, "host": asyncio.run(self.host(broker)), "image": image}

    def write(self, name, text):
        path = Path(self.directory.name) / name
        path.write_text(text)
        return path

    def listening(self, command, pattern):
        """Starts a server, and gives the address that it says."""
        process = self.spawn(command, stderr=subprocess.PIPE)
        for line in process.stderr:
            if found := re.search(pattern, line.decode()):
                # Nobody reads the rest, and it must not fill the pipe.
                threading.Thread(target=lambda: all(process.stderr), daemon=True).start()
                return found[1]
        sys.exit(f"services.py: `{command[0]}` ended with {process.wait()} before it listened")

    def spawn(self, command, **streams):
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL} | streams
        process = subprocess.Popen([str(word) for word in command], env=self.environment(), **streams)
        self.processes.append(process)
        return process

    def environment(self):
        """What they keep is kept in a directory that goes with them. A RUST_BACKTRACE is not handed on: for each message
        the host makes errors that it then drops, and would take their backtraces."""
        return {"HOME": self.directory.name, "PATH": os.environ["PATH"]}

    def push(self, registry):
        """The composition as an image that is signed, and pulled once by who checks the signature; then named by its
        digest: what the host pulls is that, or nothing."""
        key, public, pulled = (Path(self.directory.name) / name for name in ("key.pem", "key.pub", "pulled.wasm"))
        curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        self.run("openssl", "genpkey", *curve, "-out", key)
        self.run("openssl", "pkey", "-in", key, "-pubout", "-out", public)
        pod_tools = self.place / "bin/pod-tools"
        component = self.place / "pod-tools.wasm"
        reference = self.run(pod_tools, "push", f"{registry}/pod-tools:latest", component, "--sign-key", key).strip()
        self.run(pod_tools, "pull", reference, "--output", pulled, "--verify-key", public)
        return reference.removeprefix("oci://")

    def run(self, *command):
        """Runs a command, and gives what it has printed."""
        done = subprocess.run(
            [str(word) for word in command],
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            sys.exit(f"services.py: `{command[0]}` ended with {done.returncode}: {done.stderr}")
        return done.stdout

    async def host(self, broker):
        """Starts a host, and gives its name once it is heard."""
        client = await nats.connect(broker)
        heard = await client.subscribe("runtime.operator.heartbeat.*")
        await client.flush()
        with open(self.place / "wash.log", "ab") as log:
            urls = ["--scheduler-nats-url", broker, "--data-nats-url", broker]
            cache = Path(self.directory.name) / "cache"
            command = [self.place / "bin/wash", "host", *urls, *RIGHTS, *REGISTRY_RIGHTS, "--oci-cache-dir", cache]
            self.spawn(command, stdout=log, stderr=log)
        beat = await heard.next_msg(timeout=60)
        await client.close()
        return beat.subject.rsplit(".", 1)[1]

    def end(self):
        for process in reversed(self.processes):
            process.terminate()
            process.wait()
        self.directory.cleanup()


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    place, *command = sys.argv[1:]
    services = Services(place)
    try:
        environment = os.environ | {VARIABLE: json.dumps(services.found)}
        sys.exit(subprocess.run(command, env=environment, check=False).returncode)
    finally:
        services.end()


if __name__ == "__main__":
    main()
