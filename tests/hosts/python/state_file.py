"""How a file of state is opened, locked and read: never waiting without a bound, never what is no regular file, and
never what others than its owner could have written."""

import errno
import fcntl
import os
import stat
import time

from errors import escape

MAX_BYTES = 64 << 20
_CAREFUL = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class Fault(Exception):
    """Why a file could not be used, in words that follow its name."""


class OutOfDescriptors(Exception):
    """Nothing is known of the file: this process, or the machine, has no descriptor left."""


def open_regular(directory, name, access):
    """A descriptor of the regular file `name` in a directory; FileNotFoundError where there is none."""
    try:
        fd = os.open(name, access | _CAREFUL, 0o600, dir_fd=directory)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise OutOfDescriptors from error
        if error.errno == errno.ELOOP:
            raise Fault("it is a symbolic link, not a regular file") from error
        raise Fault(f"it cannot be opened: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise Fault("it is not a regular file")
    return fd


def open_own(directory, name, access):
    """The same, of a file that nobody but us and root can have written: Fault where others could."""
    fd = open_regular(directory, name, access)
    try:
        check_own(os.fstat(fd), os.path.join(os.readlink(f"/proc/self/fd/{directory}"), name))
    except BaseException:
        os.close(fd)
        raise
    return fd


def check_own(found, path):
    """Fault where others than us and root can write to the file at `path`, or put another one in its place."""
    if found.st_uid not in (os.geteuid(), 0):
        raise Fault(f"`{escape(path)}` belongs to user {found.st_uid}, who can change it; own it (chown)")
    parent = os.path.dirname(path)
    for place, of in ((path, found), (parent, os.stat(parent))):
        is_open = of.st_uid not in (os.geteuid(), 0) or of.st_mode & 0o022
        if is_open and not _is_private(parent):
            shown = escape(place)
            raise Fault(f"others can write to `{shown}`, and may have; look at it, then: chmod go-w {shown}")


def _is_private(directory):
    """Whether others are kept out on the way there: then no mode below matters to them."""
    while True:
        found = os.stat(directory)
        if found.st_uid in (os.geteuid(), 0) and not found.st_mode & 0o011:
            return True
        if directory == "/":
            return False
        directory = os.path.dirname(directory)


def read_all(fd):
    os.lseek(fd, 0, os.SEEK_SET)
    with open(fd, "rb", closefd=False) as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise Fault(f"it is larger than {MAX_BYTES >> 20} MiB")
    return data


def flock_until(fd, deadline):
    """Takes the lock, trying until the deadline and at least once; whether it has it.

    There is no `flock` with a time-out, so this polls, in steps that grow to 20 ms.
    """
    pause = 0.001
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(pause, left))
            pause = min(pause * 2, 0.02)


def is_same_file(fd, there):
    """Whether an open file is still the one that `stat` tells of: who waited for a lock may hold an old one."""
    held = os.fstat(fd)
    return (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino)
