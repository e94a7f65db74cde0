"""A daemon with canaries all around it: whatever a test gives it, nothing outside its root may change."""
import os
import pathlib

import kilntest

SECRET = "the-canary-sings"


def snapshot_of(path):
    """Names, types, modes and contents below a directory."""
    found = {}
    for at, directories, files in os.walk(path):
        for name in directories + files:
            full = os.path.join(at, name)
            status = os.lstat(full)
            content = pathlib.Path(full).read_bytes() if os.path.isfile(full) and not os.path.islink(full) else b""
            found[full] = (status.st_mode, status.st_uid, status.st_size if content else 0, content)
    return found


class CanaryTest(kilntest.KilnTest):
    """A daemon whose root has canaries all around; none may change whatever a test does."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.canary = cls.class_directory / "canary"
        cls.canary.mkdir()
        (cls.canary / "file").write_text(SECRET)
        (cls.canary / "directory").mkdir()
        (cls.canary / "directory/inner").write_text(SECRET)
        cls.kilnd = kilntest.Daemon(cls.class_directory / "kilnd", registries=[cls.registry.host],
                                    mirror=cls.mirror.host)
        cls.addClassCleanup(cls.kilnd.stop)
        (cls.kilnd.root / "canary").write_text(SECRET)

    def setUp(self):
        super().setUp()
        self.before = snapshot_of(self.canary)
        self.outside = sorted(os.listdir("/")), sorted(os.listdir("/etc")), sorted(os.listdir("/dev"))

    def tearDown(self):
        self.assertEqual(snapshot_of(self.canary), self.before)
        self.assertEqual((self.kilnd.root / "canary").read_text(), SECRET)
        self.assertEqual((sorted(os.listdir("/")), sorted(os.listdir("/etc")), sorted(os.listdir("/dev"))),
                         self.outside)
        for name in ("pwned", "kiln-pwned"):
            for place in ("/", "/tmp", "/etc", self.kilnd.root, self.kilnd.root / "tmp", self.kilnd.root / "snapshots",
                          self.class_directory):
                self.assertFalse((pathlib.Path(place) / name).exists(), place)
        self.assertIsNone(self.kilnd.process.poll(), self.kilnd.log_text())
        good = self.context({"Dockerfile": f"FROM busybox\n# {self.id()}\nCOPY Dockerfile /good\n"}, "good")
        self.build(self.kilnd, good)
