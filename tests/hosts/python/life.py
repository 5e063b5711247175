"""Who lives: the one place that decides it, for an entry of the scope table and for a pod's directory.

Three answers: it lives, it is gone, it cannot be known. What is not known to be gone keeps its name, its scope and
its record. A pod of `pod-tools` says beside its process's number how to know (`holder`): by the lock that it and all
that it has started hold, by the boot, by the pid namespace and the start of its process. Of a pod of another make
there is a number: it lives where a process of that number runs, where its directory is locked, and where its socket
takes connections.
"""

import errno
import fcntl
import os
import struct
from contextlib import contextmanager
from dataclasses import dataclass

import json_text
import process
import state_file
from errors import descriptors_exhausted, escape, os_error
from sockets import BacklogFull, Refused, Unreachable

MAX_FILE = 64 << 10
LIVES, GONE, UNKNOWN = "lives", "gone", "unknown"
# File systems that no other machine shares.
LOCAL = {"ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "ramfs", "overlay", "f2fs", "zfs", "bcachefs"}
# What is known of a lock. That nobody can ask for it is not that its file is not there any more.
HELD, FREE, LOST, UNASKED = "held", "free", "lost", "unasked"
# struct flock of 64-bit Linux.
FLOCK = "hhqqi4x"

HOLDS_DIRECTORY = "another process holds its directory"
OTHER_VERSION = "it was started by another version of pod-tools, which has its own way to tell whether it lives"


@dataclass(frozen=True)
class Life:
    """An answer; and what a pod is known to live by, or why nobody can tell, in words that speak of "it"."""

    answer: str
    why: str = ""


@dataclass(frozen=True)
class Holder:
    """What a process says of itself, beside its number."""

    pid: int
    boot_id: str | None
    pid_namespace: int | None
    time_namespace: int | None
    start_ticks: int | None
    # Device and inode of the file, and the byte of it that is locked; what the pod starts locks the one behind it.
    lock: tuple | None

    @classmethod
    def parse(cls, value):
        """None where nothing is said, OTHER_VERSION where it is in a way that this host does not know."""
        if value is None:
            return None
        if not isinstance(value, dict) or not _is_integer(value.get("pid"), -(2**63), 2**63):
            return OTHER_VERSION
        numbers = [value.get(name) for name in ("pid_namespace", "time_namespace", "start_ticks")]
        lock = value.get("lock")
        if lock is not None:
            names = ("device", "inode", "byte")
            lock = tuple(lock.get(name) for name in names) if isinstance(lock, dict) else (None,)
        boot_id = value.get("boot_id")
        if (
            all(number is None or _is_integer(number) for number in numbers)
            and all(_is_integer(number) for number in lock or ())
            and (boot_id is None or isinstance(boot_id, str))
        ):
            return cls(value["pid"], boot_id, *numbers, lock)
        return OTHER_VERSION


def _is_integer(value, least=0, beyond=2**64):
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < beyond


class Unasked(Exception):
    """What is there and would tell cannot be asked; in words that speak of "it"."""


class LifeCheck:
    """Decides who lives, by what is beside the table at `path`, which is one without links.

    For want of file descriptors nobody is taken for gone: that is an error of its own.
    """

    def __init__(self, path, directories):
        self._path, self._directories = path, directories

    def of(self, entry):
        """Whether the pod of an entry lives."""
        holder = entry.holder
        # Where the numbers differ, somebody has put another process in its place and kept what he did not know.
        if isinstance(holder, Holder) and holder.pid == entry.pid:
            return self._of_holder(holder)
        try:
            life = self._of_number(entry.pid, entry.socket)
        except Unasked as why:
            return Life(UNKNOWN, str(why))
        if holder == OTHER_VERSION and life.answer == GONE:
            return Life(UNKNOWN, OTHER_VERSION)
        return life

    def of_socket(self, socket):
        """Whether the pod with that socket lives, by its directory. A pod without one is gone."""
        try:
            return self._of_directory(socket)
        except Unasked as why:
            return Life(UNKNOWN, str(why))

    def _of_directory(self, socket):
        with self._opened(socket) as directory:
            if directory is None:
                return Life(GONE)
            if _is_locked(directory):
                return Life(LIVES, HOLDS_DIRECTORY)
            holder, pid = _noted_holder(directory), _noted_pid(directory)
            if isinstance(holder, Holder):
                return self._of_holder(holder)
            if pid is not None and process.runs(pid):
                return Life(LIVES, _runs(pid))
            return Life(GONE) if holder is None else Life(UNKNOWN, OTHER_VERSION)

    def _of_holder(self, holder):
        lock = LOST if holder.lock is None else self._lock(*holder.lock)
        if lock == HELD:
            return Life(LIVES, _name_holder(holder))
        if None not in (holder.boot_id, process.boot_id()) and holder.boot_id != process.boot_id():
            # Nothing outlives a boot.
            if self._is_local():
                return Life(GONE)
            return Life(UNKNOWN, "it was started by another machine, or before this one was started last")
        if lock == FREE:
            return Life(GONE)
        if holder.pid_namespace is None or holder.pid_namespace != process.own_namespace("pid"):
            started = f"it was started in another pid namespace, as process {holder.pid} there"
            return Life(UNKNOWN, f"{started}, and the lock by which it could be told is not found")
        if _is_here(holder):
            return Life(LIVES, _runs(holder.pid))
        if lock == UNASKED:
            return Life(UNKNOWN, "what it has started may live on, and nobody here can ask for its lock")
        return Life(GONE)

    def _of_number(self, pid, socket):
        if process.runs(pid):
            return Life(LIVES, _runs(pid))
        try:
            with self._opened(socket) as directory:
                if directory is not None and _is_locked(directory):
                    return Life(LIVES, HOLDS_DIRECTORY)
            self._directories.connect(socket).close()
        except (Unreachable, Refused):
            return Life(GONE)
        except BacklogFull:
            pass
        return Life(LIVES, "its socket takes connections")

    def _lock(self, device, inode, byte):
        """What is known of the locks on a byte of the file beside the table, and on the one behind it."""
        try:
            parent, name = os.path.split(self._path)
            directory = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fd = state_file.open_regular(directory, f"{name}.lives", os.O_RDONLY)
            finally:
                os.close(directory)
        except FileNotFoundError:
            return LOST
        except state_file.OutOfDescriptors as error:
            raise descriptors_exhausted() from error
        except (OSError, state_file.Fault) as error:
            _refuse_if_exhausted(error)
            return UNASKED
        try:
            found = os.fstat(fd)
            if (found.st_dev, found.st_ino) != (device, inode):
                return LOST
            if not hasattr(fcntl, "F_OFD_GETLK") or struct.calcsize("P") != 8:
                return UNASKED
            wanted = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, byte, 2, 0)
            kind = struct.unpack(FLOCK, fcntl.fcntl(fd, fcntl.F_OFD_GETLK, wanted))[0]
            return FREE if kind == fcntl.F_UNLCK else HELD
        except (OSError, struct.error):
            return UNASKED
        finally:
            os.close(fd)

    def _is_local(self):
        """Whether the table is on a file system that no other machine shares, as far as the kernel tells."""
        try:
            device = os.stat(os.path.dirname(self._path)).st_dev
            number = f"{os.major(device)}:{os.minor(device)}"
            with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
                mounts = [line.partition(" - ") for line in file]
        except OSError:
            return False
        kinds = {kind.split()[0] for of, _, kind in mounts if of.split()[2] == number}
        return bool(kinds) and kinds <= LOCAL

    @contextmanager
    def _opened(self, socket):
        """The pod's directory, opened; None where there is none beneath a granted one."""
        try:
            path = self._directories.open_directory_of(socket)
        except (Refused, Unreachable):
            yield None
            return
        try:
            fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=path)
        except FileNotFoundError:
            yield None
            return
        except OSError as error:
            _refuse_if_exhausted(error)
            raise Unasked(f"its directory cannot be opened ({os_error(error)})") from error
        finally:
            os.close(path)
        try:
            yield fd
        finally:
            os.close(fd)


