#!/usr/bin/env python3
"""A host of the pod tools in Python: `host.py call --batch`, a JSON line in, a JSON line out.

It loads the same component as the Rust host and implements its imports with Python's standard library:

    host.py        the command line and the batch; line.py: a line of it
    plugin.py      the component, by wasmtime (and fast_bytes.py, for long histories)
    imports.py     the imports, one function each
    authority.py   grants, the gate that every import passes, the state of a call
    sockets.py     granted directories, checked connections, exchanges
    registry.py    spawned_pods.json and read_cursors.json
    scope_lock.py  scope.lock
    state_file.py  opening, locking and reading what these two keep; json_text.py: writing it back untouched

profile.json says what it does not support.
"""

import argparse
import json
import os
import re
import signal
import sys
from types import SimpleNamespace

from authority import VERBS, Authority, Call, Grant
from errors import ToolError
from line import request
from plugin import Plugin, render
from registry import Registry
from scope_lock import ScopeLock
from sockets import Directories


def duration(text):
    """Seconds; `250ms` and `2m` say so."""
    number, unit = re.fullmatch(r"([0-9.]*)\s*(.*)", text, re.DOTALL).groups()
    seconds = float(number) * {"": 1, "s": 1, "ms": 0.001, "m": 60, "min": 60}[unit]
    if not 0 < seconds <= 86_400:
        raise ValueError(text)
    return seconds


def size(text):
    """Bytes; `64KiB`, `2MiB` and `1GiB` say so."""
    number, unit = re.fullmatch(r"([0-9]+)\s*(.*)", text, re.DOTALL).groups()
    return int(number) << {"": 0, "B": 0, "K": 10, "KiB": 10, "M": 20, "MiB": 20, "G": 30, "GiB": 30}[unit]


def checked(read, what):
    def convert(text):
        try:
            return read(text)
        except (ValueError, KeyError, AttributeError) as error:
            raise argparse.ArgumentTypeError(f"`{text}` is no {what}") from error

    return convert


def options():
    parser = argparse.ArgumentParser(allow_abbrev=False, description="Call the pod tools, a JSON line each.")
    parser.add_argument("command", choices=["call"])
    parser.add_argument("--batch", action="store_true", required=True)
    parser.add_argument("--component", required=True, metavar="FILE")
    parser.add_argument("--base-dir", metavar="DIR")
    parser.add_argument("--runtime-dir", metavar="DIR")
    parser.add_argument("--scope-lock", metavar="FILE")
    parser.add_argument("--allow-sockets", action="append", metavar="DIR")
    parser.add_argument("--grant", action="append", type=checked(Grant, "grant (VERB[,VERB…][:PATTERN])"))
    for name, default in [("--op-timeout", 5.0), ("--call-timeout", 30.0)]:
        parser.add_argument(name, type=checked(duration, "duration"), default=default, metavar="DURATION")
    parser.add_argument("--max-line", type=checked(size, "size"), default=256 << 20, metavar="BYTES")
    parser.add_argument("--max-output", type=checked(size, "size"), metavar="BYTES")
    for name, default in [("--host-calls", 1_000_000), ("--exchanges", 8)]:
        parser.add_argument(name, type=checked(size, "number"), default=default, metavar="N")
    return parser.parse_args()


def authority(args):
    """The authority that the options describe. The operator who names no grant is granted everything."""
    base = args.base_dir or _default_base()
    runtime = args.runtime_dir
    try:
        if runtime is None:
            runtime = os.path.join(base, "pod-tools")
            os.makedirs(runtime, mode=0o700, exist_ok=True)
        directories = Directories(args.allow_sockets or [base, runtime])
        registry = Registry(runtime)
    except OSError as error:
        raise ToolError(
            "execution-failed", None, f"cannot open the directory {error.filename}: {error}"
        ) from error
    path = args.scope_lock or os.environ.get("INSOMNIA_SCOPE_LOCK") or os.path.join(base, "scope.lock")
    names = ("op_timeout", "call_timeout", "max_line", "max_output", "host_calls", "exchanges")
    limits = SimpleNamespace(**{name: getattr(args, name) for name in names})
    grants = args.grant or [Grant(",".join(VERBS))]
    return Authority(directories, grants, registry, ScopeLock(path, directories), limits)


def _default_base():
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return os.path.join(runtime, "insomnia") if runtime else os.path.expanduser("~/.insomnia/run")


def main():
    # An interrupt may come while the component runs, where Python cannot raise anything.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    args = options()
    given, plugin, broken = None, None, None
    try:
        given, plugin = authority(args), Plugin(args.component)
    except ToolError as error:
        broken = error
    except Exception as error:
        broken = ToolError("execution-failed", None, f"cannot load {args.component}: {error}")
    for line in sys.stdin.buffer:
        if not line.strip():
            continue
        call = None
        try:
            if broken:
                raise broken
            tool, text = request(line)
            call = Call(given)
            answer = render(plugin.call(call, tool, text))
        except ToolError as error:
            answer = json.dumps(
                {"err": {"kind": error.kind, "reason": error.reason, "message": error.message}},
                ensure_ascii=False,
            )
            call = None
        sys.stdout.buffer.write(answer.encode() + b"\n")
        sys.stdout.buffer.flush()
        # Now the caller has the answer, and not before: a kill in between repeats text, and loses none.
        if call:
            try:
                call.delivered()
            except ToolError as error:
                print(f"host.py: warning: the read cursor was not stored: {error}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
