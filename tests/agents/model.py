#!/usr/bin/env python3
"""A model for the agents that run.sh runs as pods: on the loopback interface, behind the four interfaces that they speak.

    model.py            prints its port, and answers until its standard input ends

What it says tells whether an agent has a memory: `message 2: TEXT` answers the second message of a conversation. To
`read PATH` it answers with a call of the agent's tool that reads files, to `use TOOL INPUT` with a call of that tool, and to
what comes of that with what came of it.
"""

import http.server
import itertools
import json
import sys
import threading

# The tools that read a file, by their names in different agents, and what each calls the path.
READERS = {"Read": "file_path", "read_file": "file_path", "read": "filePath"}
IDS = itertools.count(1)


class Conversation:
    """What a request shows of one: the user's messages, and what came of calls behind the last of them."""

    def __init__(self, tools):
        self.messages, self.results, self.tools = [], [], tools

    def user(self, text):
        self.messages.append(text)
        self.results = []

    def answer(self):
        """A text, or the call of a tool: its name and its input."""
        if self.results:
            return f"message {len(self.messages)}: it says {self.results[-1]}"
        last = self.messages[-1].strip() if self.messages else ""
        reader = next((name for name in self.tools if name in READERS), None)
        if last.startswith("read ") and reader:
            return reader, {READERS[reader]: last.removeprefix("read ")}
        if last.startswith("use ") and self.tools:
            _, tool, given = last.split(" ", 2)
            return tool, json.loads(given)
        return f"message {len(self.messages)}: {last}"


def texts(content):
    """The texts of a message's content, which is one or a list of parts."""
    if isinstance(content, str):
        return [content]
    return [part["text"] for part in content if isinstance(part.get("text"), str)]


def said_by_user(content):
    """The last thing that a user said in a message; agents put notes of their own before it."""
    own = [text for text in texts(content) if not text.lstrip().startswith(("<", "# AGENTS"))]
    return own[-1] if own else None


def anthropic(body):
    conversation = Conversation([tool["name"] for tool in body.get("tools", [])])
    for message in body["messages"]:
        if message["role"] != "user":
            continue
        parts = message["content"] if isinstance(message["content"], list) else []
        results = [part for part in parts if part.get("type") == "tool_result"]
        said = said_by_user(message["content"])
        if results:
            conversation.results += [json.dumps(part.get("content")) for part in results]
        elif said is not None:
            conversation.user(said)
    answer = conversation.answer()
    if isinstance(answer, str):
        reason, block, delta = "end_turn", {"type": "text", "text": ""}, {"type": "text_delta", "text": answer}
    else:
        reason = "tool_use"
        block = {"type": "tool_use", "id": f"toolu_{next(IDS)}", "name": answer[0], "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(answer[1])}
    usage = {"input_tokens": 1, "output_tokens": 1}
    message = {"id": f"msg_{next(IDS)}", "type": "message", "role": "assistant", "model": body["model"],
               "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    yield {"type": "message_start", "message": message}
    yield {"type": "content_block_start", "index": 0, "content_block": block}
    yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    yield {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage}
    yield {"type": "message_stop"}


def responses(body):
    conversation = Conversation([])
    for item in body["input"]:
        if item.get("type", "message") == "message" and item["role"] == "user":
            said = said_by_user(item["content"])
            if said is not None:
                conversation.user(said)
    text, id = conversation.answer(), f"resp_{next(IDS)}"
    item = {"type": "message", "id": f"msg_{next(IDS)}", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": text, "annotations": []}]}
    place = {"output_index": 0, "item_id": item["id"], "content_index": 0}
    yield {"type": "response.created", "response": {"id": id}}
    yield {"type": "response.output_item.added", "output_index": 0, "item": item}
    yield {"type": "response.output_text.delta", **place, "delta": text}
    yield {"type": "response.output_item.done", "output_index": 0, "item": item}
    usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
    yield {"type": "response.completed",
           "response": {"id": id, "status": "completed", "output": [item], "usage": usage}}


def chat(body):
    conversation = Conversation([tool["function"]["name"] for tool in body.get("tools") or []])
    for message in body["messages"]:
        if message["role"] == "user":
            conversation.user(texts(message["content"])[-1])
        elif message["role"] == "tool":
            conversation.results.append(json.dumps(message["content"]))
    answer = conversation.answer()
    if isinstance(answer, str):
        reason, delta = "stop", {"role": "assistant", "content": answer}
    else:
        call = {"name": answer[0], "arguments": json.dumps(answer[1])}
        calls = [{"index": 0, "id": f"call_{next(IDS)}", "type": "function", "function": call}]
        reason, delta = "tool_calls", {"role": "assistant", "content": None, "tool_calls": calls}
    chunk = {"id": f"chat_{next(IDS)}", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
    yield {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    yield {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}], "usage": usage}
    yield "[DONE]"


def gemini(body):
    declared = (tool.get("functionDeclarations", []) for tool in body.get("tools") or [])
    conversation = Conversation([function["name"] for functions in declared for function in functions])
    for content in body["contents"]:
        parts = content["parts"]
        if content.get("role", "user") != "user":
            continue
        results = [part["functionResponse"] for part in parts if "functionResponse" in part]
        if results:
            conversation.results += [json.dumps(result.get("response")) for result in results]
        elif texts(parts):
            conversation.user(texts(parts)[-1])
    answer = conversation.answer()
    part = {"text": answer} if isinstance(answer, str) else {"functionCall": {"name": answer[0], "args": answer[1]}}
    settings = body.get("generationConfig") or {}
    if settings.get("responseJsonSchema") or settings.get("responseSchema"):
        # It asks which of its models is to answer.
        part = {"text": json.dumps({"reasoning": "any", "model_choice": "flash"})}
    yield {
        "candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2},
    }


INTERFACES = {
    "/messages": (anthropic, True),
    "/responses": (responses, True),
    "/chat/completions": (chat, False),
    ":streamGenerateContent": (gemini, False),
    ":generateContent": (gemini, False),
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, kind, content):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self):
        self.reply(404, "application/json", b'{"error": {"message": "nothing is here"}}')

    do_HEAD = do_GET

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = self.path.partition("?")[0]
        interface = next((known for ending, known in INTERFACES.items() if path.endswith(ending)), None)
        if interface is None:
            return self.do_GET()
        answer, has_names = interface
        body = json.loads(body)
        events = list(answer(body))
        if path.endswith(":generateContent"):
            return self.reply(200, "application/json", json.dumps(events[0]).encode())
        lines = []
        for event in events:
            name = f"event: {event['type']}\n" if has_names else ""
            lines.append(f"{name}data: {event if isinstance(event, str) else json.dumps(event)}\n\n")
        self.reply(200, "text/event-stream", "".join(lines).encode())


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
