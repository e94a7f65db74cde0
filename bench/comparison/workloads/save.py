"""Writing an image that was built here as an archive."""
import os

from comparison import content, trees
from comparison.workloads.workload import Workload


class Save(Workload):
    name = "save"
    title = "An OCI archive written of an image of 1 GB that was just built and never packed before"

    def prepare(self):
        self.directory = self.site.context(self.name, f"FROM {self.site.busybox()}\nCOPY . /app/\n")
        trees.copy_system_files(self.directory, self.site.scaled(1_000_000_000))
        self.expected = {**self.verifier.base(self.site.busybox()), "app": (content.DIRECTORY, 0o755, 0, 0, ""),
                         **content.copied(self.directory, "app")}

    def archive(self, peer):
        return self.site.directory / f"saved-{peer.label}.tar"

    def before(self, peer, run, clients):
        peer.save(self.directory, peer.name(self.name), self.archive(peer))  # whether it can at all
        self.archive(peer).unlink(missing_ok=True)
        (self.directory / "run").write_text(f"{peer.label} {run}\n")
        self.expected["app/run"] = content.text(f"{peer.label} {run}\n")
        clients.run(peer.build(self.directory, peer.name(self.name)))
        os.sync()

    def timed(self, peer, run, clients):
        clients.run(peer.save(self.directory, peer.name(self.name), self.archive(peer)))

    def check(self, peer, run, clients):
        size = self.archive(peer).stat().st_size
        self.verifier.archive(self.archive(peer), self.expected)
        self.archive(peer).unlink()
        return {"image_bytes": size}
