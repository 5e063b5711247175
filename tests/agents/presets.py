"""Agents that nobody here wrote, as pods by their presets, against model.py.

    presets.py POD_TOOLS PROGRAMS

PROGRAMS is a directory with the agents' programs. Each scene has a home, a base directory and a scope of its own.
"""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile

POD_TOOLS, PROGRAMS = (os.path.abspath(argument) for argument in sys.argv[1:])
MODEL = pathlib.Path(__file__).with_name("model.py")
# More than the slowest of them takes to start on a machine with much else to do.
PATIENCE = 180


class Wrong(Exception):
    """Something is not as it has to be."""


def need(holds, what, *seen):
    if not holds:
        raise Wrong(f"{what}: {seen}")


class World:
    """A home, a base directory, a scope, and a file outside of it."""

    def __init__(self, port):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="pod-tools-agents."))
        self.port = port
        self.home, self.work, self.base = (self.root / name for name in ("home", "work", "base"))
        for directory in (self.home, self.work, self.root / "outside"):
            directory.mkdir()
        (self.work / "notes").write_text("what is inside\n")
        self.secret = self.root / "outside" / "secret"
        self.secret.write_text("what is outside\n")

    def environment(self, **own):
        kept = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
        path = f"{PROGRAMS}:{os.environ['PATH']}"
        return {**kept, "PATH": path, "HOME": str(self.home), "POD_TOOLS_BASE_DIR": str(self.base), **own}

    def call(self, tool, **arguments):
        command = [POD_TOOLS, "call", tool, "--json", json.dumps(arguments)]
        done = subprocess.run(command, env=self.environment(), capture_output=True, text=True, timeout=PATIENCE)
        need(done.returncode == 0, f"{tool} fails", arguments, done.stdout, done.stderr)
        answer = json.loads(done.stdout)
        return answer.get("ok", answer)

    def remove(self):
        shutil.rmtree(self.root, ignore_errors=True)


class Pod:
    """A pod that is ready. It is stopped by its tool, and ended in any case."""

    def __init__(self, world, name, *words, scope="write", variables=None):
        self.world, self.name = world, name
        command = [POD_TOOLS, "pod", name, "--scope", f"{scope}:{world.work}"]
        if "off" not in words:
            command += ["--connect-port", str(world.port)]
        command += words
        self.process = subprocess.Popen(
            command, env=world.environment(**(variables or {})), cwd=world.work, stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True,
        )
        self.ready = self.process.stderr.readline()
        if "ready at" not in self.ready:
            self.ready += self.process.stderr.read()
            self.process.wait()
            raise Wrong(f"pod {name} does not start: {self.ready}")

    def ask(self, message):
        """What is new when it has been told this, and has ended its turn."""
        events = socket.socket(socket.AF_UNIX)
        events.settimeout(PATIENCE)
        # By way of the directory: the path may be too long for an address.
        directory = os.open(self.world.base / self.name, os.O_RDONLY)
        events.connect(f"/proc/self/fd/{directory}/sock")
        os.close(directory)
        with events, events.makefile() as lines:
            # The pod knows this client once it has answered it.
            events.sendall(b'{"method":"get_history"}\n')
            next(lines)
            self.world.call("SendToPod", name=self.name, message=message)
            for line in lines:
                if json.loads(line)["event"] in ("run_end", "error"):
                    break
        answer = self.world.call("ReadPodOutput", name=self.name)
        return f"{answer['summary']}\n{answer.get('content') or ''}"

    def stop(self):
        self.world.call("StopPod", name=self.name)
        need(self.process.wait(timeout=PATIENCE) == 0, f"pod {self.name} ends badly", self.process.stderr.read())
        need(not (self.world.base / self.name).exists(), f"pod {self.name} leaves its directory")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()


def told(answer, text):
    need(text in answer, f"no `{text}` in the answer", answer)


def goes_on(world, pod, fence="fenced"):
    """It is listed, remembers what it was told, and is stopped."""
    need(pod.ready.endswith(f", {fence}\n"), f"it is not {fence}", pod.ready)
    listed = world.call("ListPods")["data"]["pods"]
    need([one["name"] for one in listed] == [pod.name], "it is not listed", listed)
    told(pod.ask("hello"), "message 1: hello")
    told(pod.ask("and again"), "message 2: and again")
    pod.stop()


def is_taken_up_again(start):
    """A pod of the same name goes on where the last one was."""
    for turn in ("1", "2"):
        with start("kept", "--resume") as pod:
            told(pod.ask("hello"), f"message {turn}: hello")
            pod.stop()


