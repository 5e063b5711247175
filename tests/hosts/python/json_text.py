"""JSON as text: what is not changed in a file is written back as it was found, digit by digit."""

import json


def _refuse(constant):
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def parse(text):
    """The value. ValueError where it is none, or where a text in it is not Unicode (half a surrogate pair)."""
    try:
        value = _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if "\\ud" in text.lower():
        json.dumps(value, ensure_ascii=False).encode()
    return value


def elements(text):
    """The elements of a list, each as its text."""
    return [part for _, part in _parts(text, "[", list)]


def members(text):
    """The members of an object, each value as its text; where a name repeats, the last one counts."""
    return dict(_parts(text, "{", dict))


def render_list(texts):
    return "[\n  " + ",\n  ".join(texts) + "\n]" if texts else "[]"


def render_object(members):
    lines = [f"{json.dumps(name, ensure_ascii=False)}: {text}" for name, text in members.items()]
    return "{\n  " + ",\n  ".join(lines) + "\n}" if lines else "{}"


def indent(text):
    """A rendered list or object one level further in. JSON texts hold no line breaks within strings."""
    return text.replace("\n", "\n  ")


def _parts(text, opening, kind):
    try:
        if not isinstance(_DECODER.decode(text), kind):
            raise ValueError(f"it is no JSON {'list' if kind is list else 'object'}")
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    parts, at = [], _skip(text, text.index(opening) + 1)
    while text[at] not in "]}":
        name = None
        if kind is dict:
            name, at = _DECODER.raw_decode(text, at)
            at = _skip(text, _skip(text, at) + 1)
        start = at
        _, at = _DECODER.raw_decode(text, at)
        parts.append((name, text[start:at]))
        at = _skip(text, at)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return parts


def _skip(text, at):
    while text[at] in " \t\r\n":
        at += 1
    return at
