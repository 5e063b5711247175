"""How a file of state is opened, locked and read: never waiting without a bound, never what is no regular file."""

import errno
import fcntl
import os
import stat
import time

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
