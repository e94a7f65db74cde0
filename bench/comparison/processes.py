"""Processes of a builder as a tree: what memory they have, what they wrote; and servers, stopped by pid.

This program is the reaper of what its descendants leave behind (PR_SET_CHILD_SUBREAPER), so that a container's shim
that gave up its parent still counts, and is still found when everything is stopped.
"""
import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess
import time

PAGE = os.sysconf("SC_PAGE_SIZE")
PR_SET_CHILD_SUBREAPER = 36

_servers = {}  # pid → Popen of every server that was started and not stopped
bystanders = set()  # children of this program that belong to no builder: registries


def become_reaper():
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def children(pid):
    found = []
    with contextlib.suppress(OSError):  # it ended meanwhile
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError):
                found += map(int, pathlib.Path(f"/proc/{pid}/task/{task}/children").read_text().split())
    return found


def tree(roots):
    """The processes `roots` and all their descendants."""
    found, waiting = set(), list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children(pid)
    return found


def all_pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def open_files(pid):
    """What a process's descriptors are links to."""
    found = []
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                found.append(os.readlink(f"/proc/{pid}/fd/{name}"))
    return found


def working(servers):
    """The tree of one builder at work: its servers, and whatever else runs below this program but is no server."""
    others = (set(_servers) | bystanders) - set(servers)
    return tree([*servers, *(pid for pid in children(os.getpid()) if pid not in others)])


def resident(pids):
    """Bytes that the processes have mapped and resident; a page of two processes counts twice. Cheap to ask."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            total += int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    return total


def proportional(pids):
    """The same, a page of two processes counted once. Asking makes the kernel look at every page."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def forget_peak(pid):
    with contextlib.suppress(OSError):
        pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak(pid):
    """The most memory that one process had resident since forget_peak, in bytes."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def written(servers):
    """Bytes that a builder's processes gave the page cache to write to a disk, so far. What a process that ended had
    written is in its parent's figure, therefore this program's own is part of the sum."""
    total = 0
    for pid in tree(servers) | {os.getpid()}:
        with contextlib.suppress(OSError):
            for line in pathlib.Path(f"/proc/{pid}/io").read_text().splitlines():
                if line.startswith("write_bytes:"):
                    total += int(line.split()[1])
    return total


def reap_orphans():
    """Waits for what ended and was left to this program by its parents."""
    for pid in children(os.getpid()):
        if pid not in _servers and pid not in bystanders:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


class Server:
    """A long-running program of a builder."""

    def __init__(self, argv, log, env=None):
        with open(log, "ab") as out:
            self.process = subprocess.Popen(list(map(str, argv)), stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                                            env=env, start_new_session=True)
        self.log = log
        _servers[self.process.pid] = self.process

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process.poll() is None

    def stop(self, seconds=40):
        """Asks it to end, and ends what it leaves behind."""
        below = tree([self.pid]) - {self.pid}
        if self.alive():
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
        if self.alive():
            self.process.kill()
            self.process.wait()
        del _servers[self.pid]
        for pid in below & tree([os.getpid()]):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + 5
        while below & tree([os.getpid()]) and time.monotonic() < end:
            reap_orphans()
            time.sleep(0.02)


def stop_all():
    for process in list(_servers.values()):
        process.terminate()
    for process in list(_servers.values()):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(40)
        if process.poll() is None:
            process.kill()
            process.wait()
    _servers.clear()
