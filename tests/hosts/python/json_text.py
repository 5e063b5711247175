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


def render_list(texts, depth=0):
    """Pretty-printed, as it stands `depth` levels within something else. The texts are not touched."""
    return _render("[", texts, "]", depth)


def render_object(members, depth=0):
    return _render(
        "{", [f"{json.dumps(name, ensure_ascii=False)}: {text}" for name, text in members.items()], "}", depth
    )


def _render(opening, lines, closing, depth):
    inner, outer = "\n" + "  " * (depth + 1), "\n" + "  " * depth
    return opening + inner + f",{inner}".join(lines) + outer + closing if lines else opening + closing


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
