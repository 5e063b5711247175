"""A process of this machine, as far as a number leads to one: whether it runs, when it started, its name."""

import functools
import glob
import os


def runs(pid):
    """Whether a process of that number runs: zombies do not, and numbers that no process can have neither."""
    if not 0 < pid < 2**31:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    fields = _stat(pid)
    if fields is None:
        return True
    # A process whose first thread has ended shows as a zombie as long as others run.
    return not (fields[0] in (b"X", b"x") or (fields[0] == b"Z" and int(fields[17]) <= 1))


def start_ticks(pid):
    """When it started, in clock ticks since the machine did; None where `/proc` does not tell."""
    fields = _stat(pid)
    return None if fields is None else int(fields[19])


def name(pid):
    """What it calls itself; None where `/proc` does not tell."""
    try:
        with open(f"/proc/{pid}/comm", "rb") as file:
            return file.read().decode(errors="replace").rstrip("\n") if _proc_is_ours() else None
    except OSError:
        return None


def holder_of_lock(byte):
    """The number of a process that has the descriptor by which that byte is locked, as far as any shows."""
    for path in glob.iglob("/proc/[0-9]*/fdinfo/*") if _proc_is_ours() else ():
        try:
            with open(path, encoding="ascii", errors="replace") as file:
                words = [line.split() for line in file if line.startswith("lock:")]
        except OSError:
            continue
        if any(of[-2:] == [str(byte)] * 2 for of in words):
            return int(path.split("/")[2])
    return None


@functools.cache
def own_namespace(kind):
    """The inode of this process's namespace of that kind; None where `/proc` does not tell."""
    try:
        return os.stat(f"/proc/self/ns/{kind}").st_ino
    except OSError:
        return None


@functools.cache
def boot_id():
    """The kernel's name for the time since it started; None where `/proc` does not tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return None


def _stat(pid):
    """The fields behind the command's name, the process's state first."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split() if _proc_is_ours() else None
    except OSError:
        return None


@functools.cache
def _proc_is_ours():
    """Whether the numbers in `/proc` are those of this process's own pid namespace."""
    try:
        return os.readlink("/proc/self") == str(os.getpid())
    except OSError:
        return False
