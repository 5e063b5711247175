"""Runs agents of the Agent Client Protocol that nobody here wrote as pods, against model.py, and talks to them
through all four tools: a conversation that goes on, files within and outside of the scope, a question to a person, the
end, and the conversation taken up again.

    acp.py POD_TOOLS NODE_MODULES [AGENT…]

Prints a line for each thing that was seen; ends with 1 at the first that is not as it should be.
"""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

MODEL = pathlib.Path(__file__).with_name("model.py")
LIMIT = 90


class Agent:
    """How one is started, whether it runs behind the fence, and how its tool that writes files is called."""

    def __init__(self, name, command, variables, write, is_fenced, makes_files, goes_on):
        self.name, self.command, self.variables, self.write = name, command, variables, write
        self.is_fenced, self.makes_files, self.goes_on = is_fenced, makes_files, goes_on


def agents(modules, port):
    # Behind the fence there are no links to them.
    programs = modules.parent / "programs"
    opencode = {
        "$schema": "https://opencode.ai/config.json", "autoupdate": False, "share": "disabled", "model": "local/m",
        "permission": {"edit": "ask"},
        "provider": {"local": {
            "npm": "@ai-sdk/openai-compatible", "name": "local", "models": {"m": {"name": "m"}},
            "options": {"baseURL": f"http://127.0.0.1:{port}/v1", "apiKey": "any"},
        }},
    }
    return {
        "opencode": Agent(
            "opencode", [(programs / "opencode").resolve(), "acp"],
            {"OPENCODE_CONFIG_CONTENT": json.dumps(opencode), "OPENCODE_DISABLE_AUTOUPDATE": "1",
             "OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_LSP_DOWNLOAD": "1"},
            lambda path, text: "use write " + json.dumps({"filePath": path, "content": text}),
            # It serves itself on a port of TCP, and no fence lets a command listen on one.
            is_fenced=False, makes_files=True, goes_on=True,
        ),
        "gemini": Agent(
            "gemini", [(programs / "gemini").resolve(), "--acp"],
            {"GOOGLE_GEMINI_BASE_URL": f"http://127.0.0.1:{port}", "GEMINI_API_KEY": "any",
             "GEMINI_CLI_TRUST_WORKSPACE": "true"},
            lambda path, text: "use write_file " + json.dumps({"file_path": path, "content": text}),
            # It reads a file before it writes it, and takes the protocol's "resource not found" for a fault.
            # Another process of it finds none of its sessions, though their files are there.
            is_fenced=True, makes_files=False, goes_on=False,
        ),
    }


class World:
    """A base directory, a scope, a home, and the pods in it."""

    def __init__(self, binary, modules, port, agent):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="pod-tools-agents-")).resolve()
        self.binary, self.modules, self.port, self.agent = binary, modules, port, agent
        self.work, self.home = self.dir / "work", self.dir / "home"
        self.work.mkdir()
        self.home.mkdir()
        self.environment = {**{name: value for name, value in os.environ.items()
                               if not name.startswith(("POD_TOOLS_", "XDG_", "INSOMNIA_"))},
                            **agent.variables, "HOME": str(self.home)}
        self.base = ["--base-dir", str(self.dir / "base")]

    def tool(self, tool, **arguments):
        command = [self.binary, *self.base, "call", tool, json.dumps(arguments), "--json"]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=LIMIT)
        return json.loads(done.stdout)

    @contextlib.contextmanager
    def pod(self, *options):
        node = pathlib.Path(shutil.which("node")).resolve().parent.parent
        holes = [
            "--also", f"write:{self.home}", "--also", f"read:{self.modules}", "--also", f"read:{node}",
            "--connect-port", str(self.port),
        ]
        command = [
            self.binary, *self.base, "pod", "agent", "--acp", "--scope", f"write:{self.work}",
            *(["--resume"] if self.agent.goes_on else []),
            *(holes if self.agent.is_fenced else ["--enforce", "off"]),
            "--env", ",".join(self.agent.variables), *options, "--", *self.agent.command,
        ]
        pod = subprocess.Popen(command, env=self.environment, cwd=self.work, stderr=subprocess.PIPE, text=True)
        try:
            ready = pod.stderr.readline()
            check("ready at" in ready, "it starts", ready + (pod.stderr.read() if "ready at" not in ready else ""))
            yield ready.strip()
        finally:
            pod.kill()
            pod.wait()

    def read(self):
        """What it said, once it is idle."""
        until, said = time.monotonic() + LIMIT, ""
        while time.monotonic() < until:
            answer = self.tool("ReadPodOutput", name="agent")
            said += answer["ok"]["content"] or ""
            if answer["ok"]["data"]["state"] not in ("running", "unknown"):
                return said, answer["ok"]
            time.sleep(0.1)
        raise SystemExit(f"no answer in {LIMIT} s")

    def ask(self, message):
        sent = self.tool("SendToPod", name="agent", message=message)
        check("ok" in sent, "it takes a message", sent)
        return self.read()


