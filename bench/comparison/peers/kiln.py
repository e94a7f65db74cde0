"""Kiln, with the defaults that it has."""
import shutil
import subprocess

from comparison.measure import Command
from comparison.peers.peer import Peer


class Kiln(Peer):
    label = "kiln"

    def __init__(self, site):
        super().__init__(site)
        self.socket = self.directory / "kiln.sock"
        # Copies: who builds Kiln meanwhile does not change what is measured.
        self.directory.mkdir(parents=True)
        self.kiln, self.kilnd = (shutil.copy2(site.bin / name, self.directory / name) for name in ("kiln", "kilnd"))
        self.env = {"KILN_HOST": f"unix://{self.socket}", "HOME": str(self.directory)}

    def version(self):
        return subprocess.run([self.kilnd, "--version"], check=True, capture_output=True,
                              text=True).stdout.strip()

    def start(self):
        lines = [f'root = "{self.store}"', f'listen = ["unix://{self.socket}"]']
        for registry in (self.site.bases.host, self.site.target.host):
            lines += [f'[registry."{registry}"]', "http = true"]
        config = self.directory / "kilnd.toml"
        config.write_text("\n".join(lines) + "\n")
        self.launch([self.kilnd, "--config", config], self.socket)

    def _kiln(self, *arguments):
        return Command([self.kiln, *arguments], self.env)

    def build(self, context, name):
        return [self._kiln("build", "-q", "--network=host", "-t", name, context)]

    def push(self, context, name):
        return [self._kiln("push", "-q", name)]

    def build_and_push(self, context, name):
        return [self._kiln("build", "-q", "--network=host", "--push", "-t", name, context)]

    def save(self, context, name, archive):
        return [self._kiln("save", "-q", "-o", archive, name)]
