"""A line of the batch: which tool is called with which input."""

import json_text
from errors import ToolError, escape


def request(line):
    """The tool and its input, as the text that it was given in."""
    try:
        members = json_text.members(line.decode())
        unknown = set(members) - {"tool", "input", "input_json"}
        if unknown:
            raise ValueError(f"unknown field `{escape(unknown.pop())}`")
        tool = json_text.parse(members.get("tool", "null"))
        text = json_text.parse(members.get("input_json", "null"))
        if not isinstance(tool, str) or not isinstance(text, (str, type(None))):
            raise ValueError("`tool` must be there and a text, and `input_json` a text")
        given = members.get("input", "null")
        if given != "null" and text is not None:
            raise ValueError("it has both `input` and `input_json`")
        return tool, given if given != "null" else text or ""
    except (ValueError, IndexError) as error:
        raise ToolError("invalid-argument", None, f"invalid batch line: {error}") from error
