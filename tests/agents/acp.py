"""Runs agents of the Agent Client Protocol that nobody here wrote as pods, against a model on loopback, and talks to them
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
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LIMIT = 90


class Model(BaseHTTPRequestHandler):
    """Two APIs of models. A prompt `USE tool {json}` becomes a call of that tool, its result the closing text; to any other
    the answer is which prompt of the conversation it was."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.give({"object": "list", "data": []})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
        if self.path.endswith("/chat/completions"):
            self.chat(body)
        elif "enerateContent" in self.path:
            self.gemini(body)
        else:
            self.give({"totalTokens": 1})

    def give(self, answer):
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def stream(self, events):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for event in events:
            self.wfile.write(f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n".encode())
        self.close_connection = True

    @staticmethod
    def decide(prompts, results):
        """The text to answer with, or the tool to call and its arguments."""
        last = prompts[-1] if prompts else ""
        # What the agent adds stands around what was said to it.
        line = next((line for line in last.splitlines() if line.lstrip().startswith("USE ")), None)
        if line is None:
            return f"prompt {len(prompts)}", None
        if results:
            return "result: " + " / ".join(results), None
        _, tool, arguments = line.split(" ", 2)
        return None, (tool, json.loads(arguments))

    def chat(self, body):
        prompts, results = [], []
        for message in body["messages"]:
            content = message.get("content") or ""
            if isinstance(content, list):
                content = "\n".join(part.get("text", "") for part in content)
            if message["role"] == "user":
                prompts.append(content)
                results = []
            elif message["role"] == "tool":
                results.append(content)
        text, call = self.decide(prompts, results)
        if not body.get("tools"):
            text, call = "a title", None
        delta = {"role": "assistant", "content": text}
        if call:
            function = {"name": call[0], "arguments": json.dumps(call[1])}
            delta["tool_calls"] = [{"index": 0, "id": f"c{time.monotonic_ns()}", "type": "function", "function": function}]
        reason = "tool_calls" if call else "stop"
        chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
        self.stream([
            {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
            {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}], "usage": usage},
            "[DONE]",
        ])

    def gemini(self, body):
        prompts, results = [], []
        for content in body["contents"]:
            if content.get("role", "user") != "user":
                continue
            for part in content.get("parts", []):
                if "functionResponse" in part:
                    results.append(json.dumps(part["functionResponse"].get("response")))
            said = "\n".join(part["text"] for part in content.get("parts", []) if "text" in part)
            if said.strip() and not any("functionResponse" in part for part in content["parts"]):
                prompts.append(said)
                results = []
        text, call = self.decide(prompts, results)
        settings = body.get("generationConfig") or {}
        if "responseJsonSchema" in settings or "responseSchema" in settings:
            # Which model is to answer, and who speaks next.
            text = json.dumps({"reasoning": "r", "next_speaker": "user", "complexity_reasoning": "r",
                               "complexity_score": 1, "model_choice": "flash"})
            call = None
        part = {"functionCall": {"name": call[0], "args": call[1]}} if call else {"text": text}
        answer = {
            "candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}],
            "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
        }
        self.stream([answer]) if "stream" in self.path else self.give(answer)


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
            lambda path, text: "USE write " + json.dumps({"filePath": path, "content": text}),
            # It serves itself on a port of TCP, and no fence lets a command listen on one.
            is_fenced=False, makes_files=True, goes_on=True,
        ),
        "gemini": Agent(
            "gemini", [(programs / "gemini").resolve(), "--acp"],
            {"GOOGLE_GEMINI_BASE_URL": f"http://127.0.0.1:{port}", "GEMINI_API_KEY": "any",
             "GEMINI_CLI_TRUST_WORKSPACE": "true"},
            lambda path, text: "USE write_file " + json.dumps({"file_path": path, "content": text}),
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
        check(("prompt 1" in first, "prompt 2" in second) == (True, True), "it has a memory", (first, second))
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
            check("prompt 5" in said, "the conversation goes on", said)
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
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    modules = pathlib.Path(modules).resolve()
    for name, agent in agents(modules, server.server_port).items():
        if wanted and name not in wanted:
            continue
        if not agent.command[0].exists():
            print(f"{name}: not run: it is not in {modules}")
            continue
        world = World(str(pathlib.Path(binary).resolve()), modules, server.server_port, agent)
        try:
            run(world)
        finally:
            shutil.rmtree(world.dir, ignore_errors=True)


main()
