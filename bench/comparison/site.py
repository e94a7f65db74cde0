"""Where a comparison happens: its directory, registries and images, and how big its work is."""
import os
import pathlib
import shutil
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
FIXTURES = SOURCE / "tests" / "fixtures"
sys.path.insert(0, str(SOURCE / "tests" / "support"))

from comparison import processes  # noqa: E402
from comparison.mounts import unmount_below  # noqa: E402
from kilntest import Registry  # noqa: E402


class Site:
    """Owns the directory, which is removed at the end, and two registries on loopback: `bases` has what FROM names,
    `target` takes what is pushed."""

    def __init__(self, directory, scale, bin_directory):
        self.directory = pathlib.Path(directory)
        self.scale = scale
        self.bin = pathlib.Path(bin_directory)
        self.contexts = self.directory / "contexts"
        self.contexts.mkdir(parents=True)
        self.bases = self.target = None
        self.made = set()

    def open(self):
        """Starts the registries; close() is due even where this fails."""
        self.bases = Registry(self.directory / "bases")
        self.target = Registry(self.directory / "target")
        processes.bystanders.update([self.bases.process.pid, self.target.process.pid])

    def close(self):
        for registry in filter(None, (self.bases, self.target)):
            registry.stop()
        unmount_below(self.directory)
        shutil.rmtree(self.directory)

    def scaled(self, number):
        return max(1, round(number * self.scale))

    def base(self, name):
        """The reference of a base image that is in the registry."""
        return f"{self.bases.host}/{name}"

    def busybox(self):
        """A base image of one static program; its reference."""
        self._make("busybox")
        return self.base("library/busybox:latest")

    def python(self):
        """Debian with Python and pip, and the directory of a package index for it."""
        kept = pathlib.Path(os.environ.get("KILN_FIXTURES", SOURCE / "build" / "fixtures"))
        subprocess.run([FIXTURES / "prepare", kept], check=True, stdout=subprocess.DEVNULL)
        if "python" not in self.made:
            source = Registry(self.directory / "fixtures", storage=kept / "registry")
            try:
                subprocess.run(["skopeo", "copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false",
                                f"docker://{source.host}/library/python:3.12-slim",
                                f"docker://{self.base('library/python:3.12-slim')}"], check=True)
            finally:
                source.stop()
            self.made.add("python")
        return self.base("library/python:3.12-slim"), kept / "wheels"

    def image(self, name, tars):
        """Makes a base image of layer tars, each `tar(path)` writing one; its reference."""
        if name not in self.made:
            work = self.directory / "images" / name
            work.mkdir(parents=True)
            paths = []
            for number, tar in enumerate(tars):
                paths.append(work / f"{number}.tar")
                tar(paths[-1])
            layout = work / "layout"
            subprocess.run([sys.executable, FIXTURES / "oci_layout.py", layout, "latest", '["sh"]', *paths], check=True)
            subprocess.run(["skopeo", "copy", "--quiet", "--dest-tls-verify=false", f"oci:{layout}:latest",
                            f"docker://{self.base(name)}:latest"], check=True)
            shutil.rmtree(work)
            self.made.add(name)
        return self.base(name) + ":latest"

    def context(self, name, dockerfile):
        """A directory to build, new, with nothing but its Dockerfile."""
        path = self.contexts / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        (path / "Dockerfile").write_text(dockerfile)
        return path

    def forget_pushed(self):
        """Empties the target registry: what is pushed next is sent whole."""
        shutil.rmtree(self.target.directory / "data" / "docker", ignore_errors=True)

    def _make(self, name):
        if name not in self.made:
            subprocess.run([FIXTURES / "base-images", self.directory / "images", self.bases.host, name], check=True,
                           stdout=subprocess.DEVNULL)
            self.made.add(name)

