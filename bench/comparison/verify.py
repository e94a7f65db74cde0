"""Takes what a builder made with skopeo, and compares it with what it must be."""
import gzip
import json
import shutil
import subprocess
import tarfile
import urllib.request
import zlib

from comparison import content
from comparison.errors import Wrong

MANIFESTS = ("application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json, "
             "application/vnd.oci.image.index.v1+json")


class Verifier:
    """Remembers what it has seen: equal digests are equal images, they are read once."""

    def __init__(self, site):
        self.site = site
        self.seen = set()
        self.bases = {}

    def base(self, reference):
        """What a base image holds."""
        if reference not in self.bases:
            self.bases[reference] = self._flattened(f"docker://{reference}", "base")
        return self.bases[reference]

    def pushed(self, name, expected, key):
        """The image `name` of the target registry must hold `expected()`, which `key` names. Returns what it holds,
        or None for what was seen before, and its manifest."""
        manifest, digest = self.manifest(name)
        if (digest, key) in self.seen:
            return None, manifest
        actual = self._flattened(f"docker://{name}", name)
        self._compare(expected(), actual, name)
        self.seen.add((digest, key))
        return actual, manifest

    def entries(self, name, texts):
        """What a pushed image holds; the files that `texts` names are read into it."""
        return self._flattened(f"docker://{name}", name, texts)

    def archive(self, path, expected):
        """The OCI archive must hold `expected`."""
        self._compare(expected, self._flattened(f"oci-archive:{path}", path), path)

    def manifest(self, name):
        """An image's manifest in the target registry, and its digest."""
        repository, _, tag = name.split("/", 1)[1].rpartition(":")
        request = urllib.request.Request(f"http://{self.site.target.host}/v2/{repository}/manifests/{tag}",
                                         headers={"Accept": MANIFESTS})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer), answer.headers["Docker-Content-Digest"]

    def _flattened(self, source, what, texts=None):
        layout = self.site.directory / "verify"
        done = subprocess.run(["skopeo", "copy", "--quiet", "--src-tls-verify=false", source, f"oci:{layout}:it"],
                              capture_output=True, text=True, check=False)
        try:
            if done.returncode != 0:
                raise Wrong(f"skopeo refuses {what}: {done.stderr.strip()[-300:]}")
            return content.flattened(layout, texts)
        except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as reason:
            raise Wrong(f"{what}: a layer that cannot be read: {reason}") from reason
        finally:
            shutil.rmtree(layout, ignore_errors=True)

    @staticmethod
    def _compare(expected, actual, what):
        wrong = content.difference(expected, actual)
        if wrong:
            raise Wrong(f"{what}: {wrong}")


def image_bytes(manifest):
    """The sum of an image's compressed layers."""
    return sum(layer["size"] for layer in manifest["layers"])
