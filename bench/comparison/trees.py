"""Files to build with, the same in every run on a machine."""
import functools
import os
import pathlib
import random
import shutil
import stat
import tarfile

TIME = 1767225600  # what every made file is dated


@functools.cache
def text_pool(size=4 << 20):
    """Text that compresses about as source code does."""
    dice = random.Random(20260101)
    words = ["".join(dice.choices("etaoinshrdlucmfwypvbgkqjxz", k=dice.randint(2, 9))) for _ in range(4000)]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    text = []
    length = 0
    while length < size:
        line = " ".join(dice.choices(words, weights, k=dice.randint(3, 12)))
        text.append("  " * dice.randint(0, 4) + line + ("();" if dice.random() < 0.3 else ""))
        length += len(text[-1]) + 1
    return "\n".join(text).encode()[:size]


def many_files(directory, files, total_bytes):
    """`files` files of text of `total_bytes` in all, 50 a directory."""
    dice = random.Random(files)
    pool = text_pool()
    average = max(1, total_bytes // files)
    for number in range(files):
        size = dice.randint(average // 10, average * 19 // 10)
        start = dice.randrange(0, len(pool) - min(size, len(pool) // 2))
        folder = pathlib.Path(directory, f"package{number // 1000:03}", f"lib{number // 50 % 20:02}")
        if number % 50 == 0:
            folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file{number}.js").write_bytes(b"// %d\n" % number + pool[start:start + size])
    settle(directory)


def settle(directory):
    """Gives everything below one time, so that layers do not depend on when it was made."""
    for folder, _, files in os.walk(directory, topdown=False):
        for name in files:
            os.utime(os.path.join(folder, name), (TIME, TIME), follow_symlinks=False)
        os.utime(folder, (TIME, TIME))


def system_files(total_bytes, *roots):
    """Programs and libraries of this machine, (path, size) in the order of their names, until there are enough."""
    found = 0
    for root in roots or ("/usr/lib", "/usr/bin", "/usr/sbin", "/usr/share"):
        for folder, folders, files in os.walk(root):
            folders.sort()
            for name in sorted(files):
                path = os.path.join(folder, name)
                status = os.lstat(path)
                if not stat.S_ISREG(status.st_mode) or status.st_size == 0:
                    continue
                # None so big that it alone is the work.
                if status.st_size > total_bytes // 4:
                    continue
                yield path, status.st_size
                found += status.st_size
                if found >= total_bytes:
                    return


def copy_system_files(directory, total_bytes, *roots):
    for path, _ in system_files(total_bytes, *roots):
        target = pathlib.Path(directory, path.lstrip("/"))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        shutil.copymode(path, target)
    settle(directory)


def busybox_tar(path):
    """A layer with a shell, for images that a step runs in."""
    with tarfile.open(path, "w") as tar:
        for folder in ("bin", "etc", "tmp", "proc", "sys", "dev"):
            _add(tar, folder, tarfile.DIRTYPE, 0o755)
        with open("/bin/busybox", "rb") as program:
            _add(tar, "bin/busybox", tarfile.REGTYPE, 0o755, os.path.getsize("/bin/busybox"), program)
        for name in ("sh", "true", "sleep", "echo"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname, link.mtime = tarfile.SYMTYPE, "busybox", TIME
            tar.addfile(link)


def files_tar(files):
    """A function that writes (path, size) of this machine's files as a layer tar."""
    def write(target):
        with tarfile.open(target, "w") as tar:
            folders = set()
            for path, size in files:
                parts = pathlib.PurePosixPath(path.lstrip("/")).parents
                for folder in [str(part) for part in reversed(parts) if str(part) != "."]:
                    if folder not in folders:
                        folders.add(folder)
                        _add(tar, folder, tarfile.DIRTYPE, 0o755)
                with open(path, "rb") as content:
                    _add(tar, path.lstrip("/"), tarfile.REGTYPE, stat.S_IMODE(os.stat(path).st_mode), size, content)
    return write


def _add(tar, name, kind, mode, size=0, content=None):
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.size, entry.mtime = kind, mode, size, TIME
    tar.addfile(entry, content)
