"""What a call can end in besides an answer, and how names and times are shown in it."""

import os
import re


class ToolError(Exception):
    """A value of the contract's `error`: it goes to the plugin, which hands it on or not."""

    def __init__(self, kind, reason, message):
        super().__init__(message)
        self.kind, self.reason, self.message = kind, reason, message


class EndOfCall(Exception):
    """Ends the call by a trap, with the error that its caller gets."""

    def __init__(self, error):
        super().__init__(error.message)
        self.error = error


def failed(reason, message):
    return ToolError("execution-failed", reason, message)


def limit(message):
    return ToolError("limit", None, message)


def call_time_is_up(seconds):
    message = f"the call took longer than {show_time(seconds)} (raise it with --call-timeout)"
    return ToolError("timeout", None, message)


def descriptors_exhausted():
    return failed(
        "descriptors-exhausted",
        "this process has no file descriptor left, so pods cannot be reached; raise its limit (ulimit -n)",
    )


def os_error(error):
    return f"{os.strerror(error.errno)} (os error {error.errno})"


def show_time(seconds):
    return f"{seconds:g}s" if seconds >= 1 else f"{seconds * 1000:g}ms"


_STEERS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_SHORT = {"\t": "\\t", "\r": "\\r", "\n": "\\n"}


def escape(text):
    """A name as it is shown: what could forge a line or steer a terminal is escaped."""
    return _STEERS.sub(lambda c: _SHORT.get(c[0]) or f"\\u{{{ord(c[0]):x}}}", text)
