"""Files of the store that were damaged while nobody looked: a cache miss and a sentence in the log, never an error."""
import os
import random
import shutil
import sqlite3

import kilntest

DOCKERFILE = """\
FROM busybox
COPY large /large
RUN sha256sum /large > /sum
COPY small /small
"""


class DamageTest(kilntest.KilnTest):
    def setUp(self):
        super().setUp()
        self.source = self.context({"Dockerfile": DOCKERFILE, "large": random.Random(9).randbytes(300_000),
                                    "small": "small"})
        self.kilnd = self.daemon()
        self.number = 0
        self.made = self.build(self.kilnd, self.source, "-t", "kept")

    def check_right(self, *flags):
        """The next build is right, as other tools see it, and so is what is listed."""
        self.number += 1
        name = f"{self.registry.host}/{self.id().rsplit('.', 1)[1].lower()}{self.number}"
        result = self.build(self.kilnd, self.source, "-t", name, "--push", *flags)
        rootfs, _ = self.unpack(name, f"unpacked{self.number}")
        self.assertEqual((rootfs / "large").read_bytes(), (self.source / "large").read_bytes())
        self.assertEqual((rootfs / "sum").read_text().split()[0], kilntest.sha256_of(self.source / "large"))
        self.assertEqual((rootfs / "small").read_text(), "small")
        self.assertTrue((rootfs / "bin/sh").exists())
        self.check_listed()
        self.assertEqual(self.kilnd.kiln("rmi", name).code, 0)
        return result

    def check_listed(self):
        for row in self.kilnd.kiln("images").out.splitlines()[1:]:
            listed = row.split()[0]
            self.number += 1
            target = f"{self.registry.host}/listed{self.number}-{os.getpid()}"
            self.assertEqual(self.kilnd.kiln("tag", listed, target).code, 0)
            pushed = self.kilnd.kiln("push", "--progress=plain", target)
            self.assertEqual(pushed.code, 0, row + pushed.text + self.kilnd.log_text())
            self.unpack(target, f"unpacked{self.number}")
            self.assertEqual(self.kilnd.kiln("rmi", target).code, 0)

    def while_stopped(self, damage):
        """Stops, damages, starts; gives what the log says since."""
        self.assertEqual(self.kilnd.stop(), 0, self.kilnd.log_text())
        damage()
        before = len(self.kilnd.log_text())
        self.kilnd.start()
        return self.kilnd.log_text()[before:]

    def blobs(self):
        return kilntest.blob_files(self.kilnd.root)

    def damage_each_blob(self, damage):
        """One blob after the other: documents and layers, of the base image and of our own."""
        names = [path.name for path in self.blobs()]
        self.assertGreater(len(names), 5)
        for name in names:
            path = self.kilnd.root / "blobs/sha256" / name
            if not path.exists():
                continue  # an earlier build made it needless
            with self.subTest(blob=name, size=path.stat().st_size):
                self.while_stopped(lambda path=path: damage(path))
                self.check_right()
                if path.exists() and kilntest.sha256_of(path) != name:
                    # Nobody reads what no image is made of any more.
                    self.assertEqual(self.kilnd.kiln("prune", "--all").code, 0)
                    self.assertFalse(path.exists())

    def test_blobs_that_were_cut_short(self):
        def cut(path):
            os.truncate(path, path.stat().st_size // 2)
        self.damage_each_blob(cut)

    def test_blobs_whose_bytes_changed(self):
        def overwrite(path):
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 0xFF
            path.write_bytes(data)
        self.damage_each_blob(overwrite)

    def test_blobs_that_are_gone(self):
        self.damage_each_blob(lambda path: path.unlink())

    def test_all_blobs_are_gone(self):
        def remove():
            for path in self.blobs():
                path.unlink()
        log = self.while_stopped(remove)
        self.assertIn("kept", log)
        self.assertNotIn("kept", self.kilnd.kiln("images").out)
        self.check_right()

    def test_snapshot_directories_that_are_gone(self):
        snapshots = self.kilnd.root / "snapshots"
        for name in sorted(os.listdir(snapshots)):
            with self.subTest(snapshot=name):
                if not (snapshots / name).exists():
                    continue
                log = self.while_stopped(lambda name=name: shutil.rmtree(snapshots / name))
                self.assertIn("snapshot", log)
                self.check_right()

    def test_all_snapshots_and_blobs_are_gone(self):
        def remove():
            for folder in ("snapshots", "blobs/sha256"):
                shutil.rmtree(self.kilnd.root / folder)
        self.while_stopped(remove)
        self.check_right()

    def test_a_snapshot_that_vanishes_while_the_daemon_runs(self):
        snapshots = self.kilnd.root / "snapshots"
        for name in os.listdir(snapshots):
            shutil.rmtree(snapshots / name)
        self.check_right("--no-cache")

    def test_a_snapshot_that_is_a_file(self):
        snapshots = self.kilnd.root / "snapshots"
        name = sorted(os.listdir(snapshots))[-1]

        def replace():
            shutil.rmtree(snapshots / name)
            (snapshots / name).write_text("no directory")
        self.while_stopped(replace)
        self.check_right()

    def test_strange_files_in_the_store_are_no_obstacle(self):
        root = self.kilnd.root

        def scatter():
            (root / "snapshots/stray").mkdir()
            (root / "snapshots/99999").mkdir()
            (root / "blobs/sha256/not-a-digest").write_text("x")
            (root / "blobs/sha256" / ("0" * 64)).write_text("a lie")
            (root / "tmp/left").mkdir()
            (root / "tmp/left/file").write_text("x")
            (root / "tmp/link").symlink_to("/etc")
        log = self.while_stopped(scatter)
        self.assertIn("snapshot", log)
        self.assertEqual({path.name for path in (root / "tmp").iterdir()} - {"runtime"}, set())
        self.assertFalse((root / "snapshots/stray").exists())
        self.assertTrue(os.path.exists("/etc/passwd"))
        result = self.check_right()
        self.assertEqual(kilntest.ran(result), [])

    def database_files(self):
        return [path for path in self.kilnd.root.iterdir() if path.name in ("kiln.db", "kiln.db-wal", "kiln.db-shm")]

    def check_new_database(self, log):
        self.assertIn("kiln.db", log)
        self.assertIn("damaged", log)
        self.check_right()

    def test_a_database_that_is_gone_is_begun_anew(self):
        def remove():
            for path in self.database_files():
                path.unlink()
        self.while_stopped(remove)
        self.assertEqual(len(self.kilnd.kiln("images").out.splitlines()), 1)
        self.check_right()

    def test_a_database_of_garbage_is_put_aside(self):
        self.check_new_database(self.while_stopped(
            lambda: (self.kilnd.root / "kiln.db").write_bytes(random.Random(1).randbytes(100_000))))

    def test_a_database_that_was_cut_short_is_put_aside(self):
        def cut():
            path = self.kilnd.root / "kiln.db"
            os.truncate(path, path.stat().st_size // 2)
        self.check_new_database(self.while_stopped(cut))

    def test_a_database_with_a_damaged_page_is_put_aside_or_works(self):
        def scribble():
            path = self.kilnd.root / "kiln.db"
            with open(path, "r+b") as file:
                for page in range(1, path.stat().st_size // 4096):
                    file.seek(page * 4096)
                    file.write(b"\xa5" * 64)
        self.check_new_database(self.while_stopped(scribble))

    def test_an_empty_database_is_begun_anew(self):
        self.while_stopped(lambda: os.truncate(self.kilnd.root / "kiln.db", 0))
        self.check_right()

    def test_a_log_of_the_database_that_is_garbage_is_no_obstacle(self):
        self.kilnd.kill()
        wal = self.kilnd.root / "kiln.db-wal"
        self.assertTrue(wal.exists())
        os.truncate(wal, wal.stat().st_size // 2)
        self.kilnd.start()
        self.check_right()

    def test_a_database_of_a_newer_program_is_not_touched(self):
        self.assertEqual(self.kilnd.stop(), 0)
        connection = sqlite3.connect(self.kilnd.root / "kiln.db")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        connection.execute("PRAGMA user_version = 9999")
        connection.commit()
        connection.close()
        with self.assertRaises(AssertionError) as refused:
            self.kilnd.start()
        self.assertIn("9999", str(refused.exception))
        self.assertIn("kiln.db", str(refused.exception))
        connection = sqlite3.connect(self.kilnd.root / "kiln.db")
        connection.execute(f"PRAGMA user_version = {version}")
        connection.commit()
        connection.close()
        self.kilnd.start()
        self.assertIn("kept", self.kilnd.kiln("images").out)

    def test_two_daemons_of_one_root_are_told_apart(self):
        with self.assertRaises(AssertionError) as refused:
            self.daemon("second", root=self.kilnd.root)
        self.assertIn(f"process {self.kilnd.process.pid}", str(refused.exception))
        self.check_right()


if __name__ == "__main__":
    kilntest.main()
