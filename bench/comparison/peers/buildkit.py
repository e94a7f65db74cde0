"""A BuildKit that somebody runs, reached by buildctl at BUILDKIT_HOST."""
import os
import subprocess

from comparison import processes
from comparison.errors import Cannot
from comparison.measure import Command
from comparison.peers.peer import Peer


class BuildKit(Peer):
    label = "buildkit"
    notes = ("its daemon is not this program's: it is not restarted, its cache is emptied by `buildctl prune --all`",
             "memory and bytes written are the daemon's only where BUILDKIT_HOST is a socket of this machine")

    def version(self):
        text = subprocess.run(["buildctl", "--version"], check=True, capture_output=True, text=True).stdout.strip()
        return f"{text} at {os.environ['BUILDKIT_HOST']}"

    def server_pids(self):
        """Whoever listens on the socket."""
        scheme, _, path = os.environ["BUILDKIT_HOST"].partition("://")
        if scheme != "unix":
            return []
        with open("/proc/net/unix", encoding="utf-8") as sockets:
            inodes = {f"socket:[{line.split()[6]}]" for line in sockets if line.split()[-1] == path}
        return [pid for pid in processes.all_pids() if inodes & set(processes.open_files(pid))]

    def start(self):
        subprocess.run(["buildctl", "debug", "workers"], check=True, capture_output=True)

    def stop(self):
        pass

    def wipe(self):
        subprocess.run(["buildctl", "prune", "--all"], check=True, capture_output=True)

    def stopped(self):
        raise Cannot("its daemon is not this program's to start")

    def _build(self, context, output):
        return [Command(["buildctl", "build", "--progress=plain", "--frontend=dockerfile.v0", "--local",
                         f"context={context}", "--local", f"dockerfile={context}", "--output", output])]

    def build(self, context, name):
        return self._build(context, f"type=image,name={name}")

    def push(self, context, name):
        return self.build_and_push(context, name)

    def build_and_push(self, context, name):
        return self._build(context, f"type=image,name={name},push=true,registry.insecure=true")

    def save(self, context, name, archive):
        return self._build(context, f"type=oci,name={name},dest={archive}")
