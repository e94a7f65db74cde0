"""No space left, wherever a build can run into it: a clear message, nothing left behind, a daemon that goes on."""
import contextlib
import os
import random
import shutil

import kilntest

MIB = 1 << 20


class FullDiskTest(kilntest.KilnTest):
    def disk(self, size, name="disk"):
        """A small file system, gone at the end of the test."""
        mounts = contextlib.ExitStack()
        self.addCleanup(mounts.close)
        return mounts.enter_context(kilntest.mounted_tmpfs(self.directory / name, size))

    def small_daemon(self, size=48 * MIB, name="disk"):
        disk = self.disk(size, name)
        # Nothing is collected to make room: what is full stays full.
        daemon = self.daemon(name + "-daemon", root=disk / "root", config='[gc]\nmin-free = "0%"\n')
        daemon.disk = disk
        return daemon

    def leave(self, daemon, free_bytes):
        """Fills the disk up to so many free bytes."""
        filler = daemon.disk / "filler"
        filler.unlink(missing_ok=True)
        status = os.statvfs(daemon.disk)
        with open(filler, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(status.f_bavail * status.f_frsize - free_bytes, 1))

    def free(self, daemon):
        (daemon.disk / "filler").unlink()

    def warm(self, daemon):
        self.build(daemon, self.context({"Dockerfile": "FROM busybox\nRUN true\n"}, "warm"), "-t", "warm")

    def says_full(self, daemon, result, *words):
        """The user learns that a disk is full, and which; tmp/ is empty and the daemon there."""
        self.assertEqual(result.code, 1, result.text)
        self.assertIn("no space left", result.text.lower())
        self.assertIn(str(daemon.disk), result.text)
        for word in words:
            self.assertIn(word, result.text)
        self.check_clean(daemon)

    def check_clean(self, daemon):
        tmp = daemon.root / "tmp"
        kilntest.wait_until(lambda: {path.name for path in tmp.iterdir()} <= {"runtime"},
                            f"an empty {tmp}; it has {list(tmp.iterdir())}")
        self.assertIsNone(daemon.process.poll(), daemon.log_text())
        self.assertEqual(daemon.kiln("version").code, 0)
        self.assertEqual(daemon.kiln("images").code, 0)

    def check_works(self, daemon, context):
        """The same build is right once there is space."""
        name = f"{self.registry.host}/{self.id().rsplit('.', 1)[1].lower()}"
        self.build(daemon, context, "-t", name, "--push")
        rootfs, _ = self.unpack(name)
        return rootfs

    def test_a_pull_that_fills_the_disk(self):
        daemon = self.small_daemon()
        context = self.context({"Dockerfile": "FROM busybox\n"})
        self.leave(daemon, 700_000)  # less than the layer's blob
        self.says_full(daemon, self.build(daemon, context, code=1), "busybox")
        self.leave(daemon, 1_600_000)  # the blob, but not its files
        self.says_full(daemon, self.build(daemon, context, code=1), "busybox")
        self.free(daemon)
        self.assertTrue((self.check_works(daemon, context) / "bin/sh").exists())

    def test_a_copy_that_fills_the_disk(self):
        daemon = self.small_daemon()
        self.warm(daemon)
        large = random.Random(2).randbytes(4 * MIB)
        context = self.context({"Dockerfile": "FROM busybox\nCOPY large other /into/\n", "large": large, "other": "o"})
        self.leave(daemon, 1 * MIB)
        self.says_full(daemon, self.build(daemon, context, code=1), "Dockerfile:2", "large")
        self.free(daemon)
        self.assertEqual((self.check_works(daemon, context) / "into/large").read_bytes(), large)

    def test_a_command_that_fills_the_disk(self):
        daemon = self.small_daemon()
        self.warm(daemon)
        context = self.context(
            {"Dockerfile": "FROM busybox\nRUN dd if=/dev/urandom of=/large bs=1024 count=4096\n"})
        self.leave(daemon, 1 * MIB)
        result = self.build(daemon, context, code=1)
        self.assertIn("No space left on device", result.text)
        self.assertIn("Dockerfile:2", result.text)
        self.assertIn("exit code: 1", result.text)
        self.check_clean(daemon)
        self.free(daemon)
        self.assertEqual((self.check_works(daemon, context) / "large").stat().st_size, 4 * MIB)

    def test_an_unpacked_archive_that_fills_the_disk(self):
        daemon = self.small_daemon()
        self.warm(daemon)
        source = self.context({"large": random.Random(3).randbytes(4 * MIB)}, "source")
        context = self.context({"Dockerfile": "FROM busybox\nADD it.tar /into/\n"})
        shutil.make_archive(str(context / "it"), "tar", source)
        self.leave(daemon, 1 * MIB)
        self.says_full(daemon, self.build(daemon, context, code=1), "Dockerfile:2")
        self.free(daemon)
        self.assertEqual((self.check_works(daemon, context) / "into/large").stat().st_size, 4 * MIB)

    def test_a_copy_that_is_packed_and_fills_the_disk(self):
        daemon = self.small_daemon()
        self.warm(daemon)
        large = random.Random(4).randbytes(4 * MIB)  # does not compress
        context = self.context({"Dockerfile": "FROM busybox\nCOPY large /\n", "large": large})
        self.leave(daemon, 2 * MIB)
        self.says_full(daemon, self.build(daemon, context, "-t", "large", code=1), "Dockerfile:2")
        self.assertNotIn("large", daemon.kiln("images").out)
        self.free(daemon)
        self.assertEqual((self.check_works(daemon, context) / "large").read_bytes(), large)

    def test_an_image_whose_blob_fills_the_disk(self):
        daemon = self.small_daemon()
        self.warm(daemon)
        large = random.Random(4).randbytes(4 * MIB)  # does not compress: the blob is as large again
        context = self.context({"Dockerfile": "FROM busybox\nCOPY large /\nWORKDIR /looks-at-it\n", "large": large})
        self.leave(daemon, 6 * MIB)
        self.says_full(daemon, self.build(daemon, context, "-t", "large", code=1))
        self.assertNotIn("large", daemon.kiln("images").out)
        self.free(daemon)
        self.assertEqual((self.check_works(daemon, context) / "large").read_bytes(), large)

    def test_an_output_on_a_full_disk_of_the_client(self):
        daemon = self.daemon()
        place = self.disk(1 * MIB)
        large = random.Random(5).randbytes(4 * MIB)
        context = self.context({"Dockerfile": "FROM scratch\nCOPY large /\n", "large": large})
        for output in (f"type=oci,dest={place}/it.tar", f"type=tar,dest={place}/it.tar",
                       f"type=docker,dest={place}/it.tar", f"type=local,dest={place}/it"):
            with self.subTest(output=output):
                result = self.build(daemon, context, "-o", output, code=1)
                self.assertIn("no space left", result.text.lower())
                self.assertIn(str(place), result.text)
                self.assertFalse((place / "it.tar").exists())
                shutil.rmtree(place / "it", ignore_errors=True)
                self.assertEqual(list(place.iterdir()), [])
        self.build(daemon, context, "-o", f"type=oci,dest={self.directory}/it.tar")

    def test_a_load_that_fills_the_disk(self):
        daemon = self.small_daemon()
        other = self.daemon("other")
        large = random.Random(6).randbytes(4 * MIB)
        context = self.context({"Dockerfile": "FROM scratch\nCOPY large /\n", "large": large})
        self.build(other, context, "-t", "it")
        self.assertEqual(other.kiln("save", "-o", self.directory / "it.tar", "it").code, 0)
        self.leave(daemon, 2 * MIB)
        self.says_full(daemon, daemon.kiln("load", "-i", self.directory / "it.tar"), "it.tar")
        self.assertEqual(len(daemon.kiln("images").out.splitlines()), 1)
        self.free(daemon)
        self.assertEqual(daemon.kiln("load", "-i", self.directory / "it.tar").code, 0)

    def test_space_can_be_freed_when_not_a_byte_is_left(self):
        daemon = self.small_daemon()
        old = self.context({"Dockerfile": "FROM busybox\nCOPY large /\n", "large": random.Random(7).randbytes(6 * MIB)},
                           "old")
        self.build(daemon, old, "-t", "old")
        new = self.context({"Dockerfile": "FROM busybox\nCOPY large /\n", "large": random.Random(8).randbytes(3 * MIB)},
                           "new")
        self.leave(daemon, 0)
        self.says_full(daemon, self.build(daemon, new, "-t", "new", code=1))
        removed = daemon.kiln("rmi", "old")
        self.assertEqual(removed.code, 0, removed.text)
        pruned = daemon.kiln("prune", "--all")
        self.assertEqual(pruned.code, 0, pruned.text)
        status = os.statvfs(daemon.disk)
        self.assertGreater(status.f_bavail * status.f_frsize, 8 * MIB)
        self.assertTrue((self.check_works(daemon, new) / "large").exists())

    def test_a_build_that_is_wholly_cached_needs_no_space(self):
        daemon = self.small_daemon()
        context = self.context({"Dockerfile": "FROM busybox\nRUN echo hello > /file\n"})
        first = self.build(daemon, context, "-t", "it")
        self.leave(daemon, 64 * 1024)
        second = self.build(daemon, context, "-t", "it")
        self.assertEqual(kilntest.ran(second), [])
        self.assertEqual(first.err.splitlines()[-2:], second.err.splitlines()[-2:])

    def test_a_database_that_cannot_grow(self):
        daemon = self.small_daemon()
        self.warm(daemon)
        self.leave(daemon, 0)
        failures = 0
        # Names are rows only: sooner or later the database needs a page more.
        for number in range(400):
            result = daemon.kiln("tag", "warm", f"name-{number}:{'x' * 100}")
            if result.code != 0:
                failures += 1
                self.assertEqual(result.code, 1, result.text)
                self.assertIn("no space left", result.text.lower())
                self.assertIn(str(daemon.root), result.text)
                break
        self.assertEqual(failures, 1, "the disk was never full")
        listed = daemon.kiln("images").out
        self.free(daemon)
        self.assertEqual(daemon.kiln("images").out.split("CREATED")[0], listed.split("CREATED")[0])
        self.assertEqual(daemon.kiln("tag", "warm", "again").code, 0)
        self.assertEqual(daemon.stop(), 0, daemon.log_text())
        daemon.start()
        self.assertIn("again", daemon.kiln("images").out)
        self.assertTrue((self.check_works(daemon, self.directory / "warm") / "bin/sh").exists())

    def test_a_daemon_starts_on_a_full_disk(self):
        daemon = self.small_daemon()
        self.warm(daemon)
        for stop in (daemon.stop, daemon.kill):
            with self.subTest(stop=stop.__name__):
                self.leave(daemon, 0)
                stop()
                daemon.start()
                self.assertIn("warm", daemon.kiln("images").out)
        self.free(daemon)
        self.check_works(daemon, self.directory / "warm")


if __name__ == "__main__":
    kilntest.main()
