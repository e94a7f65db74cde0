"""What integration tests stand on: real registries, a real daemon, the real command line.

Every test gets a directory of its own; servers listen on loopback and are stopped by their process.
Environment: KILN_BIN (folder of kiln and kilnd), KILN_FIXTURES (made by tests/fixtures/prepare).
"""
import contextlib
import hashlib
import http.server
import io
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

BIN = pathlib.Path(os.environ.get("KILN_BIN", "build/bin")).resolve()
FIXTURES = pathlib.Path(os.environ.get("KILN_FIXTURES", "build/fixtures")).resolve()
SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, what, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds} s")


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


class Registry:
    """A docker-registry; `storage` is kept when given."""

    def __init__(self, directory, storage=None, extra=""):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.host = f"127.0.0.1:{free_port()}"
        self.scheme = "https" if "certificate:" in extra else "http"
        config = self.directory / "registry.yml"
        config.write_text(
            "version: 0.1\nlog: {level: error}\n"
            f"storage:\n  filesystem: {{rootdirectory: {storage or self.directory / 'data'}}}\n"
            "  delete: {enabled: true}\n"
            f"http:\n  addr: {self.host}\n{extra}")
        self.log = open(self.directory / "registry.log", "wb")
        self.process = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=self.log, stderr=self.log)
        host, port = self.host.split(":")

        def listening():
            with socket.socket() as probe:
                return probe.connect_ex((host, int(port))) == 0
        wait_until(listening, "docker-registry")

    def manifest(self, repository, tag="latest"):
        request = urllib.request.Request(f"http://{self.host}/v2/{repository}/manifests/{tag}", headers={
            "Accept": "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, "
                      "application/vnd.docker.distribution.manifest.v2+json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


class Result:
    """How one command ended."""

    def __init__(self, done, seconds):
        self.code = done.returncode
        self.out = done.stdout.decode(errors="replace")
        self.err = done.stderr.decode(errors="replace")
        self.seconds = seconds

    @property
    def text(self):
        return self.out + self.err


class Daemon:
    """A kilnd with a root of its own."""

    def __init__(self, directory, registries=(), mirror=None, root=None, config=""):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.root = pathlib.Path(root or self.directory / "root")
        self.socket = self.directory / "kiln.sock"
        lines = [f'root = "{self.root}"', f'listen = ["unix://{self.socket}"]', config]
        for registry in registries:
            lines += [f'[registry."{registry}"]', "http = true"]
        if mirror:
            lines += [f'[registry."{mirror}"]', "http = true", '[registry."docker.io"]', f'mirrors = ["{mirror}"]']
        self.config = self.directory / "kilnd.toml"
        self.config.write_text("\n".join(lines) + "\n")
        self.process = None
        self.start()

    def start(self):
        with open(self.directory / "kilnd.log", "ab") as log:
            self.process = subprocess.Popen([str(BIN / "kilnd"), "--config", str(self.config)], stdout=log, stderr=log,
                                            start_new_session=True)

        def up():
            if self.process.poll() is not None:
                raise AssertionError("kilnd ended:\n" + self.log_text())
            return self.kiln("version").code == 0
        wait_until(up, "kilnd")

    def log_text(self):
        return (self.directory / "kilnd.log").read_text(errors="replace")

    def environment(self, **more):
        return {**os.environ, "KILN_HOST": f"unix://{self.socket}", "HOME": str(self.directory), **more}

    def kiln(self, *arguments, stdin=None, cwd=None, user=None, env=None, timeout=300):
        begin = time.monotonic()
        done = subprocess.run([str(BIN / "kiln"), *map(str, arguments)], input=stdin, capture_output=True, cwd=cwd,
                              env=self.environment(**(env or {})), user=user, group=user, timeout=timeout,
                              extra_groups=[] if user is not None else None)
        return Result(done, time.monotonic() - begin)

    def start_kiln(self, *arguments, **popen):
        return subprocess.Popen([str(BIN / "kiln"), *map(str, arguments)], env=self.environment(),
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, **popen)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)
        return self.process.returncode


class KilnTest(unittest.TestCase):
    """A test with a directory, a mirror of docker.io that has the base images, and a registry to push to."""

    mirror = None

    @classmethod
    def setUpClass(cls):
        cls.class_directory = pathlib.Path(tempfile.mkdtemp(prefix="kiln-test-"))
        cls.addClassCleanup(shutil.rmtree, cls.class_directory, ignore_errors=True)
        cls.mirror = Registry(cls.class_directory / "mirror", storage=FIXTURES / "registry")
        cls.addClassCleanup(cls.mirror.stop)
        cls.registry = Registry(cls.class_directory / "registry")
        cls.addClassCleanup(cls.registry.stop)

    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="test-", dir=self.class_directory))
        self.directory.chmod(0o755)
        self.class_directory.chmod(0o755)

    def daemon(self, name="daemon", **options):
        options.setdefault("registries", [self.registry.host])
        options.setdefault("mirror", self.mirror.host)
        daemon = Daemon(self.directory / name, **options)
        self.addCleanup(self._stop, daemon)
        return daemon

    def _stop(self, daemon):
        code = daemon.stop()
        self.assertEqual(code, 0, "kilnd did not stop well:\n" + daemon.log_text())
        self.assertEqual(leftovers(daemon), [], "kilnd left something behind")

    def context(self, files, name="context"):
        """A directory of files: path → text, bytes, or None for a directory."""
        root = self.directory / name
        root.mkdir(exist_ok=True)
        for path, content in files.items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                target.mkdir(exist_ok=True)
            elif isinstance(content, bytes):
                target.write_bytes(content)
            else:
                target.write_text(content)
        return root

    def build(self, daemon, context, *flags, code=0, **options):
        result = daemon.kiln("build", "--progress=plain", *flags, context, **options)
        self.assertEqual(result.code, code, result.text + "\n" + daemon.log_text())
        return result

    def unpack(self, reference, name="unpacked"):
        """The root file system of a pushed image, made by other tools; and its configuration."""
        layout = self.directory / (name + "-layout")
        bundle = self.directory / name
        subprocess.run(["skopeo", "copy", "--quiet", "--src-tls-verify=false", f"docker://{reference}",
                        f"oci:{layout}:it"], check=True, capture_output=True)
        subprocess.run(["umoci", "unpack", "--image", f"{layout}:it", str(bundle)], check=True, capture_output=True)
        inspected = subprocess.run(["skopeo", "inspect", "--config", f"oci:{layout}:it"], check=True,
                                   capture_output=True).stdout
        return bundle / "rootfs", json.loads(inspected)


