"""A model that is none, for agents that are real: it calls each tool of the pods once, in order, and then says what it
was told, as the agents' model APIs have it (Anthropic Messages, OpenAI Responses and Chat Completions, Gemini).

    fake_model.py PORT_FILE

It listens on a free port of the loopback interface, and writes that port into PORT_FILE.
"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CALLS = [
    ("ListPods", {}),
    ("SendToPod", {"name": "reviewer", "message": "hello"}),
    ("ReadPodOutput", {"name": "reviewer"}),
    ("StopPod", {"name": "reviewer"}),
]


def next_step(tools, results):
    """The next call as (name, input), by the names that the agent has for the tools; or a text."""
    if not tools:
        return "no tools"
    if len(results) == len(CALLS):
        return "\n".join(f"TOLD {name}: {told}" for (name, _), told in zip(CALLS, results))
    wanted, given = CALLS[len(results)]
    found = [name for name in tools if name.endswith(wanted)]
    return (found[0], given) if found else f"there is no {wanted} among {sorted(tools)}"


def flat(value):
    """Whatever a tool has answered, in one line."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def anthropic(body):
    blocks = [part for message in body["messages"] if isinstance(message["content"], list) for part in message["content"]]
    results = [flat(part.get("content", "")) for part in blocks if part["type"] == "tool_result"]
    step = next_step([tool["name"] for tool in body.get("tools", [])], results)
    if isinstance(step, str):
        block, empty, stop = {"type": "text", "text": ""}, {"type": "text_delta", "text": step}, "end_turn"
    else:
        block = {"type": "tool_use", "id": f"toolu_{len(results)}", "name": step[0], "input": {}}
        empty, stop = {"type": "input_json_delta", "partial_json": json.dumps(step[1])}, "tool_use"
    usage = {"input_tokens": 1, "output_tokens": 1}
    message = {"id": f"msg_{len(results)}", "type": "message", "role": "assistant", "model": body["model"]}
    if not body.get("stream"):
        content = {"type": "text", "text": flat(step)}
        return message | {"content": [content], "stop_reason": "end_turn", "stop_sequence": None, "usage": usage}
    return [
        {"type": "message_start", "message": message | {"content": [], "stop_reason": None, "usage": usage}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": empty},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": usage},
        {"type": "message_stop"},
    ]


def responses(body):
    results = [flat(item["output"]) for item in body["input"] if item.get("type") == "function_call_output"]
    # Tools may be in a name space of their server's: it is named with the call.
    spaces = {}
    for tool in body.get("tools", []):
        for inner in tool.get("tools", []) if tool["type"] == "namespace" else [tool]:
            spaces[inner.get("name", "")] = tool["name"] if inner is not tool else None
    step = next_step(spaces, results)
    if isinstance(step, str):
        content = [{"type": "output_text", "text": step, "annotations": []}]
        item = {"type": "message", "id": "item_0", "role": "assistant", "status": "completed", "content": content}
    else:
        item = {"type": "function_call", "id": f"item_{len(results)}", "call_id": f"call_{len(results)}"}
        item |= {"name": step[0], "arguments": json.dumps(step[1]), "status": "completed"}
        if spaces[step[0]]:
            item["namespace"] = spaces[step[0]]
    whole = {"id": f"resp_{len(results)}", "object": "response", "model": body["model"]}
    usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
    return [
        {"type": "response.created", "response": whole | {"status": "in_progress", "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole | {"status": "completed", "output": [item], "usage": usage}},
    ]


def chat(body):
    results = [flat(message["content"]) for message in body["messages"] if message["role"] == "tool"]
    step = next_step([tool["function"]["name"] for tool in body.get("tools", [])], results)
    if isinstance(step, str):
        delta, end = {"role": "assistant", "content": step}, "stop"
    else:
        call = {"index": 0, "id": f"call_{len(results)}", "type": "function"}
        call["function"] = {"name": step[0], "arguments": json.dumps(step[1])}
        delta, end = {"role": "assistant", "tool_calls": [call]}, "tool_calls"
    chunk = {"id": "chunk", "object": "chat.completion.chunk", "created": 0, "model": body["model"]}
    return [
        chunk | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
        chunk | {"choices": [{"index": 0, "delta": {}, "finish_reason": end}]},
        "[DONE]",
    ]


def gemini(body):
    parts = [part for content in body["contents"] for part in content["parts"]]
    answers = [part["functionResponse"]["response"] for part in parts if "functionResponse" in part]
    tools = [tool["name"] for group in body.get("tools", []) for tool in group.get("functionDeclarations", [])]
    step = next_step(tools, [flat(answer) for answer in answers])
    part = {"text": step} if isinstance(step, str) else {"functionCall": {"name": step[0], "args": step[1]}}
    candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}
    return [{"candidates": [candidate], "usageMetadata": {"promptTokenCount": 1, "totalTokenCount": 2}}]


class Model(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, kind, body):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer("application/json", json.dumps({"object": "list", "data": [], "models": []}).encode())

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        path = self.path.partition("?")[0]
        if path.endswith("count_tokens"):
            answer = {"input_tokens": 1}
        elif path.endswith("/messages"):
            answer = anthropic(body)
        elif path.endswith("/responses"):
            answer = responses(body)
        elif path.endswith("/chat/completions"):
            answer = chat(body)
        else:
            answer = gemini(body)
            answer = answer if "stream" in path else answer[0]
        if isinstance(answer, dict):
            return self.answer("application/json", json.dumps(answer).encode())
        lines = []
        for event in answer:
            if isinstance(event, dict) and "type" in event:
                lines.append(f"event: {event['type']}\n")
            lines.append(f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n")
        self.answer("text/event-stream", "".join(lines).encode())


server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
with open(sys.argv[1] + ".new", "w", encoding="ascii") as file:
    file.write(str(server.server_address[1]))
os.rename(sys.argv[1] + ".new", sys.argv[1])
server.serve_forever()
