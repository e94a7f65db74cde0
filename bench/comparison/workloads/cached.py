"""Builds in which nothing, or next to nothing, changed."""
import os

from comparison import content, trees
from comparison.verify import image_bytes
from comparison.workloads.workload import Workload


class Noop(Workload):
    """The second build of the same context, and all after it."""

    files = total_bytes = 0

    def __init__(self, site, verifier):
        super().__init__(site, verifier)
        self.directory = None
        self.expected = None

    def prepare(self):
        self.directory = self.site.context(
            self.name, f"FROM {self.site.busybox()}\nWORKDIR /app\nCOPY first first\nRUN true\nCOPY . .\n"
                       'CMD ["sh"]\n')
        (self.directory / "first").write_text("first\n")
        trees.many_files(self.directory, self.site.scaled(self.files), self.site.scaled(self.total_bytes))
        self.expected = {**self.verifier.base(self.site.busybox()), "app": (content.DIRECTORY, 0o755, 0, 0, ""),
                         **content.copied(self.directory, "app")}

    def before(self, peer, run, clients):
        if run == 0:
            for _ in range(2):  # the second time what watches the clock's tick trusts its figures
                clients.run(peer.build(self.directory, peer.name(self.name)))
        os.sync()

    def timed(self, peer, run, clients):
        clients.run(peer.build(self.directory, peer.name(self.name)))

    def check(self, peer, run, clients):
        clients.run(peer.push(self.directory, peer.name(self.name)))
        self.verifier.pushed(peer.name(self.name), lambda: self.expected, self.name)
        return {}


class NoopSmall(Noop):
    name = "noop-small"
    title = "A build of six files and five instructions in which nothing changed"
    files, total_bytes = 6, 6_000

    def prepare(self):
        scale, self.site.scale = self.site.scale, 1
        super().prepare()
        self.site.scale = scale


class NoopMany(Noop):
    name = "noop-many"
    title = "A build of 50,000 files of 450 MB in which nothing changed"
    files, total_bytes = 50_000, 450_000_000


class TouchMany(Noop):
    name = "touch-many"
    title = "One of 50,000 files of 450 MB changed: built, and its layer's blob made and pushed"
    files, total_bytes = 50_000, 450_000_000

    def before(self, peer, run, clients):
        if run == 0:
            for _ in range(2):
                clients.run(peer.build_and_push(self.directory, peer.name(self.name)))
        path = "package000/lib00/file7.js"
        (self.directory / path).write_text(f"// changed for {peer.label}, run {run}\n")
        with open(self.directory / path, "rb") as changed:
            self.expected[f"app/{path}"] = content.text(changed.read().decode())
        os.sync()

    def timed(self, peer, run, clients):
        clients.run(peer.build_and_push(self.directory, peer.name(self.name)))

    def check(self, peer, run, clients):
        _, manifest = self.verifier.pushed(peer.name(self.name), lambda: self.expected, (peer.label, run))
        return {"image_bytes": image_bytes(manifest)}