class Built:
    """A pushed image as other tools see it."""

    def __init__(self, reference, rootfs, config, result):
        self.reference = reference
        self.rootfs = rootfs
        self.config = config
        self.result = result

    def path(self, name):
        return self.rootfs / name.lstrip("/")

    def text(self, name):
        return self.path(name).read_text()

    def stat(self, name):
        return os.lstat(self.path(name))

    def mode(self, name):
        return f"{self.stat(name).st_mode & 0o7777:04o}"

    def owner(self, name):
        status = self.stat(name)
        return f"{status.st_uid}:{status.st_gid}"

    def names(self, directory):
        return sorted(os.listdir(self.path(directory)))


class SharedDaemonTest(KilnTest):
    """One daemon for all the tests of a class: for features, where its start and end are not the point."""

    config = ""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.kilnd = Daemon(cls.class_directory / "kilnd", registries=[cls.registry.host], mirror=cls.mirror.host,
                           config=cls.config)
        cls.addClassCleanup(cls._stop_shared)
        cls.number = 0

    @classmethod
    def _stop_shared(cls):
        code = cls.kilnd.stop()
        left = leftovers(cls.kilnd)
        if code != 0 or left:
            raise AssertionError(f"kilnd ended with {code}, left {left}:\n{cls.kilnd.log_text()}")

    def new_name(self):
        type(self).number += 1
        return f"{self.registry.host}/test{self.number}"

    def built(self, dockerfile, files=None, *flags, **options):
        """Builds, pushes, and unpacks with other tools."""
        name = self.new_name()
        context = self.context({"Dockerfile": dockerfile, **(files or {})})
        result = self.build(self.kilnd, context, "-t", name, "--push", *flags, **options)
        rootfs, config = self.unpack(name, f"unpacked-{self.number}")
        return Built(name, rootfs, config, result)

    def refused(self, dockerfile, files=None, *flags, code=1, **options):
        """The output of a build that fails."""
        context = self.context({"Dockerfile": dockerfile, **(files or {})})
        return self.build(self.kilnd, context, *flags, code=code, **options)

    def blob(self, reference, digest):
        repository = reference.split("/", 1)[1]
        with urllib.request.urlopen(f"http://{self.registry.host}/v2/{repository}/blobs/{digest}", timeout=60) as answer:
            return answer.read()

    def raw_config(self, reference):
        """The configuration of a pushed image as it is; skopeo shows only what OCI knows."""
        return json.loads(self.blob(reference, self.registry.manifest(reference.split("/", 1)[1])["config"]["digest"]))

    def layer(self, reference, index=-1):
        """The entries of one layer of a pushed image: name → TarInfo, as the blob has them."""
        digest = self.registry.manifest(reference.split("/", 1)[1])["layers"][index]["digest"]
        with tarfile.open(fileobj=io.BytesIO(self.blob(reference, digest)), mode="r:gz") as archive:
            return {entry.name: entry for entry in archive}


