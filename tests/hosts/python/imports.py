"""The imports of the contract, one function each; `wit/` says what they mean. Each begins with the gate.

The first argument is the call; handles arrive as what they stand for. An answer is a plain value, a dict where
the contract has a record, or a `Pod` or `Exchange`, of which the component gets a handle. An error is a ToolError.
"""

import json
import time
from dataclasses import dataclass

import authority
from errors import EndOfCall, ToolError, escape, failed, limit
from life import GONE, LIVES, UNKNOWN, Life
from registry import Cursor, Record, records_of
from sockets import (
    BacklogFull,
    Exchange,
    Refused,
    Unreachable,
    any_readable,
    refused,
    same_place,
    timed_out,
)

MAX_DIGEST = 128
MAX_STATUS = 64 << 10
MAX_CONTENT = 256 << 20
MAX_SPAWNED = 4 << 20


@dataclass
class Pod:
    """What a handle stands for: one record of the registry."""

    record: Record
    # Its scope was released through this handle, so its record may go.
    released: bool = False
    # Another pod spawned it, and has its record.
    is_anothers: bool = False


# ---- pods


def find(call, name, purpose):
    call.admit(authority.FIND[purpose], name)
    records, _ = call.authority.registry.load()
    for record in records:
        if record.name == name:
            return Pod(record)
    raise ToolError("invalid-argument", "unknown-pod", f"no spawned pod named `{escape(name)}`")


def list_pods(call):
    call.admit(authority.LIST)
    records, unreadable = call.authority.registry.load()
    pods = [Pod(record) for record in records if call.authority.allows("list", record.name)]
    hidden = [name for name in unreadable if name is None or call.authority.allows("list", name)]
    listed = [{"pod": pod, "description": _description(pod.record)} for pod in pods]
    return {"pods": listed, "unreadable": len(hidden)}


def describe(call, pod):
    call.count()
    return _description(pod.record)


def _description(record):
    return {"name": record.name, "scope": [vars(rule) for rule in record.scope], "fence": record.fence}


