"""A conformance case: a folder with a Dockerfile, what it needs, and what must come out. See README.md."""
import json
import os
import pathlib
import shutil
import tarfile
import io
import tomllib

TIME = 1_700_000_000  # the modification time of all files of a context that do not name another
KINDS = ("error", "warnings", "tree", "config.json")  # of what a build gives
KEYS = {"target", "args", "flags", "env", "times", "files", "stdin", "pages", "commits"}
FILE_KEYS = {"path", "type", "mode", "text", "bytes", "size", "target", "uid", "gid", "mtime", "xattrs", "tar", "device"}


class Case:
    def __init__(self, root, directory):
        self.directory = pathlib.Path(directory)
        self.name = str(self.directory.relative_to(root))
        settings = self.directory / "case.toml"
        self.settings = tomllib.loads(settings.read_text()) if settings.exists() else {}
        unknown = set(self.settings) - KEYS
        if unknown:
            raise ValueError(f"{settings}: unknown key {', '.join(sorted(unknown))}")
        strange = {path.name for path in self.directory.glob("expected.*")} - {f"expected.{kind}" for kind in KINDS}
        if strange:
            raise ValueError(f"{self.directory}: nothing compares {', '.join(sorted(strange))}")

    def expected(self, kind):
        """The text of expected.KIND, None when the case says nothing about it."""
        path = self.directory / f"expected.{kind}"
        return path.read_bytes().decode() if path.exists() else None

    def expects_anything(self):
        return any(self.directory.glob("expected.*"))

    def accept(self, kind, text):
        path = self.directory / f"expected.{kind}"
        if text is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(text.encode())

    def prepare(self, scratch):
        """Lays the case out below `scratch`: Dockerfile, context/ and bases/."""
        for name in ("context", "bases"):
            if (self.directory / name).exists():
                shutil.copytree(self.directory / name, scratch / name, symlinks=True)
        context = scratch / "context"
        context.mkdir(exist_ok=True)
        for folder, folders, files in os.walk(context):
            for name in folders + files:
                _settle(os.path.join(folder, name))
        for entry in self.settings.get("files", []):
            make(context, entry)
        for folder, _, _ in os.walk(context, topdown=False):
            if not any(entry["path"] == os.path.relpath(folder, context) for entry in self.settings.get("files", [])):
                os.utime(folder, (TIME, TIME))
        for entry in self.settings.get("files", []):  # what was put into a directory changed its time
            if entry.get("type") == "directory":
                os.utime(context / entry["path"], (entry.get("mtime", TIME),) * 2)
        if (self.directory / "Dockerfile").exists():
            shutil.copyfile(self.directory / "Dockerfile", scratch / "Dockerfile")
            shutil.copystat(scratch / "context", scratch / "Dockerfile")
            os.chmod(scratch / "Dockerfile", 0o644)

    def bases(self):
        """Images that the case builds first, as kiln.test/NAME: name → folder."""
        folder = self.directory / "bases"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def flags(self):
        """What `build` gets beside the context; `docker build` understands the same."""
        flags = []
        if "target" in self.settings:
            flags += ["--target", self.settings["target"]]
        for name, value in self.settings.get("args", {}).items():
            flags += ["--build-arg", f"{name}={value}"]
        if (self.directory / "Dockerfile").exists():
            flags += ["-f", "Dockerfile"]
        return flags + self.settings.get("flags", [])


def _settle(path):
    """Gives a file of the repository a mode and a time that do not depend on how it was checked out."""
    if os.path.islink(path):
        os.utime(path, (TIME, TIME), follow_symlinks=False)
        return
    executable = os.path.isdir(path) or os.stat(path).st_mode & 0o100
    os.chmod(path, 0o755 if executable else 0o644)
    os.utime(path, (TIME, TIME))


def make(context, entry):
    """Makes a file that git cannot hold."""
    unknown = set(entry) - FILE_KEYS
    if unknown:
        raise ValueError(f"file {entry.get('path')}: unknown key {', '.join(sorted(unknown))}")
    path = os.path.join(context, entry["path"])
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    kind = entry.get("type", "archive" if "tar" in entry else "file")
    if kind == "directory":
        os.makedirs(path, exist_ok=True)
    elif kind == "symlink":
        os.symlink(entry["target"], path)
    elif kind == "hardlink":
        os.link(os.path.join(context, entry["target"]), path)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "archive":
        pathlib.Path(path).write_bytes(archive(entry["tar"], path))
    else:
        pathlib.Path(path).write_bytes(content(entry))
    if kind == "hardlink":
        return
    os.chown(path, entry.get("uid", 0), entry.get("gid", 0), follow_symlinks=False)
    if kind != "symlink":
        os.chmod(path, int(entry.get("mode", "0755" if kind == "directory" else "0644"), 8))
    for name, value in entry.get("xattrs", {}).items():
        os.setxattr(path, name, value.encode("latin-1"), follow_symlinks=False)
    os.utime(path, (entry.get("mtime", TIME),) * 2, follow_symlinks=False)


def content(entry):
    if "bytes" in entry:
        return bytes.fromhex(entry["bytes"])
    if "size" in entry:  # without a pattern of small period, but the same everywhere
        return b"".join((i * 2654435761 % 2**32).to_bytes(4, "little") for i in range((entry["size"] + 3) // 4))[:entry["size"]]
    return entry.get("text", "").encode()


TAR_TYPES = {"file": tarfile.REGTYPE, "directory": tarfile.DIRTYPE, "symlink": tarfile.SYMTYPE,
             "hardlink": tarfile.LNKTYPE, "fifo": tarfile.FIFOTYPE, "char": tarfile.CHRTYPE, "block": tarfile.BLKTYPE}


def archive(entries, path):
    """A tar of `entries`, compressed as the name says."""
    compression = {".gz": "gz", ".tgz": "gz", ".bz2": "bz2", ".xz": "xz"}.get(os.path.splitext(path)[1], "")
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=f"w:{compression}", format=tarfile.PAX_FORMAT) as tar:
        for entry in entries:
            info = tarfile.TarInfo(entry["path"])
            kind = entry.get("type", "file")
            info.type = TAR_TYPES[kind]
            info.mode = int(entry.get("mode", "0755" if kind == "directory" else "0644"), 8)
            info.uid, info.gid = entry.get("uid", 0), entry.get("gid", 0)
            info.mtime = entry.get("mtime", TIME)
            info.linkname = entry.get("target", "")
            info.devmajor, info.devminor = entry.get("device", (0, 0))
            info.pax_headers = {f"SCHILY.xattr.{name}": value for name, value in entry.get("xattrs", {}).items()}
            bytes_ = content(entry) if kind == "file" else b""
            info.size = len(bytes_)
            tar.addfile(info, io.BytesIO(bytes_))
    return data.getvalue()


def find(root, patterns):
    """The cases below `root` whose name has one of `patterns` (all without any)."""
    folders = {path.parent for pattern in ("case.toml", "Dockerfile", "expected.*", "context")
               for path in root.glob(f"*/*/{pattern}")}
    cases = [Case(root, folder) for folder in sorted(folders)]
    return [case for case in cases if not patterns or any(pattern in case.name for pattern in patterns)]


def pretty(value):
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
