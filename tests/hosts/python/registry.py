"""The registry in a spawner's runtime directory: `spawned_pods.json`, and `read_cursors.json` beside it.

Both are read without a lock and replaced whole, under the `flock` on `spawned_pods.lock`: a new file takes the
old one's name, so that a reader finds one of the two. What is not understood is kept as it stands.
"""

import json
import os
import time
from dataclasses import dataclass

import json_text
import state_file
from errors import ToolError, escape, failed

PODS, CURSORS, LOCK, NEW = "spawned_pods.json", "read_cursors.json", "spawned_pods.lock", ".spawned_pods.new"
VERSION = 1


@dataclass(frozen=True)
class Rule:
    target: str
    permission: str
    recursive: bool


@dataclass(frozen=True)
class Record:
    """One pod that was spawned, as the spawner wrote it: nothing in it has been checked."""

    name: str
    socket: str
    scope: tuple
    fence: dict | None = None


@dataclass(frozen=True)
class Cursor:
    items: int
    digest: str


def rules(value):
    """The scope rules in a list of them; ValueError where they are none."""
    if not isinstance(value, list):
        raise ValueError("the scope is no list")
    return tuple(_rule(rule) for rule in value)


def _rule(value):
    match value:
        case {
            "target": str(target),
            "permission": "read" | "write" as permission,
            "recursive": bool(recursive),
        }:
            return Rule(target, permission, recursive)
    raise ValueError("a scope rule cannot be read")


def _fence(value):
    """What a pod says of its fence, as the contract has it; None where it is not understood."""
    match value:
        case {"enforce": "strict" | "best-effort" | "off" as enforce}:
            missing = value.get("missing", [])
            if isinstance(missing, list) and all(isinstance(one, str) for one in missing):
                return {"held": "off" if enforce == "off" else "part" if missing else "whole", "missing": missing}
    return None


def _record(text):
    """The record, or None where it cannot be read; and its name, where it has one all the same."""
    try:
        value = json_text.parse(text)
    except ValueError:
        return None, None
    name = value.get("pod_name") if isinstance(value, dict) else None
    name = name if isinstance(name, str) else None
    match value:
        case {"pod_name": str(), "socket_path": str(socket), "scope_delegated": scope}:
            try:
                return Record(name, socket, rules(scope), _fence(value.get("fence"))), name
            except ValueError:
                pass
    return None, name


def records_of(text):
    """The records in a list, in their order, and for each that cannot be read its name or None."""
    read = [_record(one) for one in json_text.elements(text)]
    return [record for record, _ in read if record], [name for record, name in read if not record]


