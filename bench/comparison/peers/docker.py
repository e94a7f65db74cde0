"""Docker's daemon of Debian, with the BuildKit in it or with its classic builder: two peers, a daemon each."""
import os
import shutil
import subprocess

from comparison.errors import Cannot
from comparison.measure import Command
from comparison.peers.peer import Peer


class Docker(Peer):
    def __init__(self, site, buildkit):
        self.label = "docker-buildkit" if buildkit else "docker-classic"
        super().__init__(site)
        self.buildkit = buildkit
        self.socket = self.directory / "docker.sock"
        # The client of the same package as the daemon, whatever else is on the PATH.
        self.client = "/usr/bin/docker" if os.access("/usr/bin/docker", os.X_OK) else shutil.which("docker")
        self.env = {"DOCKER_HOST": f"unix://{self.socket}", "DOCKER_BUILDKIT": "1" if buildkit else "0",
                    "DOCKER_CONFIG": str(self.directory / "config"), "HOME": str(self.directory)}
        self.notes = ("its images have no compressed layers: those are made by the push, and again by every push "
                      "to a registry that lacks them",
                      "no network bridge: the steps of every builder are on the host's network")

    def version(self):
        text = subprocess.run(["dockerd", "--version"], check=True, capture_output=True, text=True).stdout.strip()
        return f"{text}, {'its BuildKit' if self.buildkit else 'the classic builder'}"

    def start(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "config").mkdir(exist_ok=True)
        config = self.directory / "daemon.json"  # in place of the machine's
        config.write_text("{}\n")
        self.launch(["dockerd", "--config-file", config, "--data-root", self.store / "data",
                     "--exec-root", self.store / "exec", "--pidfile", self.store / "pid",
                     "--host", f"unix://{self.socket}", "--storage-driver", "overlay2",
                     "--bridge", "none", "--iptables=false", "--ip6tables=false"], self.socket)

    def _docker(self, *arguments):
        return Command([self.client, *arguments], self.env)

    def build(self, context, name):
        return [self._docker("build", "-q", "--network=host", "-t", name, context)]

    def push(self, context, name):
        return [self._docker("push", "-q", name)]

    def save(self, context, name, archive):
        raise Cannot("Docker 20.10 writes no OCI archive: `docker save` has a format of its own, its layers not "
                     "compressed")
