"""The root file system as a tar, or as files of the caller's."""
import io
import os
import stat
import subprocess
import tarfile

import kilntest

DOCKERFILE = ("FROM busybox\nRUN mkdir -m 750 /made && echo one > /made/one && chown 3:4 /made/one && chmod 4711 /made/one && "
              "ln /made/one /made/hard && ln -s one /made/soft && mkfifo /made/fifo && touch -d @1234567890 /made/one\n"
              "RUN rm /made/hard && ln /made/one /made/again && rm -r /home\n")


class OutputsTest(kilntest.SharedDaemonTest):
    def run_kiln(self, *arguments, code=0, **options):
        done = subprocess.run([str(kilntest.BIN / "kiln"), *map(str, arguments)], env=self.kilnd.environment(),
                              capture_output=True, **options)
        self.assertEqual(done.returncode, code, done.stderr.decode())
        return done

    def check_tar(self, data):
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            entries = {entry.name.rstrip("/").removeprefix("./"): entry for entry in archive}
            self.assertEqual(archive.extractfile(entries["made/one"].name).read() if entries["made/one"].isreg()
                             else archive.extractfile(entries["made/again"].name).read(), b"one\n")
        one = entries["made/one"]
        self.assertEqual((one.uid, one.gid, one.mtime, one.mode & 0o7777), (3, 4, 1234567890, 0o4711))
        self.assertEqual({entries["made/one"].type, entries["made/again"].type}, {tarfile.REGTYPE, tarfile.LNKTYPE})
        self.assertEqual(entries["made/soft"].linkname, "one")
        self.assertTrue(entries["made/fifo"].isfifo())
        self.assertEqual(entries["made"].mode & 0o7777, 0o750)
        self.assertIn("bin/busybox", entries)
        for gone in ("made/hard", "home"):
            self.assertNotIn(gone, entries)
        self.assertFalse([name for name in entries if ".wh." in name])

    def test_a_tar_has_the_whole_merged_tree(self):
        context = self.context({"Dockerfile": DOCKERFILE})
        path = self.directory / "root.tar"
        self.run_kiln("build", "-o", f"type=tar,dest={path}", context)
        self.check_tar(path.read_bytes())
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o644)

    def test_a_tar_goes_to_stdout_and_progress_to_stderr(self):
        context = self.context({"Dockerfile": DOCKERFILE})
        for flags in (["-o", "-"], ["-o", "type=tar"], ["--output=type=tar,dest=-", "--progress=plain"], ["-q", "-o", "-"]):
            done = self.run_kiln("build", *flags, context)
            self.check_tar(done.stdout)

    def test_a_tar_is_the_same_each_time(self):
        context = self.context({"Dockerfile": DOCKERFILE})
        self.assertEqual(*[self.run_kiln("build", "-o", "-", context).stdout for _ in range(2)])

    def test_a_directory_gets_the_files_with_their_modes_and_times(self):
        context = self.context({"Dockerfile": DOCKERFILE})
        out = self.directory / "out/deeper"
        self.run_kiln("build", "-o", out, context)
        self.assertEqual((out / "made/one").read_text(), "one\n")
        status = (out / "made/one").stat()
        self.assertEqual((status.st_mode & 0o777, int(status.st_mtime)), (0o711, 1234567890))
        self.assertEqual(stat.S_IMODE((out / "made").stat().st_mode), 0o750)
        self.assertEqual(os.readlink(out / "made/soft"), "one")
        self.assertEqual((out / "made/again").stat().st_ino, status.st_ino)
        self.assertFalse((out / "home").exists())

    def test_a_directory_belongs_to_the_caller(self):
        context = self.context({"Dockerfile": "FROM scratch\nCOPY --chown=55:66 f /d/f\n", "f": "F"})
        nobody = 65534
        self.kilnd.socket.chmod(0o666)
        self.directory.chmod(0o777)
        out = self.directory / "mine"
        result = self.kilnd.kiln("build", "-o", out, context, user=nobody)
        self.assertEqual(result.code, 0, result.text)
        for path in (out, out / "d", out / "d/f"):
            self.assertEqual((path.stat().st_uid, path.stat().st_gid), (nobody, nobody), path)

    def test_a_caller_cannot_write_where_it_may_not(self):
        context = self.context({"Dockerfile": "FROM scratch\nCOPY f /f\n", "f": "F"})
        self.kilnd.socket.chmod(0o666)
        closed = self.directory / "closed"
        closed.mkdir(mode=0o755)
        failed = self.kilnd.kiln("build", "-o", closed, context, user=65534)
        self.assertEqual(failed.code, 1, failed.text)
        self.assertIn("ermission denied", failed.err)
        self.assertEqual(list(closed.iterdir()), [])

    def test_links_in_the_target_directory_are_not_followed(self):
        outside = self.directory / "outside"
        outside.mkdir()
        out = self.directory / "out"
        out.mkdir()
        (out / "d").symlink_to(outside)
        context = self.context({"Dockerfile": "FROM scratch\nCOPY f /d/f\n", "f": "F"})
        self.kilnd.kiln("build", "-o", out, context)
        self.assertEqual(list(outside.iterdir()), [])

    def test_files_that_are_there_are_replaced_and_others_kept(self):
        out = self.directory / "out"
        out.mkdir()
        (out / "f").write_text("old and longer")
        (out / "own").write_text("kept")
        context = self.context({"Dockerfile": "FROM scratch\nCOPY f /f\n", "f": "F"})
        self.run_kiln("build", "-o", f"type=local,dest={out}", context)
        self.assertEqual(((out / "f").read_text(), (out / "own").read_text()), ("F", "kept"))

    def test_several_outputs_come_from_one_build(self):
        context = self.context({"Dockerfile": DOCKERFILE})
        tree, archive = self.directory / "tree", self.directory / "root.tar"
        self.run_kiln("build", "-t", "several-outputs", "-o", tree, "-o", f"type=tar,dest={archive}", "-o", "type=image", context)
        self.check_tar(archive.read_bytes())
        self.assertTrue((tree / "made/one").exists())
        self.assertEqual(self.kilnd.kiln("inspect", "several-outputs").code, 0)

    def test_mistakes_in_an_output_are_misuse(self):
        context = self.context({"Dockerfile": "FROM scratch\n"})
        for wrong in ("type=zip,dest=x", "type=local", "dest=", "type=tar,colour=red", ""):
            failed = self.run_kiln("build", "-o", wrong, context, code=2)
            self.assertIn("--output", failed.stderr.decode())

    def test_an_output_that_cannot_be_written_is_named(self):
        context = self.context({"Dockerfile": DOCKERFILE})
        failed = self.run_kiln("build", "-o", f"type=tar,dest={self.directory}/no/such/dir/x.tar", context, code=1)
        self.assertIn("no/such/dir", failed.stderr.decode())
        with open("/dev/full", "wb") as full:
            failed = subprocess.run([str(kilntest.BIN / "kiln"), "build", "-o", "-", str(context)], env=self.kilnd.environment(),
                                    stdout=full, stderr=subprocess.PIPE, check=False)
        self.assertEqual(failed.returncode, 1)
        self.assertIn("No space left", failed.stderr.decode())


if __name__ == "__main__":
    kilntest.main()