def check(holds, what, seen):
    if not holds:
        raise SystemExit(f"not so: {what}: {seen}")


def run(world):
    agent, outside = world.agent, world.dir / "outside.txt"
    with world.pod() as ready:
        print(f"{agent.name}: {ready.split(', ', 1)[1]}")
        listed = world.tool("ListPods")["ok"]
        check(listed["data"]["pods"][0]["state"] == "alive", "it is listed", listed)
        first, _ = world.ask("hello")
        second, _ = world.ask("hello again")
        check(("message 1" in first, "message 2" in second) == (True, True), "it has a memory", (first, second))
        print(f"{agent.name}: its second answer knows of the first")
        made = world.work / "made.txt"
        if not agent.makes_files:
            made.write_text("before")
        said, answer = world.ask(agent.write(str(made), "by the agent"))
        check(made.exists() and made.read_text().strip() == "by the agent", "it writes in its scope", (said, answer))
        said, answer = world.ask(agent.write(str(outside), "by the agent"))
        check(not outside.exists(), "it does not write elsewhere", (said, answer))
        print(f"{agent.name}: it writes in its scope, and not beside it: {said.strip()[:120]!r}")
        stopped = world.tool("StopPod", name="agent")
        check("ok" in stopped, "it stops", stopped)
        check(not (world.dir / "base/agent").exists(), "nothing is left", os.listdir(world.dir / "base"))
    with world.pod("--permit", "ask"):
        said, _ = world.ask("are you still there?")
        if agent.goes_on:
            check("message 5" in said, "the conversation goes on", said)
            print(f"{agent.name}: stopped and started again, it goes on with its conversation")
        _, answer = world.ask(agent.write(str(made), "by leave"))
        check(answer["data"]["state"] == "paused" and "asked" in answer["data"], "it asks", answer)
        print(f"{agent.name}: {answer['summary']}")
        command = [world.binary, *world.base, "answer", "agent", "allow"]
        subprocess.run(command, env=world.environment, check=True, stdout=subprocess.DEVNULL, timeout=LIMIT)
        world.read()
        check(made.read_text().strip() == "by leave", "it goes on with the answer", made.read_text())
        world.tool("StopPod", name="agent")
    print(f"{agent.name}: allowed by a person, it has written")


def main():
    binary, modules, *wanted = sys.argv[1:]
    model = subprocess.Popen([sys.executable, "-B", MODEL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    port = int(model.stdout.readline())
    modules = pathlib.Path(modules).resolve()
    for name, agent in agents(modules, port).items():
        if wanted and name not in wanted:
            continue
        if not agent.command[0].exists():
            print(f"{name}: not run: it is not in {modules}")
            continue
        world = World(str(pathlib.Path(binary).resolve()), modules, port, agent)
        try:
            run(world)
        finally:
            shutil.rmtree(world.dir, ignore_errors=True)


main()
