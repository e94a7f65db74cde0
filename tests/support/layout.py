"""What is in an OCI layout, read without any builder's help."""
import hashlib
import json
import os
import pathlib
import subprocess
import tarfile


def layers_of(layout):
    """The root file system of an OCI layout as name → (type, content), layers applied in order."""
    layout = pathlib.Path(layout)
    blob = lambda digest: layout / "blobs/sha256" / digest.removeprefix("sha256:")
    index = json.loads((layout / "index.json").read_text())
    manifest = json.loads(blob(index["manifests"][0]["digest"]).read_text())
    config = json.loads(blob(manifest["config"]["digest"]).read_text())
    tree = {}
    for layer, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
        data = subprocess.run(["gzip", "-dc", blob(layer["digest"])], check=True, capture_output=True).stdout
        if "sha256:" + hashlib.sha256(data).hexdigest() != diff_id:
            raise AssertionError(f"layer {layer['digest']}: not the content that the configuration names")
        path = layout / "layer.tar"
        path.write_bytes(data)
        with tarfile.open(path) as archive:
            for entry in archive:
                name = entry.name.strip("/")
                base = os.path.basename(name)
                if base.startswith(".wh."):
                    tree.pop(os.path.join(os.path.dirname(name), base[4:]), None)
                    continue
                tree[name] = archive.extractfile(entry).read() if entry.isreg() else entry.type
    return tree