def _is_here(holder):
    """Whether its process runs, as far as its start tells. Where that does not tell, what has its number is it."""
    if holder.pid_namespace is None or holder.pid_namespace != process.own_namespace("pid"):
        return False
    if not process.runs(holder.pid):
        return False
    if holder.time_namespace != process.own_namespace("time"):
        return True
    started = process.start_ticks(holder.pid)
    return None in (started, holder.start_ticks) or started == holder.start_ticks


def _name_holder(holder):
    """What lives on of a pod whose lock is held."""
    if _is_here(holder):
        return _runs(holder.pid)
    child = process.holder_of_lock(holder.lock[-1])
    if child is None:
        return f"a process of another pid namespace runs it, {holder.pid} there"
    return f"{_named(child)}, which is it or was started by it, holds its lock"


def _runs(pid):
    return f"{_named(pid)} runs it"


def _named(pid):
    name = process.name(pid)
    return f"process {pid}" if name is None else f"process {pid} (`{escape(name)}`)"


def _is_locked(directory):
    """Whether a process holds the directory. The lock for this question is shared, and gone with the descriptor."""
    try:
        fcntl.flock(directory, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    except OSError:
        return False


def _noted_holder(directory):
    """What `status.json` says. A pod of another make that takes the directory over writes its own."""
    try:
        status = json_text.parse(_read(directory, "status.json").decode())
        return Holder.parse(status.get("holder")) if isinstance(status, dict) else None
    except ValueError:
        return None


def _noted_pid(directory):
    try:
        return int(_read(directory, "pid"))
    except ValueError:
        return None


def _read(directory, name):
    """A short file whole; empty where there is none that a pod could have written."""
    try:
        fd = state_file.open_regular(directory, name, os.O_RDONLY)
        with open(fd, "rb") as file:
            data = file.read(MAX_FILE + 1)
    except FileNotFoundError:
        return b""
    except state_file.OutOfDescriptors as error:
        raise descriptors_exhausted() from error
    except state_file.Fault as fault:
        error = fault.__cause__
        if error is None or error.errno == errno.ELOOP:
            return b""
        raise Unasked(f"its `{name}` cannot be read ({os_error(error)})") from fault
    except OSError as error:
        raise Unasked(f"its `{name}` cannot be read ({os_error(error)})") from error
    return data if len(data) <= MAX_FILE else b""


def _refuse_if_exhausted(error):
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        raise descriptors_exhausted() from error
