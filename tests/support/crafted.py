"""Images made byte by byte and put into a registry over its HTTP API: what no honest tool would push.

A registry verifies that a blob has the digest it is put under, and (docker-registry) that a manifest's blobs
exist; what the blobs hold is nobody's business but the reader's.
"""
import gzip
import hashlib
import io
import json
import pathlib
import tarfile
import urllib.request

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def entry(name, kind=tarfile.REGTYPE, data=b"", link="", mode=0o644, device=(0, 0)):
    """One tar entry: (TarInfo, content)."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.mtime = kind, link, mode, 1_700_000_000
    info.devmajor, info.devminor = device
    info.size = len(data)
    return info, data


def directory(name):
    return entry(name, tarfile.DIRTYPE, mode=0o755)


def symlink(name, target):
    return entry(name, tarfile.SYMTYPE, link=target, mode=0o777)


def hardlink(name, target):
    return entry(name, tarfile.LNKTYPE, link=target)


def tar(*entries):
    """The bytes of a tar with exactly these entries and names, in this order."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


class Layer:
    """A layer's blob with what the documents say about it; each of which a test may make a lie."""

    def __init__(self, content, blob=None, media_type=OCI_LAYER + "+gzip"):
        self.blob = gzip.compress(content, mtime=0) if blob is None else blob
        self.media_type = media_type
        self.digest = digest_of(self.blob)
        self.size = len(self.blob)
        self.diff_id = digest_of(content)

    def descriptor(self):
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


class Repository:
    """A repository of a plain registry, by its HTTP API."""

    def __init__(self, registry, name):
        self.base = f"http://{registry.host}/v2/{name}"
        self.host = registry.host
        self.name = name
        self.reference = f"{registry.host}/{name}"

    def _send(self, method, url, data=b"", **headers):
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        request = urllib.request.Request(url, data=data, method=method, headers=named)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.headers

    def put_blob(self, data):
        """Uploads; gives the descriptor's digest."""
        digest = digest_of(data)
        location = self._send("POST", self.base + "/blobs/uploads/")["Location"]
        if location.startswith("/"):
            location = f"http://{self.host}{location}"
        separator = "&" if "?" in location else "?"
        self._send("PUT", f"{location}{separator}digest={digest}", data, Content_Type="application/octet-stream")
        return digest

    def put_manifest(self, document, tag="latest", media_type=OCI_MANIFEST):
        """Stores JSON or raw bytes under a tag or its digest; gives the digest."""
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        self._send("PUT", f"{self.base}/manifests/{tag or digest_of(data)}", data, Content_Type=media_type)
        return digest_of(data)

    def put_image(self, layers, tag="latest", platform="linux/amd64", diff_ids=None, config=None, docker=False):
        """Layers, configuration and manifest; gives (manifest digest, manifest bytes)."""
        for layer in {layer.digest: layer for layer in layers}.values():
            self.put_blob(layer.blob)
        system, architecture = platform.split("/")[:2]
        document = {"architecture": architecture, "os": system, "config": config or {},
                    "rootfs": {"type": "layers",
                               "diff_ids": [layer.diff_id for layer in layers] if diff_ids is None else diff_ids}}
        data = json.dumps(document).encode()
        self.put_blob(data)
        kind = DOCKER_MANIFEST if docker else OCI_MANIFEST
        manifest = {"schemaVersion": 2, "mediaType": kind,
                    "config": {"mediaType": DOCKER_CONFIG if docker else OCI_CONFIG, "digest": digest_of(data),
                               "size": len(data)},
                    "layers": [layer.descriptor() for layer in layers]}
        raw = json.dumps(manifest).encode()
        return self.put_manifest(raw, tag, kind), raw


def stored_blob(registry_data, digest):
    """The file in which docker-registry keeps a blob."""
    name = digest.removeprefix("sha256:")
    return pathlib.Path(registry_data) / "docker/registry/v2/blobs/sha256" / name[:2] / name / "data"
