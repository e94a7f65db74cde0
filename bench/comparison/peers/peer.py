"""What a workload needs of a builder."""
import contextlib
import http.client
import shutil
import socket
import time

from comparison import processes
from comparison.errors import Cannot, Failed
from comparison.mounts import unmount_below


class Peer:
    """One builder with a store of its own under the site's directory.

    build, build_and_push, push and save give the commands for it; nothing is run by them. An image's name is a
    reference at the site's target registry: `name(work)`.
    """

    label = ""     # as the report and --peers call it
    notes = ()     # what a reader must know to judge the figures

    def __init__(self, site):
        self.site = site
        self.directory = site.directory / "peers" / self.label
        self.store = self.directory / "store"
        self.server = None

    def version(self):
        raise NotImplementedError

    def name(self, work):
        return f"{self.site.target.host}/{work}/{self.label}:latest"

    def server_pids(self):
        return [self.server.pid] if self.server else []

    def start(self):
        """Starts its servers; returns when they answer."""

    def stop(self):
        if self.server:
            self.server.stop()
            self.server = None

    def stopped(self):
        """Not running, with an empty store."""
        self.stop()
        self.empty()

    def wipe(self):
        """Running, with an empty store."""
        self.stopped()
        self.start()

    def empty(self):
        """Drops the store of a stopped builder."""
        unmount_below(self.store)
        shutil.rmtree(self.store, ignore_errors=True)
        if self.store.exists():
            raise Failed(f"{self.store} could not be removed")
        self.store.mkdir(parents=True)

    def build(self, context, name):
        raise NotImplementedError

    def push(self, context, name):
        """Of what build(context, name) made."""
        raise NotImplementedError

    def build_and_push(self, context, name):
        return self.build(context, name) + self.push(context, name)

    def save(self, context, name, archive):
        """Writes what build(context, name) made as an archive."""
        raise Cannot("no command for it")

    def launch(self, argv, path, env=None):
        """Starts the server that answers HTTP on `path`; returns when it does."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.server = processes.Server(argv, self.directory / "server.log", env)
        end = time.monotonic() + 60
        while not answers(path):
            if not self.server.alive():
                self.server.stop()
                self.server = None
                raise Failed(f"{argv[0]} ended: {self.last_words()}")
            if time.monotonic() > end:
                raise Failed(f"{argv[0]} does not answer: {self.last_words()}")
            time.sleep(0.002)

    def last_words(self):
        return " | ".join((self.directory / "server.log").read_text(errors="replace").splitlines()[-2:])[-400:]


def answers(path):
    """Whether an HTTP server on a Unix socket answers."""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as connection:
        try:
            connection.settimeout(20)
            connection.connect(str(path))
            connection.sendall(b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            return True
        except (OSError, http.client.HTTPException):
            return False
