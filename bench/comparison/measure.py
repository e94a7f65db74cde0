"""One measured run: how long, how much memory at most, how many bytes written."""
import dataclasses
import os
import subprocess
import threading
import time

from comparison import processes
from comparison.errors import Failed

INTERVAL = 0.02  # seconds between looks at the memory
LIMIT = 1800     # seconds; who takes longer is stopped


@dataclasses.dataclass
class Command:
    """One program to run for a piece of work."""
    argv: list
    env: dict = dataclasses.field(default_factory=dict)  # beside this program's own
    cwd: str = None


@dataclasses.dataclass
class Sample:
    seconds: float
    peak_bytes: int
    written_bytes: int
    load: float  # of the machine when the run began, one minute's average
    extra: dict = dataclasses.field(default_factory=dict)  # what the workload adds: name → number


class Clients:
    """Runs the commands of a piece of work, their output in a file."""

    def __init__(self, log):
        self.log = log

    def run(self, commands):
        """One after another."""
        for command in commands:
            self.run_at_once([[command]])

    def run_at_once(self, works):
        """Every work at once; the commands of one work after another."""
        waiting = [list(work) for work in works]
        running = {}  # index of the work → (process, command)

        def start(index):
            command = waiting[index].pop(0)
            running[index] = (self._start(command), command)
        for index in range(len(waiting)):
            start(index)
        while running:
            for index in list(running):
                process, command = running.pop(index)
                self._wait(process, command)
                if waiting[index]:
                    start(index)

    def _start(self, command):
        with open(self.log, "ab") as out:
            out.write(f"$ {' '.join(map(str, command.argv))}\n".encode())
            out.flush()
            return subprocess.Popen(list(map(str, command.argv)), stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                                    env={**os.environ, **command.env}, cwd=command.cwd, start_new_session=True)

    def _wait(self, process, command):
        # Popen.wait(timeout) polls with pauses of up to 50 ms; a timer does not cost the fast ones anything.
        watch = threading.Timer(LIMIT, process.kill)
        watch.start()
        code = process.wait()
        watch.cancel()
        if code == -9:
            raise Failed(f"`{command.argv[0]}` was stopped after {LIMIT} s or killed")
        if code != 0:
            raise Failed(f"`{' '.join(map(str, command.argv[:4]))} ...` ended with {code}: {self.last_words()}")

    def last_words(self):
        with open(self.log, "rb") as log:
            text = log.read().decode(errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return " | ".join(lines[-3:])[-400:]


class Watch:
    """Looks at a builder's memory while it works."""

    def __init__(self, servers):
        self.servers = servers  # callable: servers may come up during the work
        self.peak = 0
        self.mapped = 0  # the most that was mapped when the peak was last taken
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)

    def _look(self):
        while True:
            pids = processes.working(self.servers())
            mapped = processes.resident(pids)
            if mapped > self.mapped * 1.03:  # rarely: the exact figure costs the kernel a millisecond and more
                self.mapped = mapped
                self.peak = max(self.peak, processes.proportional(pids))
            if self.ended.wait(INTERVAL):
                return

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


def measured(servers, work):
    """Does `work()`, which a builder with the processes `servers()` does; gives a Sample."""
    load = os.getloadavg()[0]
    for pid in processes.tree(servers()):
        processes.forget_peak(pid)
    before = processes.written(servers())
    with Watch(servers) as watch:
        begin = time.monotonic()
        work()
        seconds = time.monotonic() - begin
    processes.reap_orphans()
    # Between two looks a server may have had more: the kernel keeps the most of each process.
    at_most = max([processes.peak(pid) for pid in servers()], default=0)
    return Sample(seconds, max(watch.peak, at_most), max(0, processes.written(servers()) - before), load)