def leftovers(daemon):
    """What a stopped daemon must not leave: mounts, unfinished files, processes of its steps."""
    found = [line for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
             if str(daemon.root) in line]
    tmp = daemon.root / "tmp"
    if tmp.exists():
        found += [str(path) for path in tmp.iterdir()]
    return found


def strays(daemon):
    """What outlived a killed daemon or a step: processes and their mounts, and cgroups with somebody in them."""
    root = str(daemon.root)
    alive = daemon.process.pid if daemon.process.poll() is None else None
    found = []
    for process in pathlib.Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) in (alive, os.getpid()):
            continue
        try:
            words = (process / "cmdline").read_bytes()
            mounts = (process / "mountinfo").read_text()
        except OSError:
            continue  # it ended meanwhile
        if root.encode() in words and b"kilnd\0" not in words:
            found.append(f"process {process.name}: {words!r}")
        if f"{root}/tmp" in mounts:
            found.append(f"mounts of process {process.name}: {words!r}")
    for cgroup in step_cgroups(daemon):
        with contextlib.suppress(OSError):  # removed meanwhile
            if (cgroup / "cgroup.procs").read_text():
                found.append(f"cgroup {cgroup}")
    return found


def step_cgroups(daemon):
    """The cgroups of a daemon's steps: none when nothing runs."""
    name = "kiln-" + hashlib.sha256(os.path.realpath(daemon.root).encode()).hexdigest()[:12]
    own = [pathlib.Path("/sys/fs/cgroup") / name, pathlib.Path("/sys/fs/cgroup/unified") / name]
    return [path.parent for top in own for path in top.rglob("cgroup.procs") if path.parent not in own]


def steps(result):
    """The steps of a plain progress output: name → how it ended (CACHED, DONE, ERROR, ...)."""
    names, ends = {}, {}
    for line in result.err.splitlines():
        number, _, rest = line.partition(" ")
        if not number.startswith("#") or not rest:
            continue
        word = rest.split(" ", 1)[0]
        if word in ("CACHED", "DONE", "ERROR", "FAILED", "CANCELLED", "CANCELED"):
            ends[number] = word
        elif number not in names:
            names[number] = rest
    return {names[number]: ends.get(number, "") for number in names}


def ran(result):
    """The vertices that were executed: names of steps like "[2/5] WORKDIR /app" that were not cached."""
    return sorted(name.split("] ", 1)[1] for name, end in steps(result).items()
                  if end == "DONE" and name.startswith("[") and not name.startswith("[internal]"))


def output_of(result, word):
    """The lines that a step named with `word` printed, without their heads."""
    number = None
    lines = []
    for line in result.err.splitlines():
        head, _, rest = line.partition(" ")
        if number is None and head.startswith("#") and word in rest:
            number = head
        elif head == number and re.match(r"\d+\.\d{3} ", rest):
            lines.append(rest.partition(" ")[2])
    return lines


def processes(words):
    """Processes of the machine whose command line has `words`."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if words.encode() in path.read_bytes().replace(b"\0", b" "):
                found.append(path.parent.name)
    return found


class Gate(http.server.ThreadingHTTPServer):
    """Lets steps on the host's network say that they came by, and wait: GET /arrive/NAME, GET /wait/NAME."""

    daemon_threads = True

    def __init__(self):
        self.arrived = []
        self.opened = threading.Event()
        super().__init__(("127.0.0.1", 0), GateHandler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class GateHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # noqa: N802
        kind, _, name = self.path.strip("/").partition("/")
        self.server.arrived.append(name)
        if kind == "wait" and not self.server.opened.wait(60):
            self.send_error(504)
            return
        with contextlib.suppress(BrokenPipeError):  # the step is gone
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"go\n")

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def gate():
    server = Gate()
    try:
        yield server
    finally:
        server.opened.set()
        server.shutdown()
        server.server_close()


def sha256_of(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def blob_files(root):
    folder = pathlib.Path(root) / "blobs" / "sha256"
    return sorted(folder.iterdir()) if folder.exists() else []


@contextlib.contextmanager
def mounted_tmpfs(path, size):
    pathlib.Path(path).mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "kiln-test", str(path)], check=True)
    try:
        yield pathlib.Path(path)
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def main():
    unittest.main(verbosity=2)
