"""The lines of `call --batch`, for hosts of others that a call takes a while in."""

import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent / "python"))
from errors import ToolError
from line import request


def serve(gateway, call):
    """Answers each line of standard input with what `call` gives for its tool and its input: a line, or a ToolError."""
    for given in sys.stdin.buffer:
        if not given.strip():
            continue
        try:
            answer = call(*request(given))
        except ToolError as error:
            if gateway.has_ended(error):
                # Of this host nothing is left that could answer.
                sys.exit(f"host.py: {error}")
            fields = {"kind": error.kind, "reason": error.reason, "message": error.message}
            answer = json.dumps({"err": fields})
        sys.stdout.write(answer + "\n")
        sys.stdout.flush()


def arguments(text):
    """The input as the object that it is, for hosts that take nothing else."""

    def not_json(constant):
        raise ValueError(f"{constant} is no JSON")

    if not text.strip():
        return {}
    try:
        given = json.loads(text, parse_constant=not_json)
    except (ValueError, RecursionError) as error:
        raise invalid(f"the input is not JSON: {error}") from error
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise invalid("the input must be a JSON object")
    return given


def invalid(message):
    return ToolError("invalid-argument", None, message)