def state(call, pod):
    call.admit(authority.STATE, pod.record.name)
    try:
        fd = call.authority.directories.open_beside(pod.record.socket, "status.json")
    except (Refused, Unreachable):
        # Its own word is all that this is about: a status that cannot be trusted is none.
        return "unknown"
    with open(fd, "rb") as file:
        text = file.read(MAX_STATUS)
    try:
        word = json.loads(text)["state"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "unknown"
    return word if word in ("idle", "running", "paused") else "unknown"


def cursor(call, pod):
    call.admit(authority.CURSOR, pod.record.name)
    found = call.cursor(pod.record.name)
    return None if found is None else {"items": found.items, "digest": found.digest}


def set_cursor(call, pod, new):
    call.admit(authority.CURSOR, pod.record.name)
    length = len(new.digest.encode())
    if length > MAX_DIGEST:
        message = f"a cursor's digest has at most {MAX_DIGEST} bytes, not {length}"
        raise ToolError("invalid-argument", None, message)
    call.stage_cursor(pod.record.name, Cursor(new.items, new.digest))


def forget(call, pod):
    call.admit(authority.FORGET, pod.record.name)
    if not pod.released:
        name = escape(pod.record.name)
        message = f"pod `{name}` is not known to be stopped: its scope has not been released in this call"
        raise failed("still-running", message)
    # It may have come back since.
    _refuse_if_living(call, pod.record, pod.record.socket, True)
    if pod.is_anothers:
        return
    call.authority.registry.remove(pod.record, _left(call, None))
    call.drop_staged(pod.record.name)


def spawned_by(call, pod):
    """What is beside the pod's socket is the pod's own word: who was delegated by somebody else is none of its."""
    call.admit(authority.SPAWNED, pod.record.name)
    try:
        fd = call.authority.directories.open_beside(pod.record.socket, "spawned_pods.json")
    except Unreachable:
        return {"pods": [], "others": 0}
    except Refused as why:
        raise refused(pod.record, why) from why
    with open(fd, "rb") as file:
        text = file.read(MAX_SPAWNED + 1)
    try:
        if len(text) > MAX_SPAWNED:
            raise ValueError("is too long")
        records, unreadable = records_of(text.decode() if text.strip() else "[]")
    except (ValueError, IndexError) as error:
        name = escape(pod.record.name)
        message = f"pod `{name}`: what it spawned cannot be read: `spawned_pods.json` beside its socket: {error}"
        raise failed("registry-damaged", message) from error
    table = call.authority.scope_lock.allocations(_left(call, None)) if records else []
    its = [record for record in records if _is_its(pod.record, record, table)]
    granted = [record for record in its if call.authority.allows("stop", record.name)]
    others = len(unreadable) + len(records) - len(granted)
    return {"pods": [Pod(record, is_anothers=True) for record in granted], "others": others}


def _is_its(parent, record, table):
    if same_place(record.socket, parent.socket):
        return False
    return all(
        entry.name == record.name and entry.parent == parent.name
        for entry in table
        if entry.name == record.name or same_place(entry.socket, record.socket)
    )


def bounds(call):
    call.count()
    limits = call.limits
    return {
        "operation_ms": int(limits.op_timeout * 1000),
        "call_ms": int(limits.call_timeout * 1000),
        "max_output": limits.max_output,
    }


# ---- unix-socket


def open_exchange(call, pod, request, within_ms):
    method, needs = {
        "run": (lambda: {"method": "run", "params": {"input": request.payload}}, "send"),
        "get-history": (lambda: {"method": "get_history"}, "read"),
        "shutdown": (lambda: {"method": "shutdown"}, "stop"),
        "listen": (None, "listen"),
    }[request.tag]
    call.admit(authority.LISTEN if method is None else authority.FIND[needs], pod.record.name)
    if call.exchanges >= call.limits.exchanges:
        raise limit(
            f"the plugin has {call.limits.exchanges} exchanges open already (raise it with --exchanges)"
        )
    seconds, until = call.wait(within_ms)
    try:
        connection = call.authority.directories.connect_until(pod.record.socket, until)
    except BacklogFull as error:
        call.admit(authority.READ_ON)
        raise timed_out("connect", seconds) from error
    except Unreachable as error:
        raise failed("unreachable", f"connect: {error}") from error
    except Refused as why:
        raise refused(pod.record, why) from why
    call.exchanges += 1
    # One line, whatever the text holds: JSON escapes every line break.
    line = b""
    if method is not None:
        line = json.dumps(method(), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    return Exchange(connection, line, None if within_ms is None else until, call.limits.max_line)


def read(call, exchange, size, within_ms):
    call.admit(authority.READ_ON)
    seconds, until = call.wait(within_ms)
    if exchange.deadline is not None:
        until = min(until, exchange.deadline)
    try:
        return exchange.read(size, until, seconds)
    except ToolError as error:
        if error.reason == "socket-timeout":
            # The time of the whole call may be what is up.
            call.admit(authority.READ_ON)
        raise


def await_any(call, exchanges, within_ms):
    call.admit(authority.READ_ON)
    began = time.monotonic()
    ready = any_readable(exchanges, min(began + within_ms / 1000, call.deadline))
    if not ready:
        # The time of the whole call may be what is up.
        call.admit(authority.READ_ON)
    return {"ready": ready, "waited_ms": call.count_wait(time.monotonic() - began)}


def probe(call, pods):
    answers = []
    for pod in pods:
        call.admit(authority.PROBE, pod.record.name)
        answers.append(_reachability(call, pod.record))
    return answers


def _reachability(call, record):
    try:
        call.authority.directories.connect(record.socket).close()
        return "alive"
    except BacklogFull:
        return "alive"
    except Unreachable:
        return "stopped"
    except Refused:
        return "denied"


def await_closed(call, pod, within_ms):
    call.admit(authority.AWAIT_CLOSED, pod.record.name)
    _, until = call.wait(within_ms)
    # A pod that has said goodbye is gone within milliseconds, and nothing tells of it.
    pause = 0.0005
    while True:
        try:
            call.authority.directories.connect(pod.record.socket).close()
        except BacklogFull:
            pass
        except Unreachable:
            return True
        except Refused as why:
            raise refused(pod.record, why) from why
        left = until - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(pause, left))
        pause = min(pause * 2, 0.02)


# ---- scope-lock


class MayEnd(Exception):
    """A process that may be about to end is in the way of a release; the error where it does not."""

    def __init__(self, error):
        super().__init__(error.message)
        self.error = error


def release(call, pod, within_ms):
    """Releases the scope of a pod that is gone, and waits for its end where it may be ending."""
    call.admit(authority.RELEASE, pod.record.name)
    seconds, until = call.wait(within_ms)

    def may_release(entry, check):
        _may_release(call, pod.record, entry, check, seconds)

    pause = 0.002
    while True:
        left = max(until - time.monotonic(), 0)
        try:
            call.authority.scope_lock.release(pod.record.name, left, may_release)
            break
        except MayEnd as obstacle:
            left = until - time.monotonic()
            if left <= 0:
                raise obstacle.error from obstacle
            # Others get the lock meanwhile.
            time.sleep(min(pause, left))
            pause = min(pause * 2, 0.05)
    pod.released = True


def _may_release(call, record, entry, check, seconds):
    """Whether nothing is in the way: neither a socket that takes connections nor anything that may live.

    It is asked under the lock, which a pod has to pass before it takes connections.
    """
    life = Life(GONE) if entry is None else check.of(entry)
    if entry is not None and not same_place(entry.socket, record.socket):
        # Another pod of that name, whose scope is not ours to give away while it lives.
        try:
            _refuse_if_living(call, record, entry.socket, life.answer != GONE)
        except ToolError as error:
            raise (MayEnd(error) if error.reason == "socket-refused" else error) from error
    _refuse_if_living(call, record, record.socket, True)
    if life.answer == GONE:
        life = check.of_socket(record.socket)
    if life.answer == LIVES:
        message = f"still running after {seconds:g} s: {life.why}; nothing was released"
        raise MayEnd(failed("still-running", f"{message}; end it, or try again"))
    if life.answer == UNKNOWN:
        path = escape(call.authority.scope_lock.path)
        message = f"not known to be gone: {life.why}; nothing was released"
        raise failed("still-running", f"{message}; if it is gone, remove its entry from `{path}`")


def _refuse_if_living(call, record, socket, process_lives):
    """Fails while the socket takes connections; and, where it cannot be asked, while the process lives."""
    try:
        call.authority.directories.connect(socket).close()
    except BacklogFull:
        pass
    except Unreachable:
        return
    except Refused as why:
        if process_lives:
            raise refused(Record(record.name, socket, record.scope), why) from why
        return
    message = f"pod `{escape(record.name)}` still takes connections; its scope was not released"
    raise failed("still-running", message)


def reclaim_stale(call, within_ms):
    call.admit(authority.RECLAIM)
    return call.authority.scope_lock.reclaim_stale(_left(call, within_ms))


# ---- content


def append(call, text):
    call.count()
    call.content_bytes += len(text.encode())
    if call.content_bytes > MAX_CONTENT:
        raise EndOfCall(limit(f"the plugin hands over more than {MAX_CONTENT} bytes of an answer"))
    call.content.append(text)


def _left(call, within_ms):
    _, until = call.wait(within_ms)
    return max(until - time.monotonic(), 0)
