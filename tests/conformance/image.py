"""What an image archive holds (OCI layout or `docker save`), as text that people can read and compare.

A tree has a line for each path that the build added or changed over its base, in order:

    /dir/ 0755 0:0                      directory
    /file 0644 0:0 "text\\n"             regular file; larger or binary ones as SIZE sha256:DIGEST
    /link 0:0 -> target                 symbolic link
    /other = /file                      hard link
    /pipe 0644 0:0 fifo
    /device 0660 0:0 char 1:3
    /gone deleted                       of the base

with extended attributes as NAME="value", and the modification time as @SECONDS where the case wants it.
"""
import hashlib
import io
import json
import platform
import tarfile

COMMENT = "buildkit.dockerfile.v0"
INLINE_BYTES = 300
NATIVE = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}.get(platform.machine())


class Image:
    def __init__(self, path):
        with tarfile.open(path) as archive:
            # `docker save` names a layer that it has already as a link to it.
            files = {member.name: archive.extractfile(member).read() for member in archive
                     if member.isfile() or member.issym()}
        if "index.json" in files:
            self.config, layers = _of_layout(files)
        else:
            manifest = json.loads(files["manifest.json"])[0]
            self.config = json.loads(files[manifest["Config"]])
            layers = [files[name] for name in manifest["Layers"]]
        base = sum(1 for entry in self.history() if not entry.get("empty_layer") and entry.get("comment") != COMMENT)
        below, tree = {}, {}
        for number, layer in enumerate(layers):
            _apply(tree, layer)
            if number + 1 == base:
                below = dict(tree)
        self.below, self.above = below, tree
        self.layers = len(layers) - base

    def history(self):
        return self.config.get("history") or []

    def summary(self):
        """The part of the configuration that the Dockerfile decides."""
        history = [("" if entry.get("empty_layer") else "layer: ") + entry.get("created_by", "")
                   for entry in self.history()]
        config = {key: value for key, value in (self.config.get("config") or {}).items() if value not in (None, "", [], {}, False)}
        own = {"config": config, "history": history}
        where = "/".join(filter(None, (self.config.get(key) for key in ("os", "architecture", "variant"))))
        if where != NATIVE:
            own["platform"] = where
        if self.config.get("author"):
            own["author"] = self.config["author"]
        return own

    def tree(self, times):
        old, new = _lines(self.below, times), _lines(self.above, times)
        lines = []
        for path in sorted(set(old) | set(new)):
            if path in new:
                if _lines_differ(old.get(path), new[path]):
                    lines.append(new[path])
            elif path.rpartition("/")[0] in ("", *self.above):  # else its directory says so
                lines.append(f"{_quoted('/' + path)} deleted")
        return "".join(line + "\n" for line in lines)


def _lines_differ(old, new):
    """A directory whose time alone changed only got new entries."""
    is_directory = new.split(" ")[0].endswith("/")
    return old is None or (old.rpartition(" @")[0] != new.rpartition(" @")[0] if is_directory and " @" in new else old != new)


def _lines(tree, times):
    first = {}
    for path in sorted(tree):
        first.setdefault(id(tree[path]), path)
    return {path: entry.line(path, times) if first[id(entry)] == path else
            f"{_quoted('/' + path)} = {_quoted('/' + first[id(entry)])}" for path, entry in tree.items()}


class Entry:
    """A file; names that are hard links of each other share one."""

    def __init__(self, info, content):
        self.info, self.content = info, content
        self.xattrs = sorted((name.removeprefix("SCHILY.xattr."), value) for name, value in info.pax_headers.items()
                             if name.startswith("SCHILY.xattr."))

    def line(self, path, times):
        info = self.info
        own = f"{info.uid}:{info.gid}"
        mode = f"{info.mode & 0o7777:04o} {own}"
        name = _quoted("/" + path + ("/" if info.isdir() else ""))
        if info.isdir():
            text = f"{name} {mode}"
        elif info.issym():
            text = f"{name} {own} -> {_quoted(info.linkname)}"
        elif info.isfifo():
            text = f"{name} {mode} fifo"
        elif info.ischr() or info.isblk():
            text = f"{name} {mode} {'char' if info.ischr() else 'block'} {info.devmajor}:{info.devminor}"
        else:
            text = f"{name} {mode} {_shown(self.content)}"
        for key, value in self.xattrs:
            text += f" {key}={json.dumps(value.encode('utf-8', 'surrogateescape').decode('latin-1'))}"
        return text + (f" @{int(info.mtime)}" if times else "")


def _of_layout(files):
    def blob(descriptor):
        return files["blobs/" + descriptor["digest"].replace(":", "/")]
    top = json.loads(files["index.json"])["manifests"][0]
    manifest = json.loads(blob(top))
    while "manifests" in manifest:  # of one platform, as cases have it
        manifest = json.loads(blob(manifest["manifests"][0]))
    return json.loads(blob(manifest["config"])), [blob(layer) for layer in manifest["layers"]]


def _apply(tree, layer):
    opaque, gone, new = [], [], {}
    with tarfile.open(fileobj=io.BytesIO(layer), errorlevel=2) as archive:
        for info in archive:
            path = _clean(info.name)
            folder, _, name = path.rpartition("/")
            if name == ".wh..wh..opq":
                opaque.append(folder)
            elif name.startswith(".wh."):
                gone.append((folder + "/" if folder else "") + name.removeprefix(".wh."))
            elif info.islnk():
                target = _clean(info.linkname)
                new[path] = new[target] if target in new else tree[target]
            elif path:
                new[path] = Entry(info, archive.extractfile(info).read() if info.isreg() else b"")
    for path in list(tree):
        if any(path == name or path.startswith(name + "/") for name in gone) or \
           any(path.startswith(name + "/" if name else "") for name in opaque):
            del tree[path]
    for path, entry in new.items():
        old = tree.get(path)
        if old is not None and old.info.isdir() and not entry.info.isdir():
            for below in [name for name in tree if name.startswith(path + "/")]:
                del tree[below]
        tree[path] = entry


def _clean(name):
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _quoted(text):
    plain = text.isprintable() and not any(char in text for char in ' "\\')
    return text if plain else json.dumps(text, ensure_ascii=not text.isprintable())


def _shown(content):
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = None
    if text is None or len(content) > INLINE_BYTES or "\0" in text:
        return f"{len(content)} sha256:{hashlib.sha256(content).hexdigest()}"
    return json.dumps(text, ensure_ascii=False)
