"""Each change of the store in turn fails once: the build says so or does without, and the next one is right."""
import ctypes
import errno
import mmap
import os
import pathlib
import random
import struct
import unittest

import kilntest
from layout import layers_of

# How many of a build's changes are tried; "all" is each of them.
POINTS = os.environ.get("KILN_FAULTS", "40")
NEVER = -(1 << 60)

DOCKERFILE = """\
FROM busybox AS tool
RUN echo {mark} > /tool
FROM busybox
COPY data /data
RUN --mount=type=cache,target=/cache echo {mark} > /cache/mark; mkdir /made; ln -s a /made/link; sha256sum /data/large > /sum
COPY --from=tool --chown=7:8 /tool /
"""


def is_sanitized():
    return b"__asan_init" in (kilntest.BIN / "kilnd").read_bytes() or b"__tsan_init" in (kilntest.BIN / "kilnd").read_bytes()


class Faults:
    """The memory shared with fail_writes.cc."""

    def __init__(self, path):
        path.write_bytes(struct.pack("qq", NEVER, errno.EIO))
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 16)
        self.before = ctypes.c_int64.from_buffer(self.memory, 0)
        self.error = ctypes.c_int64.from_buffer(self.memory, 8)


@unittest.skipIf(is_sanitized(), "a sanitizer's library must be loaded first")
class WriteErrorsTest(kilntest.KilnTest):
    def setUp(self):
        super().setUp()
        self.faults = Faults(self.directory / "faults")
        os.environ.update(LD_PRELOAD=str(kilntest.BIN / "fail_writes.so"), KILN_FAULT_FILE=str(self.directory / "faults"),
                          KILN_FAULT_ROOT=str(self.directory / "daemon/root"))
        self.addCleanup(lambda: [os.environ.pop(name) for name in
                                 ("LD_PRELOAD", "KILN_FAULT_FILE", "KILN_FAULT_ROOT") if name in os.environ])
        self.kilnd = self.daemon()
        self.assertIn("fail_writes.so", pathlib.Path(f"/proc/{self.kilnd.process.pid}/maps").read_text())
        del os.environ["LD_PRELOAD"]  # the daemon has it: not the tools of the test
        self.large = random.Random(3).randbytes(400_000)
        self.source = self.context({"data/large": self.large, "data/small": "s"})

    def run_build(self, mark):
        (self.source / "Dockerfile").write_text(DOCKERFILE.format(mark=mark))
        return self.kilnd.kiln("build", "--progress=plain", "-t", f"{self.registry.host}/it", "--push", self.source)

    def forget(self):
        """So that the base image is pulled again."""
        for row in self.kilnd.kiln("images").out.splitlines()[1:]:
            self.kilnd.kiln("rmi", row.split()[0])
        self.kilnd.kiln("prune", "--all")

    def check_right(self, mark):
        layout = self.directory / f"layout-{mark}"
        kilntest.subprocess.run(["skopeo", "copy", "--quiet", "--src-tls-verify=false",
                                 f"docker://{self.registry.host}/it", f"oci:{layout}:it"], check=True, capture_output=True)
        tree = layers_of(layout)
        self.assertEqual(tree["tool"].decode(), mark + "\n")
        self.assertTrue(tree["data/large"] == self.large, "data/large is another")
        self.assertIn("./bin/sh", sorted(tree))
        kilntest.shutil.rmtree(layout)

    def count_changes(self):
        """What one build from nothing does."""
        self.forget()
        self.faults.before.value = start = 1 << 40
        result = self.run_build("count")
        self.assertEqual(result.code, 0, result.text)
        count = start - self.faults.before.value
        self.faults.before.value = NEVER
        self.assertGreater(count, 100)
        return count

    def fail_one(self, point, error):
        """True when the build failed for it."""
        mark = f"{point}-{error}"
        self.forget()
        self.faults.error.value = error
        self.faults.before.value = point
        result = self.run_build(mark)
        happened = NEVER < self.faults.before.value < 0
        self.faults.before.value = NEVER
        if result.code == 0:
            self.check_right(mark)
        else:
            self.assertTrue(happened, result.text)
            self.assertEqual(result.code, 1, result.text)
            said = os.strerror(error).lower()
            self.assertTrue(any(words in result.text.lower() for words in (said, "no space left", "disk i/o error")),
                            result.text)
        again = self.run_build(mark)
        self.assertEqual(again.code, 0, again.text + self.kilnd.log_text()[-2000:])
        self.check_right(mark)
        tmp = self.kilnd.root / "tmp"
        kilntest.wait_until(lambda: {path.name for path in tmp.iterdir()} <= {"runtime"}, f"an empty {tmp}")
        return result.code != 0

    def test_any_change_of_the_store_may_fail(self):
        seed = int(os.environ.get("KILN_SEED", random.SystemRandom().randrange(1 << 32)))
        chance = random.Random(seed)
        count = self.count_changes()
        points = range(count)
        if POINTS != "all":  # more of the end, where blobs are written side by side
            points = sorted(chance.choices(points, weights=[1 if point < 0.9 * count else 5 for point in points], k=int(POINTS)))
        print(f"{len(points)} of {count} changes, seed {seed} (KILN_SEED)", flush=True)
        failed = 0
        for number, point in enumerate(points):
            error = chance.choice((errno.EIO, errno.ENOSPC))
            with self.subTest(point=point, error=errno.errorcode[error], seed=seed):
                failed += self.fail_one(point, error)
            if number % 20 == 19:
                self.assertEqual(self.kilnd.stop(), 0, self.kilnd.log_text())
                os.environ["LD_PRELOAD"] = str(kilntest.BIN / "fail_writes.so")
                self.kilnd.start()
                del os.environ["LD_PRELOAD"]
        print(f"{failed} builds failed for it", flush=True)
        self.assertGreater(failed, 0)


if __name__ == "__main__":
    kilntest.main()
