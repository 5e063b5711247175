"""The machine-wide scope table: changed in place under the `flock` that every process on the machine takes.

It is never replaced: whoever waits for the lock holds the file itself. This host writes no journal, so a kill in
the middle of the rewrite may tear the table (see profile.json); it does not touch a table whose journal the Rust
host left behind.
"""

import json
import os
import time
from dataclasses import dataclass

import json_text
import state_file
from errors import ToolError, escape, failed
from life import GONE, Holder, LifeCheck
from registry import rules


@dataclass
class Allocation:
    """What one pod holds, as far as this host reads it, and the text that it stands in."""

    text: str
    # The pod that it says it is of.
    called: str | None = None
    # The same; None where the entry cannot be understood.
    name: str | None = None
    pid: int = 0
    socket: str = ""
    parent: str | None = None
    # What its process says of itself: see life.py.
    holder: Holder | str | None = None

    @classmethod
    def parse(cls, text):
        """One that cannot be understood has no name, and stays as it is."""
        called = None
        try:
            value = json_text.parse(text)
            match value:
                case {"pod_name": str(name)}:
                    called = name
            match value:
                case {"pod_name": str(name), "pid": int(pid), "socket": str(socket), "scope_allow": scope}:
                    parent = value.get("delegated_from")
                    if not isinstance(pid, bool) and (parent is None or isinstance(parent, str)):
                        rules(scope)
                        return cls(text, name, name, pid, socket, parent, Holder.parse(value.get("holder")))
        except ValueError:
            pass
        return cls(text, called)

    def set_parent(self, parent):
        self.parent = parent
        members = json_text.members(self.text) | {"delegated_from": json.dumps(parent, ensure_ascii=False)}
        self.text = json_text.render_object(members, 2)


class ScopeLock:
    def __init__(self, path, directories):
        """Entries are believed as far as the sockets beneath these directories and the processes tell."""
        self.path, self._directories = path, directories

    def release(self, name, seconds, may_release):
        """Removes the pod's allocation, if it has one.

        `may_release` is asked under the lock about the allocation, with a LifeCheck, and prevents it by an error.
        """
        with self._locked(seconds) as file:
            top, table = self._read(file.fileno())
            index = next((index for index, entry in enumerate(table) if entry.called == name), None)
            held = None if index is None else table[index]
            if held is not None and held.name is None:
                which = f"entry {index + 1}, that of pod `{escape(name)}`, cannot be understood"
                raise self._damaged(f"{which}; nothing was released; repair or remove it")
            may_release(held, self._check())
            if held is not None:
                self._write(file.fileno(), top, _without(table, [held]))

    def reclaim_stale(self, seconds):
        """Releases every allocation whose pod is gone; how many there were."""
        with self._locked(seconds) as file:
            top, table = self._read(file.fileno())
            check = self._check()
            stale = [entry for entry in table if entry.name is not None and check.of(entry).answer == GONE]
            if stale:
                self._write(file.fileno(), top, _without(table, stale))
            return len(stale)

    def allocations(self, seconds):
        """Those that can be understood."""
        with self._locked(seconds) as file:
            _, table = self._read(file.fileno())
            return [entry for entry in table if entry.name is not None]

    def _check(self):
        return LifeCheck(os.path.realpath(self.path), self._directories)

    def _read(self, fd):
        try:
            journal = os.path.realpath(self.path) + ".next"
            if os.path.lexists(journal):
                state_file.check_own(os.lstat(journal), journal)
                raise ValueError(
                    "a killed process left a change undone; any command of pod-tools finishes it"
                )
            text = state_file.read_all(fd).decode()
            if not text.strip(" \t\r\n"):
                return {}, []
            top = json_text.members(text)
            return top, [Allocation.parse(entry) for entry in json_text.elements(top["allocations"])]
        except KeyError as error:
            raise self._damaged(f"it has no {error}") from error
        except (ValueError, OSError, state_file.Fault) as error:
            raise self._damaged(str(error)) from error

    def _write(self, fd, top, table):
        """Truncates, then writes with one call: whatever is torn is a prefix."""
        texts = json_text.render_list([entry.text for entry in table], 1)
        data = json_text.render_object(top | {"allocations": texts}).encode()
        old = state_file.read_all(fd)
        try:
            _overwrite(fd, data)
        except OSError as error:
            _overwrite(fd, old)
            raise self._unwritable(error) from error

    def _locked(self, seconds):
        """The file with its lock, as a context: closing it lets go."""
        deadline = time.monotonic() + seconds
        while True:
            fd = self._open()
            file = open(fd, "r+b", buffering=0)
            if state_file.flock_until(fd, deadline):
                try:
                    if state_file.is_same_file(fd, os.stat(self.path)):
                        return file
                except FileNotFoundError:
                    pass
            file.close()
            if time.monotonic() >= deadline:
                message = f"the scope lock `{self.path}` was held by another process for {seconds:.1f} s"
                raise failed("lock-busy", f"{message}; nothing was changed, try again")

    def _open(self):
        real = os.path.realpath(self.path)
        parent, name = os.path.split(real)
        try:
            os.makedirs(parent, mode=0o700, exist_ok=True)
            directory = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            return state_file.open_own(directory, name, os.O_RDWR | os.O_CREAT)
        except state_file.OutOfDescriptors as error:
            message = (
                f"there is no file descriptor left to open `{self.path}` with; raise the limit (ulimit -n)"
            )
            raise failed("descriptors-exhausted", message) from error
        except (OSError, state_file.Fault) as fault:
            raise self._damaged(str(fault)) from fault
        finally:
            os.close(directory)

    def _damaged(self, detail):
        message = f"the scope lock `{self.path}` is damaged: {detail}; it was left as it is"
        return ToolError("execution-failed", "lock-damaged", message)

    def _unwritable(self, error):
        message = f"the scope lock `{self.path}` could not be changed: {error}; it is as it was, try again"
        return failed("state-unwritable", message)


def _overwrite(fd, data):
    os.ftruncate(fd, 0)
    if os.pwrite(fd, data, 0) < len(data):
        raise OSError("there is no room left")
    os.fdatasync(fd)


def _without(table, gone):
    """The table without these; their children go to the next parent up the chain that is left."""
    left = [entry for entry in table if entry not in gone]
    names = {entry.name for entry in left}
    parents = {entry.name: entry.parent for entry in gone if entry.name not in names}
    for entry in left:
        parent, passed = entry.parent, set()
        while parent in parents and parent not in passed:
            passed.add(parent)
            parent = parents[parent]
        # A circle of those that are gone, or one that would close on the child itself, has no parent.
        if passed:
            entry.set_parent(None if parent in passed or parent == entry.name else parent)
    return left
