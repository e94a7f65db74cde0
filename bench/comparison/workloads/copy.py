"""Copying a tree from another stage."""
from comparison import trees
from comparison.workloads.workload import Workload


class CopyFrom(Workload):
    name = "copy-from"
    title = "A tree of 200 MB copied from another stage; the base images are there, the copy is not cached"

    def prepare(self):
        files = list(trees.system_files(self.site.scaled(200_000_000), "/usr/lib", "/usr/share"))
        self.reference = self.site.image("tree", [trees.busybox_tar, trees.files_tar(files)])

    def bases(self):
        return [self.site.busybox(), self.reference]

    def before(self, peer, run, clients):
        self.target = f"copy-{peer.label}-{run}"  # a place of its own: no earlier copy can be taken
        self.directory = self.site.context(
            self.name, f"FROM {self.reference} AS tree\nFROM {self.site.busybox()}\n"
                       f"COPY --from=tree /usr /{self.target}\n")

    def timed(self, peer, run, clients):
        clients.run(peer.build(self.directory, peer.name(self.name)))

    def expected(self):
        entries = dict(self.verifier.base(self.site.busybox()))
        for path, entry in self.verifier.base(self.reference).items():
            if path == "usr" or path.startswith("usr/"):
                entries[self.target + path.removeprefix("usr")] = entry
        return entries

    def check(self, peer, run, clients):
        clients.run(peer.push(self.directory, peer.name(self.name)))
        self.verifier.pushed(peer.name(self.name), self.expected, self.target)
        return {}
