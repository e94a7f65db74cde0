"""Buildah of Debian: no daemon."""
import pathlib
import subprocess

from comparison.measure import Command
from comparison.peers.peer import Peer


class Buildah(Peer):
    label = "buildah"

    def __init__(self, site):
        super().__init__(site)
        self.driver = "overlay"
        self.runtime = "crun"
        self.tried = False

    def version(self):
        return subprocess.run(["buildah", "--version"], check=True, capture_output=True, text=True).stdout.strip()

    def start(self):
        """Nothing to start; finds out at the first time which storage driver and runtime work here."""
        self.store.mkdir(parents=True, exist_ok=True)
        if self.tried:
            return
        self.tried = True
        probe = subprocess.run(list(map(str, self._buildah("info").argv)), capture_output=True, text=True, check=False)
        if probe.returncode != 0:
            self.driver = "vfs"
            self.notes += (f"storage driver vfs, which copies everything: overlay is refused here "
                          f"({probe.stderr.strip()[-200:]})",)
        if pathlib.Path("/sys/fs/cgroup/unified").exists():
            self.runtime = "runc"
            self.notes += ("steps run by runc: crun refuses this machine's hybrid cgroup layout",)

    def _buildah(self, *arguments):
        return Command(["buildah", "--root", self.store / "root", "--runroot", self.store / "run",
                        "--storage-driver", self.driver, *arguments],
                       {"TMPDIR": str(self.store), "HOME": str(self.directory)})

    def build(self, context, name):
        return [self._buildah("build", "-q", "--layers", "--runtime", self.runtime, "--tls-verify=false", "--network=host",
                              "-t", name, context)]

    def push(self, context, name):
        return [self._buildah("push", "-q", "--tls-verify=false", name)]

    def save(self, context, name, archive):
        return [self._buildah("push", "-q", name, f"oci-archive:{archive}:{name}")]
