"""Who may do what to which pod, for how long, and how much of it: grants, the gate, and the state of one call."""

import time

from errors import EndOfCall, ToolError, call_time_is_up, escape, limit

VERBS = ("list", "send", "read", "stop")

# The policy: what each request is called in a message, and the verbs of which one is needed.
LIST = ("listing pods", ["list"])
LISTEN = ("listening to it", ["read"])
SPAWNED = ("finding what it spawned", ["stop"])
STATE = ("reading its state", ["read", "send"])
CURSOR = ("reading its output", ["read"])
FORGET = ("forgetting it", ["stop"])
PROBE = ("probing its socket", ["list"])
AWAIT_CLOSED = ("awaiting its end", ["stop"])
RELEASE = ("releasing its scope", ["stop"])
RECLAIM = ("reclaiming stale scope", ["list"])
# Reading on in an exchange: it was admitted when it was opened.
READ_ON = ("", [])
FIND = {
    "list": ("finding it", ["list"]),
    "send": ("sending a message", ["send"]),
    "read": ("reading its output", ["read"]),
    "stop": ("stopping it", ["stop"]),
}


class Grant:
    """`VERB[,VERB…][:PATTERN]`: verbs, and a pattern over the names of the pods that they cover."""

    def __init__(self, text):
        verbs, colon, pattern = text.partition(":")
        if colon and not pattern:
            raise ValueError(f"the grant `{text}` has an empty pattern")
        self.verbs = [verb.strip() for verb in verbs.split(",")]
        for verb in self.verbs:
            if verb not in VERBS:
                raise ValueError(f"`{verb}` is no verb of a grant; the verbs are {', '.join(VERBS)}")
        self.pattern = pattern if colon else "*"

    def covers(self, verb, name):
        """`name` is None where the request is for no particular pod."""
        return verb in self.verbs and (name is None or matches(self.pattern, name))


def matches(pattern, name):
    """`*` stands for any characters, `?` for one. A regular expression would take for ever with many stars."""
    at = eaten = 0
    star = None
    while eaten < len(name):
        if at < len(pattern) and pattern[at] == "*":
            star = (at + 1, eaten)
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", name[eaten]):
            at, eaten = at + 1, eaten + 1
        elif star:
            # What follows the last star does not match here: it eats one character more.
            star = (star[0], star[1] + 1)
            at, eaten = star
        else:
            return False
    return pattern[at:].strip("*") == ""


class Authority:
    """All that a plugin was given. What is not in here it cannot reach."""

    def __init__(self, directories, grants, registry, scope_lock, limits):
        self.directories, self.grants = directories, grants
        self.registry, self.scope_lock, self.limits = registry, scope_lock, limits

    def allows(self, verb, name):
        return any(grant.covers(verb, name) for grant in self.grants)


class Call:
    """One call: its authority, what it has used up, the handles that it gave out, what it staged and handed over."""

    def __init__(self, authority):
        self.authority, self.limits = authority, authority.limits
        self.deadline = time.monotonic() + self.limits.call_timeout
        self.host_calls = self.exchanges = 0
        self.untold = 0.0
        self.handles, self.next_handle = {}, 1
        self.content, self.content_bytes = [], 0
        self._found, self._staged = {}, {}

    def admit(self, request, name=None):
        """The gate. Every request of the plugin passes here, and nowhere else is anything granted."""
        self.count()
        if time.monotonic() >= self.deadline:
            raise call_time_is_up(self.limits.call_timeout)
        words, verbs = request
        if not verbs or any(self.authority.allows(verb, name) for verb in verbs):
            return
        if name is None:
            message = f"{words} is not granted; it takes the grant `{verbs[0]}`"
        else:
            shown = escape(name)
            message = f"pod `{shown}`: {words} is not granted; it takes the grant `{verbs[0]}:{shown}`"
        raise ToolError("denied", "not-granted", message)

    def count(self):
        self.host_calls += 1
        if self.host_calls > self.limits.host_calls:
            message = (
                f"the plugin made more than {self.limits.host_calls} host calls (raise it with --host-calls)"
            )
            raise EndOfCall(limit(message))

    def wait(self, within_ms):
        """How long an operation may wait, and until when: the plugin may ask for less, never for more."""
        seconds = self.limits.op_timeout
        if within_ms is not None:
            seconds = min(seconds, within_ms / 1000)
        return seconds, min(time.monotonic() + seconds, self.deadline)

    def count_wait(self, seconds):
        """Whole milliseconds that were waited since this was told last."""
        self.untold += seconds
        told = int(self.untold * 1000)
        self.untold -= told / 1000
        return told

    def cursor(self, name):
        """As this call sees it: staged, or stored."""
        return self._staged[name] if name in self._staged else self._stored(name)

    def stage_cursor(self, name, cursor):
        self._stored(name)
        self._staged[name] = cursor

    def drop_staged(self, name):
        self._staged.pop(name, None)

    def delivered(self):
        """Stores what was staged, now that the caller has the answer."""
        for name, cursor in self._staged.items():
            self.authority.registry.set_cursor(name, self._found[name], cursor, self.limits.op_timeout)

    def _stored(self, name):
        if name not in self._found:
            self._found[name] = self.authority.registry.cursor(name)
        return self._found[name]
