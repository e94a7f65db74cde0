"""From nothing: a daemon that does not run, a store that is empty."""
import shutil
import socket
import subprocess
import sys
import time

from comparison import content, machine, processes, trees
from comparison.errors import Wrong
from comparison.site import SOURCE
from comparison.workloads.workload import Workload


class ColdStart(Workload):
    name = "cold-start"
    title = "The daemon started with an empty store, and 6 files and two steps built; nothing in memory"
    warm = False

    def prepare(self):
        self.directory = self.site.context(
            self.name, f"FROM {self.site.busybox()}\nWORKDIR /app\nCOPY . .\nRUN echo it > /it\n")
        trees.many_files(self.directory, 6, 6_000)
        self.expected = {**self.verifier.base(self.site.busybox()), "app": (content.DIRECTORY, 0o755, 0, 0, ""),
                         **content.copied(self.directory, "app"), "it": content.text("it\n")}

    def ready(self, peer, clients):
        pass

    def before(self, peer, run, clients):
        peer.stopped()
        machine.drop_caches()

    def timed(self, peer, run, clients):
        peer.start()
        clients.run(peer.build(self.directory, peer.name(self.name)))

    def check(self, peer, run, clients):
        clients.run(peer.push(self.directory, peer.name(self.name)))
        self.verifier.pushed(peer.name(self.name), lambda: self.expected, self.name)
        return {}


class Django(Workload):
    name = "django"
    title = "A Django project: Python's base image pulled, requirements installed by pip from an index on loopback; cold"
    warm = False

    def prepare(self):
        self.base, wheels = self.site.python()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.index = subprocess.Popen(
            [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", wheels, str(port)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        processes.bystanders.add(self.index.pid)
        self.directory = self.site.contexts / self.name
        shutil.copytree(SOURCE / "examples" / "django", self.directory)
        # What pip takes is no builder's doing: the step writes it down.
        (self.directory / "Dockerfile").write_text(
            f"FROM {self.base}\nWORKDIR /app\nENV PIP_INDEX_URL=http://127.0.0.1:{port}/simple\n"
            "COPY requirements.txt requirements.txt\n"
            "RUN begin=$(date +%s%N) && pip3 install -r requirements.txt && echo $(($(date +%s%N) - begin)) > /pip\n"
            'COPY . .\nCMD ["python3", "manage.py", "runserver", "0.0.0.0:8000"]\n')

    def close(self):
        self.index.terminate()
        self.index.wait()

    def before(self, peer, run, clients):
        if run > 0:
            self.ready(peer, clients)
        machine.drop_caches()

    def timed(self, peer, run, clients):
        begin = time.monotonic()
        clients.run(peer.build(self.directory, peer.name(self.name)))
        self.seconds = time.monotonic() - begin

    def check(self, peer, run, clients):
        """pip's files are not foreseen; the base, the project and Django's presence are."""
        clients.run(peer.push(self.directory, peer.name(self.name)))
        texts = {"pip": ""}
        entries = self.verifier.entries(peer.name(self.name), texts)
        expected = {**self.verifier.base(self.base), **content.copied(self.directory, "app")}
        known = {path: entry for path, entry in entries.items() if path in expected}
        changed = content.difference({path: entry for path, entry in expected.items() if entry[0] != content.DIRECTORY},
                                     {path: entry for path, entry in known.items() if entry[0] != content.DIRECTORY})
        if changed or not any(path.endswith("/django/__init__.py") for path in entries):
            raise Wrong(f"{peer.name(self.name)}: {changed or 'Django is not in it'}")
        seconds = int(texts["pip"]) / 1e9
        return {"pip_seconds": seconds, "without_pip_seconds": self.seconds - seconds}
