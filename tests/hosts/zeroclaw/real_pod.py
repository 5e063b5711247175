#!/usr/bin/env python3
"""The five tools on a real pod, as plugins of ZeroClaw's.

    real_pod.py PLACE POD-TOOLS

prints each call and its answer. PLACE is what `tests/hosts/run.sh zeroclaw` has made ready. Exit status 0: all went as it
should.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from agent import TOOLS, Agent

sys.path.append(str(Path(__file__).resolve().parent.parent))
from gateway import Gateway


def ask(agent, tool, arguments):
    """What a call has put out, which must have gone well."""
    answer = agent.call(tool, arguments)
    print(f"> {tool} {json.dumps(arguments)}\n{json.dumps(answer)}")
    return answer


def output(agent, tool, arguments):
    answer = ask(agent, tool, arguments)
    assert answer.get("success"), answer
    return answer["output"].split("\n")


def scene(agent, pod):
    for tool in TOOLS:
        shown = agent.shown(tool)
        assert shown["name"] == tool and shown["description"], shown
        assert shown["parameters"]["type"] == "object", shown

    summary, listed, data = output(agent, "ListPods", {})
    assert (summary, listed) == ("1 pod(s) known", "worker [alive] scope=(none)"), (summary, listed)
    assert [pod["name"] for pod in json.loads(data)["pods"]] == ["worker"], data

    sent, _ = output(agent, "SendToPod", {"name": "worker", "message": "hello"})
    assert sent == "sent message to `worker`", sent
    waited = {"names": ["worker"], "for": "all", "wait_seconds": 20}
    summary, *_, data = output(agent, "WaitForPods", waited)
    assert summary.startswith("1 of 1"), summary
    said = []
    while "HELLO" not in said:
        said += output(agent, "ReadPodOutput", {"name": "worker"})[1:-1]
    assert said.count("HELLO") == 1, f"what was read is not given again: {said}"

    # What a caller puts where ZeroClaw puts the configuration counts for nothing.
    forged = {"name": "nobody", "__config": {"gateway": "127.0.0.1:1"}}
    refused = ask(agent, "ReadPodOutput", forged)
    assert not refused["success"] and "nobody" in refused["error"], refused
    assert json.loads(refused["output"]) == {"kind": "invalid-argument", "reason": "unknown-pod"}, refused

    stopped, _ = output(agent, "StopPod", {"name": "worker"})
    assert stopped == "stopped pod `worker`; reclaimed scope: (none)", stopped
    assert pod.wait() == 0
    assert output(agent, "ListPods", {})[0] == "no spawned pods"


def without_rights(place, program, base):
    """The gateway's word counts, whatever ZeroClaw grants."""
    gateway = Gateway(program, ["--base-dir", str(base), "--grant", "read"])
    agent = Agent(place, gateway)
    refused = ask(agent, "ListPods", {})
    assert not refused["success"] and json.loads(refused["output"])["kind"] == "denied", refused
    gateway.end()
    gone = ask(agent, "ListPods", {})
    assert not gone["success"] and gateway.address in gone["error"], gone
    agent.end()


def main():
    place, program = sys.argv[1:]
    with tempfile.TemporaryDirectory() as directory:
        base = Path(directory) / "base"
        base.mkdir()
        # Its answer is the message in capitals.
        command = [program, "pod", "worker", "--base-dir", base, "--", "tr", "a-z", "A-Z"]
        pod = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        gateway = None
        try:
            ready = pod.stderr.readline()
            assert "ready at" in ready, ready
            gateway = Gateway(program, ["--base-dir", str(base), "--grant", "list,read,send,stop"])
            agent = Agent(place, gateway)
            scene(agent, pod)
            agent.end()
        finally:
            if gateway:
                gateway.end()
            pod.kill()
            pod.wait()
            pod.stderr.close()
        without_rights(place, program, base)
    print("zeroclaw: the five tools work")


main()