def claude(world):
    variables = {"ANTHROPIC_API_KEY": "any", "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{world.port}",
                 "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}

    def pod(name, *words, **options):
        return Pod(world, name, "--agent", "claude", *words, variables=variables, **options)

    with pod("one") as one:
        goes_on(world, one)
    yield "a conversation that goes on, behind the fence"
    is_taken_up_again(pod)
    yield "it is taken up again by the next pod of that name"

    with pod("one", scope="read") as one, pod("two", scope="read") as two:
        told(one.ask("hello, one"), "message 1: hello, one")
        told(two.ask("hello, two"), "message 1: hello, two")
        told(one.ask("still one"), "message 2: still one")
        one.stop()
        two.stop()
    yield "two pods of one directory keep their conversations apart"

    with pod("one", "--", "--allowedTools", "Read") as one:
        told(one.ask(f"read {world.work}/notes"), "what is inside")
        answer = one.ask(f"read {world.secret}")
        told(answer, "message 2: it says")
        need("what is outside" not in answer, "it reads outside of its scope", answer)
        one.stop()
    with pod("one", "--enforce", "off", "--", "--allowedTools", "Read") as one:
        told(one.ask(f"read {world.secret}"), "what is outside")
        one.stop()
    yield "it reads a file of its scope and none outside, which it does without the fence"


def codex(world):
    config = world.home / ".codex" / "config.toml"
    config.parent.mkdir()
    config.write_text(f'''model = "any"
model_provider = "any"
[model_providers.any]
name = "any"
base_url = "http://127.0.0.1:{world.port}/v1"
env_key = "ANY_KEY"
wire_api = "responses"
''')

    def pod(name, *words):
        return Pod(world, name, "--agent", "codex", "--env", "ANY_KEY", *words, variables={"ANY_KEY": "any"})

    with pod("one") as one:
        goes_on(world, one)
    yield "a conversation that goes on over the Agent Client Protocol, behind the fence"
    is_taken_up_again(pod)
    yield "it is taken up again by the next pod of that name"


def gemini(world):
    variables = {"GEMINI_API_KEY": "any", "GOOGLE_GEMINI_BASE_URL": f"http://127.0.0.1:{world.port}"}
    with Pod(world, "one", "--agent", "gemini", variables=variables) as one:
        goes_on(world, one)
    yield "a conversation that goes on over the Agent Client Protocol, behind the fence"


def opencode(world):
    config = world.home / ".config" / "opencode" / "opencode.json"
    config.parent.mkdir(parents=True)
    address = {"baseURL": f"http://127.0.0.1:{world.port}/v1", "apiKey": "any"}
    provider = {"npm": "@ai-sdk/openai-compatible", "options": address, "models": {"any": {}}}
    config.write_text(json.dumps({"model": "any/any", "provider": {"any": provider}}))
    variables = {f"OPENCODE_DISABLE_{what}": "1" for what in ("AUTOUPDATE", "LSP_DOWNLOAD", "MODELS_FETCH")}
    try:
        with Pod(world, "one", "--agent", "opencode", variables=variables):
            raise Wrong("it starts behind a fence")
    except Wrong as fault:
        told(str(fault), "cannot be held to a scope")
    with Pod(world, "one", "--agent", "opencode", "--enforce", "off", variables=variables) as one:
        goes_on(world, one, "not fenced")
    yield "a conversation that goes on over the Agent Client Protocol; behind a fence it is refused"


SCENES = {"claude": claude, "codex": codex, "gemini": gemini, "opencode": opencode}
NOT_RUN = {"goose": "no registry that is used here has it"}


def main():
    model = subprocess.Popen([sys.executable, "-B", MODEL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    port = int(model.stdout.readline())
    failed = 0
    for name, scene in SCENES.items():
        program = {"codex": "codex-acp"}.get(name, name)
        if not os.path.exists(f"{PROGRAMS}/{program}"):
            print(f"not run: {name}: npm has no program of it that runs on this machine", flush=True)
            continue
        world = World(port)
        try:
            for seen in scene(world):
                print(f"ok: {name}: {seen}", flush=True)
        except (Wrong, OSError, subprocess.SubprocessError) as fault:
            failed += 1
            print(f"FAILED: {name}: {fault}", flush=True)
        finally:
            world.remove()
    for name, reason in NOT_RUN.items():
        print(f"not run: {name}: {reason}", flush=True)
    model.stdin.close()
    model.wait()
    sys.exit(failed > 0)


main()
