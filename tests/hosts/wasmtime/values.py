"""Values as `wasmtime run --invoke` takes and prints them (WAVE): texts, and the results of functions.

A record is a dict without the fields that are none, a list a list, a case of a variant or an enum a pair of its name
and its payload, or None.
"""

import re

_BLANK = re.compile(r"\s*")
_NAME = re.compile(r"%?[A-Za-z][A-Za-z0-9-]*")
_NUMBER = re.compile(r"-?[0-9][0-9.eE+-]*")
_PLAIN = re.compile(r'[^"\\]+')
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|(.))", re.DOTALL)
_SHORT = {"n": "\n", "r": "\r", "t": "\t", "'": "'", '"': '"', "\\": "\\"}


def text(value):
    """A text, as an argument of a function."""
    special = re.compile(r'["\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]')
    return '"' + special.sub(lambda found: f"\\u{{{ord(found[0]):x}}}", value) + '"'


def parse(printed):
    """The value that was printed; ValueError where it is none."""
    value, at = _value(printed, _skip(printed, 0))
    if _skip(printed, at) != len(printed):
        raise ValueError(f"more than a value at {at}")
    return value


def _skip(printed, at):
    return _BLANK.match(printed, at).end()


def _value(printed, at):
    opening = printed[at : at + 1]
    if opening == '"':
        return _text(printed, at + 1)
    if opening == "[":
        return _elements(printed, at + 1, "]", _value, list)
    if opening == "{":
        return _elements(printed, at + 1, "}", _field, dict)
    if number := _NUMBER.match(printed, at):
        return float(number[0]), number.end()
    name = _NAME.match(printed, at)
    if not name:
        raise ValueError(f"no value at {at}")
    if printed[name.end() : name.end() + 1] != "(":
        return (name[0], None), name.end()
    payload, at = _value(printed, _skip(printed, name.end() + 1))
    return (name[0], payload), _expect(printed, at, ")")


def _field(printed, at):
    name = _NAME.match(printed, at)
    if not name:
        raise ValueError(f"no field at {at}")
    value, at = _value(printed, _skip(printed, _expect(printed, name.end(), ":")))
    return (name[0], value), at


def _elements(printed, at, closing, element, collect):
    found = []
    at = _skip(printed, at)
    while printed[at : at + 1] != closing:
        value, at = element(printed, at)
        found.append(value)
        at = _skip(printed, at)
        if printed[at : at + 1] == ",":
            at = _skip(printed, at + 1)
        elif printed[at : at + 1] != closing:
            raise ValueError(f"no `,` at {at}")
    return collect(found), at + 1


def _expect(printed, at, what):
    at = _skip(printed, at)
    if printed[at : at + 1] != what:
        raise ValueError(f"no `{what}` at {at}")
    return at + 1


def _text(printed, at):
    parts = []
    while printed[at : at + 1] != '"':
        if plain := _PLAIN.match(printed, at):
            parts.append(plain[0])
            at = plain.end()
            continue
        escape = _ESCAPE.match(printed, at)
        if not escape:
            raise ValueError(f"a text has no end at {at}")
        code, short = escape.groups()
        if code is None and short not in _SHORT:
            raise ValueError(f"no escape at {at}")
        parts.append(chr(int(code, 16)) if code else _SHORT[short])
        at = escape.end()
    return "".join(parts), at + 1
