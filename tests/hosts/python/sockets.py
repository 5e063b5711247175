"""Granted directories, checked connections, and exchanges: one connection, one request, and what comes back."""

import errno
import os
import select
import socket
import stat
import struct
import time

from errors import ToolError, descriptors_exhausted, escape, failed, limit, os_error, show_time

MAX_READ = 256 << 10


class Refused(Exception):
    """A check failed; in words that follow "its socket"."""


class Unreachable(Exception):
    """Nothing takes connections there."""


class BacklogFull(Exception):
    """Something does, but has no room at the moment."""


class Directories:
    """Where sockets may lie. A path is only a hint: what comes of it is a descriptor, and used from then on."""

    def __init__(self, paths):
        self._granted = []
        for path in paths:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            prefixes = {_names(os.path.abspath(path)), _names(os.path.realpath(path))}
            self._granted.append((prefixes, fd, _identity(os.fstat(fd))))

    def open_socket(self, path):
        """A descriptor of the socket at `path`, fit to be connected through and nothing else."""
        return self._open(_names(path), os.O_PATH, stat.S_ISSOCK, "a socket")

    def open_beside(self, path, name):
        """A descriptor of the regular file beside the socket at `path`, for reading."""
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
        return self._open((*_names(path)[:-1], name), flags, stat.S_ISREG, "a regular file")

    def open_directory_of(self, path):
        """A descriptor of the directory that holds the socket, which stands for it and can read nothing.

        A socket right in a granted directory has no directory of its own.
        """
        return self._open(_names(path)[:-1], os.O_PATH, stat.S_ISDIR, "a directory")

    def _open(self, names, flags, is_kind, kind):
        fd = self._resolve(names, flags)
        found = os.fstat(fd)
        if stat.S_ISLNK(found.st_mode):
            why = "is a symbolic link"
        elif not is_kind(found.st_mode):
            why = f"is not {kind}"
        elif found.st_uid != os.geteuid():
            why = f"belongs to user {found.st_uid}, not to user {os.geteuid()}"
        else:
            return fd
        os.close(fd)
        raise Refused(why)

    def _beneath(self, names):
        for prefixes, at, _ in self._granted:
            for prefix in prefixes:
                if names[: len(prefix)] == prefix:
                    return at, names[len(prefix) :]
        return None

    def _under_another_name(self, names):
        """The outermost ancestor that is a granted directory, by device and inode."""
        if names[:1] != ("/",):
            return None
        for length in range(1, len(names)):
            try:
                found = _identity(os.stat(os.path.join(*names[:length])))
            except (OSError, ValueError):
                return None
            for _, at, identity in self._granted:
                if identity == found:
                    return at, names[length:]
        return None

    def _resolve(self, names, flags):
        """Walks down from the granted directory, each name opened from the handle of the one before."""
        at, rest = self._beneath(names) or self._under_another_name(names) or (None, None)
        if at is None:
            raise Refused("lies outside the granted directories (grant one with --allow-sockets)")
        if not rest or ".." in rest:
            raise Refused("has a path that is not plain names beneath a granted directory")
        opened = []
        try:
            for name in rest[:-1]:
                at = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
                opened.append(at)
                if stat.S_ISLNK(os.fstat(at).st_mode):
                    raise Refused("lies behind a symbolic link")
            return os.open(rest[-1], flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
        except (FileNotFoundError, NotADirectoryError) as error:
            # A pod removes its directory when it ends.
            raise Unreachable(os_error(FileNotFoundError(errno.ENOENT, ""))) from error
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                raise descriptors_exhausted() from error
            if error.errno == errno.ELOOP:
                raise Refused("lies behind a symbolic link") from error
            raise Refused(f"cannot be opened: {os_error(error)}") from error
        except ValueError as error:
            raise Refused("cannot be opened: its path holds a NUL byte") from error
        finally:
            for fd in opened:
                os.close(fd)

    def connect(self, path):
        """A connection, without waiting: a Unix socket takes one at once, or has no room."""
        target = self.open_socket(path)
        connection = None
        try:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            # Through the descriptor, so that no rename in between can lead anywhere else.
            connection.connect(f"/proc/self/fd/{target}")
            peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            _, user, _ = struct.unpack("3i", peer)
            if user != os.geteuid():
                raise Refused(f"is served by a process of user {user}, not of user {os.geteuid()}")
            done, connection = connection, None
            return done
        except BlockingIOError as error:
            raise BacklogFull from error
        except (ConnectionRefusedError, ConnectionResetError) as error:
            raise Unreachable(os_error(error)) from error
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                raise descriptors_exhausted() from error
            raise Refused(f"cannot be connected to: {os_error(error)}") from error
        finally:
            os.close(target)
            if connection is not None:
                connection.close()

    def connect_until(self, path, deadline):
        """The same, with patience for a full backlog."""
        pause = 0.001
        while True:
            try:
                return self.connect(path)
            except BacklogFull:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise
                time.sleep(min(pause, left))
                pause = min(pause * 2, 0.05)


def _names(path):
    """The names of an absolute path; those of another one begin with no granted directory's."""
    if path.startswith("\0"):
        raise Refused("is in the abstract namespace, which no directory can grant")
    start = ("/",) if path.startswith("/") else ()
    return start + tuple(name for name in path.split("/") if name not in ("", "."))


def _identity(found):
    return found.st_dev, found.st_ino


def same_place(one, other):
    """Whether both paths lead to the same place; of what is not there, its nearest ancestor that is counts."""
    return one == other or _place(one) == _place(other)


def _place(path):
    missing = []
    while path not in ("", "/"):
        try:
            return _identity(os.stat(path)), missing
        except (OSError, ValueError):
            path, name = os.path.split(path.rstrip("/"))
            missing.insert(0, name)
    return path, missing


def refused(record, why):
    message = f"pod `{escape(record.name)}`: its socket {escape(record.socket)} {why}"
    return ToolError("denied", "socket-refused", message)


def timed_out(operation, seconds):
    message = f"{operation} timed out after {show_time(seconds)} (allow more with --op-timeout)"
    return failed("socket-timeout", message)


def any_readable(exchanges, until):
    """The positions of those that can be read from; none when the time is up."""
    over = [at for at, exchange in enumerate(exchanges) if exchange.is_over()]
    if over:
        return over
    poll = select.poll()
    places = {}
    for at, exchange in enumerate(exchanges):
        connection = exchange.begin_wait()
        places.setdefault(connection.fileno(), []).append(at)
        poll.register(connection, select.POLLIN)
    while True:
        found = poll.poll(max(until - time.monotonic(), 0) * 1000)
        if found or time.monotonic() >= until:
            return sorted(at for fd, _ in found for at in places[fd])


class Exchange:
    """An open exchange. The request is written while the plugin reads, from its first read on."""

    def __init__(self, connection, request, deadline, max_line):
        self._connection, self._unsent, self.deadline = connection, memoryview(request), deadline
        self._line, self._max_line, self._broken = 0, max_line, None

    def close(self):
        self._connection.close()

    def read(self, size, until, seconds):
        """What has arrived, as soon as there is anything; empty at the end."""
        if self._broken:
            raise self._broken
        try:
            piece = self._fill(min(max(size, 1), MAX_READ), until)
        except OSError as error:
            self._broken = failed("closed", f"read: {os_error(error)}")
            raise self._broken from error
        if piece is None:
            raise timed_out("write" if self._unsent else "read", seconds)
        lines = piece.split(b"\n")
        lengths = [self._line + len(lines[0]), *map(len, lines[1:])]
        self._line = lengths[-1]
        if max(lengths) > self._max_line:
            message = f"the pod sent a line of more than {self._max_line} bytes (raise it with --max-line)"
            self._broken = limit(message)
            raise self._broken
        return piece

    def _fill(self, size, until):
        """Writes what is left of the request and waits for bytes, both at the same time; None: the time is up."""
        poll = select.poll()
        while True:
            self._send_some()
            try:
                return self._connection.recv(size)
            except BlockingIOError:
                pass
            left = until - time.monotonic()
            if left <= 0:
                return None
            poll.register(self._connection, select.POLLIN | (select.POLLOUT if self._unsent else 0))
            poll.poll(left * 1000 + 1)

    def is_over(self):
        return self._broken is not None

    def begin_wait(self):
        """Writes what can be written at once, and gives what to wait for."""
        self._send_some()
        return self._connection

    def _send_some(self):
        while self._unsent:
            try:
                sent = self._connection.send(self._unsent, socket.MSG_NOSIGNAL)
                self._unsent = self._unsent[sent:]
            except BlockingIOError:
                return
            except OSError:
                # The pod has stopped listening. What it said before that can still be read.
                self._unsent = memoryview(b"")
