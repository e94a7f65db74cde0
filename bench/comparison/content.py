"""What a root file system holds, read the slow and plain way: an image's layers one after the other, by Python."""
import gzip
import hashlib
import json
import os
import pathlib
import stat
import tarfile

FILE, DIRECTORY, LINK, OTHER = "file", "directory", "link", "other"

# What builders leave of the places where they mount something for a step.
MOUNT_POINTS = ("proc", "sys", "dev", "run", "etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab", ".dockerenv",
                "etc")


def _sha256(stream):
    sum_ = hashlib.sha256()
    while block := stream.read(1 << 20):
        sum_.update(block)
    return sum_.hexdigest()


def flattened(layout, texts=None):
    """path → (kind, mode, uid, gid, sha256 or target) of the image tagged `it` in an OCI layout. Times are left out:
    builders date the directories that they make by their own clocks. The files that `texts` names are read into it."""
    blobs = pathlib.Path(layout) / "blobs" / "sha256"

    def blob(descriptor):
        return blobs / descriptor["digest"].removeprefix("sha256:")
    index = json.loads((pathlib.Path(layout) / "index.json").read_text())
    found = next(one for one in index["manifests"]
                 if one["annotations"]["org.opencontainers.image.ref.name"] == "it")
    manifest = json.loads(blob(found).read_text())
    entries = {}
    for layer in manifest["layers"]:
        _apply(entries, blob(layer), {} if texts is None else texts)
    return entries


def _apply(entries, path, texts):
    added, gone = {}, []
    with open(path, "rb") as blob:
        packed = blob.read(2) == b"\x1f\x8b"
    # Python's tarfile alone stops after the first of a gzip file's members.
    with (gzip.open if packed else open)(path, "rb") as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        for entry in tar:
            name = os.path.normpath(entry.name).lstrip("/")
            if name == ".":
                continue
            folder, last = os.path.split(name)
            if last == ".wh..wh..opq":
                gone.append((folder + "/", False))
            elif last.startswith(".wh."):
                gone.append((os.path.join(folder, last[4:]), True))
            elif name in texts:
                texts[name] = tar.extractfile(entry).read().decode()
            else:
                added[name] = _entry(tar, entry, added)
    for name, itself in gone:
        below = name if not itself else name + "/"
        for known in [known for known in entries if known.startswith(below) or (itself and known == name)]:
            del entries[known]
    entries.update(added)


def _entry(tar, entry, added):
    owner = (entry.mode & 0o7777, entry.uid, entry.gid)
    if entry.islnk():
        return added[os.path.normpath(entry.linkname).lstrip("/")]
    if entry.isreg():
        return FILE, *owner, _sha256(tar.extractfile(entry))
    if entry.isdir():
        return DIRECTORY, *owner, ""
    if entry.issym():
        return LINK, 0o777, entry.uid, entry.gid, entry.linkname
    return OTHER, *owner, ""


def copied(directory, below):
    """What `COPY . /below/` of a context directory gives, as flattened() has it."""
    entries = {}
    for folder, folders, files in os.walk(directory):
        for name in folders + files:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            key = os.path.join(below, os.path.relpath(path, directory))
            mode = stat.S_IMODE(status.st_mode)
            if stat.S_ISDIR(status.st_mode):
                entries[key] = (DIRECTORY, mode, 0, 0, "")
            elif stat.S_ISLNK(status.st_mode):
                entries[key] = (LINK, 0o777, 0, 0, os.readlink(path))
            else:
                with open(path, "rb") as content:
                    entries[key] = (FILE, mode, 0, 0, _sha256(content))
    return entries


def text(content, mode=0o644):
    """The entry of a file that a step writes."""
    return FILE, mode, 0, 0, hashlib.sha256(content.encode()).hexdigest()


def difference(expected, actual):
    """The first few differences, as text; "" for none. Mount points do not count."""
    def counts(path):
        return not any(path == point or (point != "etc" and path.startswith(point + "/")) for point in MOUNT_POINTS)
    wrong = [f"/{path}: missing" for path in expected if path not in actual and counts(path)]
    wrong += [f"/{path}: too much" for path in actual if path not in expected and counts(path)]
    wrong += [f"/{path}: {actual[path]} for {expected[path]}" for path in expected
              if path in actual and counts(path) and actual[path] != expected[path]]
    return "; ".join(wrong[:5]) + (f" and {len(wrong) - 5} more" if len(wrong) > 5 else "")
