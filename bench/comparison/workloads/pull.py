"""Pulling a base image that is not there."""
from comparison import machine, trees
from comparison.workloads.workload import Workload


class Pull(Workload):
    warm = False
    layers = 0

    def __init__(self, site, verifier):
        super().__init__(site, verifier)
        self.reference = self.directory = None

    def bases(self):
        return []

    def prepare(self):
        files = list(trees.system_files(self.site.scaled(250_000_000)))
        share = sum(size for _, size in files) / (self.layers - 1) + 1
        parts, done = [[] for _ in range(self.layers - 1)], 0
        for path, size in files:
            parts[int(done / share)].append((path, size))
            done += size
        self.reference = self.site.image(f"pull{self.layers}",
                                         [trees.busybox_tar, *(trees.files_tar(part) for part in parts)])
        self.directory = self.site.context(self.name, f'FROM {self.reference}\nRUN ["/bin/busybox", "true"]\n')

    def before(self, peer, run, clients):
        if run > 0:
            self.ready(peer, clients)
        machine.drop_caches()

    def timed(self, peer, run, clients):
        clients.run(peer.build(self.directory, peer.name(self.name)))

    def check(self, peer, run, clients):
        clients.run(peer.push(self.directory, peer.name(self.name)))
        self.verifier.pushed(peer.name(self.name), lambda: self.verifier.base(self.reference), self.name)
        return {}


class PullFew(Pull):
    name = "pull-4"
    title = "An image of 250 MB in 4 layers pulled from a registry on loopback, unpacked, and a step run in it; cold"
    layers = 4


class PullMany(Pull):
    name = "pull-40"
    title = "An image of 250 MB in 40 layers pulled from a registry on loopback, unpacked, and a step run in it; cold"
    layers = 40