class Registry:
    def __init__(self, directory):
        self.path = directory
        self._dir = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def load(self):
        """All records, in their order, and for each that cannot be read its name or None."""
        read = [_record(text) for text in self._list()]
        return [record for record, _ in read if record], [name for record, name in read if not record]

    def remove(self, record, seconds):
        """Removes every record of that name and socket, and the name's cursor."""
        with self._locked(seconds):
            texts = self._list()
            same = [self._is_same(text, record) for text in texts]
            # The cursor goes first: one without a record could make the next pod of that name lose text.
            try:
                top, pods = self._cursors()
            except _Damaged:
                pods = {}
            if record.name in pods:
                del pods[record.name]
                self._replace(CURSORS, _render_cursors(top, pods))
            if any(same):
                kept = [text for text, gone in zip(texts, same) if not gone]
                self._replace(PODS, json_text.render_list(kept))

    def cursor(self, name):
        """The stored cursor; None before the first read."""
        _, pods = self._cursors()
        return self._cursor(pods, name)

    def set_cursor(self, name, base, new, seconds):
        """Stores `new` if the stored one is still `base`, or is behind it.

        Where the cursor or the record went meanwhile, nothing is stored: the pod that takes the name next must
        not inherit it. All of that may repeat text, and loses none.
        """
        with self._locked(seconds):
            top, pods = self._cursors()
            stored = self._cursor(pods, name)
            if stored == new or not (stored == base or (stored and new.items > stored.items)):
                return
            names = {_record(text)[1] for text in self._list()}
            if name not in names:
                return
            members = _members_or_none(pods.get(name, "{}"))
            members |= {"items": str(new.items), "digest": json.dumps(new.digest, ensure_ascii=False)}
            pods = {other: text for other, text in pods.items() if other in names}
            pods[name] = "{" + ",".join(f"{json.dumps(key)}:{text}" for key, text in members.items()) + "}"
            self._replace(CURSORS, _render_cursors(top, pods))

    @staticmethod
    def _is_same(text, record):
        found, _ = _record(text)
        return found is not None and (found.name, found.socket) == (record.name, record.socket)

    def _list(self):
        text = self._read(PODS)
        if text is None:
            return []
        try:
            return json_text.elements(text)
        except (ValueError, IndexError) as error:
            raise self._damaged(PODS, f"it holds no list of pods: {error}") from error

    def _cursors(self):
        """The members of the file, and those of its `pods`, as texts."""
        text = self._read(CURSORS)
        if text is None:
            return {"version": str(VERSION)}, {}
        try:
            top = json_text.members(text)
            version = json_text.parse(top["version"])
            if type(version) is not int or not 0 <= version <= VERSION:
                raise ValueError(f"its format is none that this version knows, which are up to {VERSION}")
            return top, json_text.members(top["pods"])
        except KeyError as error:
            raise self._damaged(CURSORS, f"it has no {error}") from error
        except ValueError as error:
            raise self._damaged(CURSORS, f"it holds no object of cursors: {error}") from error

    def _cursor(self, pods, name):
        if name not in pods:
            return None
        match json_text.parse(pods[name]):
            case {"items": int(items), "digest": str(digest)} if (
                not isinstance(items, bool) and 0 <= items < 2**64
            ):
                return Cursor(items, digest)
        raise self._damaged(CURSORS, f"the cursor of pod `{escape(name)}` cannot be read")

    def _read(self, name):
        try:
            fd = state_file.open_own(self._dir, name, os.O_RDONLY)
        except FileNotFoundError:
            # A spawner that ends takes its directory along.
            if os.fstat(self._dir).st_nlink == 0:
                message = f"the runtime directory `{self.path}` was removed since it was opened"
                raise failed("registry-damaged", message) from None
            return None
        except state_file.OutOfDescriptors as error:
            message = f"there is no file descriptor left to open `{self.path}/{name}` with"
            raise failed("descriptors-exhausted", message) from error
        except state_file.Fault as fault:
            raise self._damaged(name, str(fault)) from fault
        try:
            return state_file.read_all(fd).decode()
        except (UnicodeDecodeError, OSError, state_file.Fault) as error:
            raise self._damaged(name, str(error)) from error
        finally:
            os.close(fd)

    def _damaged(self, name, detail):
        remedy = {
            PODS: "repair it, or delete it to forget all pods",
            CURSORS: "delete it, and every pod's output is given from its start again",
        }[name]
        message = (
            f"the registry file `{self.path}/{name}` is damaged: {detail}; it was left as it is; {remedy}"
        )
        return _Damaged("execution-failed", "registry-damaged", message)

    def _replace(self, name, text):
        """Puts a new content in the place of the file's. No `fsync`: pods do not outlive a power cut."""
        try:
            try:
                os.unlink(NEW, dir_fd=self._dir)
            except FileNotFoundError:
                pass
            fd = os.open(NEW, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=self._dir)
            with open(fd, "wb") as file:
                file.write(text.encode())
            os.rename(NEW, name, src_dir_fd=self._dir, dst_dir_fd=self._dir)
        except OSError as error:
            raise self._unwritable(name, error) from error

    def _unwritable(self, name, error):
        message = f"the registry file `{self.path}/{name}` could not be written: {error}; nothing was changed"
        return failed("state-unwritable", message)

    def _locked(self, seconds):
        """The lock, as a context: closing the file lets go of it."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                fd = state_file.open_own(self._dir, LOCK, os.O_RDWR | os.O_CREAT)
            except state_file.OutOfDescriptors as error:
                message = f"there is no file descriptor left to open `{self.path}/{LOCK}` with"
                raise failed("descriptors-exhausted", message) from error
            except (OSError, state_file.Fault) as error:
                raise self._unwritable(LOCK, error) from error
            file = open(fd, "rb")
            if state_file.flock_until(fd, deadline):
                try:
                    if state_file.is_same_file(fd, os.stat(LOCK, dir_fd=self._dir, follow_symlinks=False)):
                        return file
                except FileNotFoundError:
                    pass
            file.close()
            if time.monotonic() >= deadline:
                message = (
                    f"the registry lock `{self.path}/{LOCK}` was held by another process for {seconds:.1f} s"
                )
                raise failed("lock-busy", f"{message}; nothing was changed, try again")


class _Damaged(ToolError):
    """A file holds something else than it should."""


def _members_or_none(text):
    try:
        return json_text.members(text)
    except ValueError:
        return {}


def _render_cursors(top, pods):
    return json_text.render_object(top | {"pods": json_text.render_object(pods, 1)})
