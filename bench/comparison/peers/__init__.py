"""Every builder that can be found on this machine."""
import os
import shutil

from comparison.peers.buildah import Buildah
from comparison.peers.buildkit import BuildKit
from comparison.peers.docker import Docker
from comparison.peers.kiln import Kiln

NAMES = ("kiln", "buildkit", "docker-buildkit", "docker-classic", "buildah")


def found(site, names):
    """The builders of `names` that are here, Kiln first; and why the others are not: name → reason."""
    peers, absent = [], {}

    def add(name, here, reason, make):
        if name not in names:
            return
        if here:
            peers.append(make())
        else:
            absent[name] = reason
    add("kiln", (site.bin / "kilnd").exists(), f"no {site.bin}/kilnd: build Kiln first", lambda: Kiln(site))
    add("buildkit", shutil.which("buildctl") and os.environ.get("BUILDKIT_HOST"),
        "no buildctl on the PATH, or BUILDKIT_HOST is not set", lambda: BuildKit(site))
    for name, new in (("docker-buildkit", True), ("docker-classic", False)):
        add(name, shutil.which("dockerd"), "no dockerd", lambda new=new: Docker(site, new))
    add("buildah", shutil.which("buildah"), "no buildah", lambda: Buildah(site))
    return peers, absent
