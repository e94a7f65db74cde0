"""The main context: a directory, an archive or a Dockerfile on stdin."""
import bz2
import gzip
import io
import lzma
import os
import signal
import subprocess
import tarfile
import time

import kilntest


def archive(files, owners=None):
    """A tar: path → text, bytes, or a TarInfo that is taken as it is."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                content.name = path
                tar.addfile(content)
                continue
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(path)
            info.size, info.mode, info.mtime = len(data), 0o640, 1_600_000_000
            info.uid, info.gid = (owners or {}).get(path, (0, 0))
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zstd(data):
    return subprocess.run(["zstd", "-c", "-q"], input=data, capture_output=True, check=True).stdout


def entry(kind, target=""):
    info = tarfile.TarInfo()
    info.type, info.linkname = kind, target
    return info


class StdinTest(kilntest.SharedDaemonTest):
    def from_stdin(self, data, *flags, code=0):
        name = self.new_name()
        result = self.kilnd.kiln("build", "--progress=plain", "-t", name, "--push", *flags, "-", stdin=data)
        self.assertEqual(result.code, code, result.text + "\n" + self.kilnd.log_text())
        if code:
            return result
        rootfs, config = self.unpack(name, f"unpacked-{self.number}")
        return kilntest.Built(name, rootfs, config, result)

    def test_an_archive_is_a_context_whatever_compresses_it(self):
        plain = archive({"Dockerfile": "FROM scratch\nCOPY a /a\nCOPY d /d\n", "a": "one", "d/b": "two"})
        for name, data in {"plain": plain, "gzip": gzip.compress(plain), "bzip2": bz2.compress(plain),
                           "xz": lzma.compress(plain), "zstd": zstd(plain)}.items():
            with self.subTest(name):
                built = self.from_stdin(data)
                self.assertEqual(built.text("a"), "one")
                self.assertEqual(built.text("d/b"), "two")
                self.assertEqual(built.mode("a"), "0640")
                self.assertEqual(int(built.stat("a").st_mtime), 1_600_000_000)

    def test_owners_in_the_archive_are_kept_unless_chown_says_otherwise(self):
        built = self.from_stdin(archive({"Dockerfile": "FROM scratch\nCOPY a /a\nCOPY --chown=7:8 a /b\nCOPY d /d/\n",
                                         "a": "x", "d/c": "y"}, {"a": (1000, 1001), "d/c": (3, 4)}))
        self.assertEqual(built.owner("a"), "1000:1001")
        self.assertEqual(built.owner("b"), "7:8")
        self.assertEqual(built.owner("d/c"), "3:4")

    def test_another_owner_in_the_archive_is_another_content(self):
        dockerfile = "FROM scratch\nCOPY a /a\n"
        self.from_stdin(archive({"Dockerfile": dockerfile, "a": "owned"}, {"a": (5, 5)}))
        built = self.from_stdin(archive({"Dockerfile": dockerfile, "a": "owned"}, {"a": (6, 6)}))
        self.assertEqual(built.owner("a"), "6:6")

    def test_an_unchanged_part_of_an_archive_is_cached(self):
        dockerfile = "FROM scratch\nCOPY part /part\n"
        self.from_stdin(archive({"Dockerfile": dockerfile, "part": "same", "rest": "1"}))
        built = self.from_stdin(archive({"Dockerfile": dockerfile, "part": "same", "rest": "2"}))
        self.assertEqual(kilntest.ran(built.result), [])

    def test_a_dockerfile_alone_builds_with_an_empty_context(self):
        built = self.from_stdin(b"FROM scratch\nCOPY . /empty/\nLABEL alone=yes\n")
        self.assertEqual(built.config["config"]["Labels"], {"alone": "yes"})
        self.assertEqual(built.names("empty"), [])

    def test_file_names_the_dockerfile_in_the_archive(self):
        data = archive({"Dockerfile": "FROM scratch\nLABEL which=default\n",
                        "docker/prod.Dockerfile": "FROM scratch\nLABEL which=prod\n",
                        "low/dockerfile": "FROM scratch\nLABEL which=low\n"})
        for file, which in {"docker/prod.Dockerfile": "prod", "low/Dockerfile": "low"}.items():
            built = self.from_stdin(data, "-f", file)
            self.assertEqual(built.config["config"]["Labels"]["which"], which)

    def test_the_lower_case_name_is_found(self):
        built = self.from_stdin(archive({"dockerfile": "FROM scratch\nLABEL a=b\n"}))
        self.assertEqual(built.config["config"]["Labels"], {"a": "b"})

    def test_dockerignore_has_no_say_in_an_archive(self):
        built = self.from_stdin(archive({"Dockerfile": "FROM scratch\nCOPY . /it/\n", ".dockerignore": "a\n", "a": "x"}))
        self.assertEqual(built.names("it"), [".dockerignore", "Dockerfile", "a"])

    def test_a_missing_dockerfile_says_what_was_tried_and_what_is_there(self):
        result = self.from_stdin(archive({"Containerfile": "FROM scratch\n"}), code=1)
        self.assertIn('the build context of stdin has no "Dockerfile" or "dockerfile"; it has Containerfile: '
                      "name it with --file", result.err)
        result = self.from_stdin(archive({"app/Dockerfile": "FROM scratch\n"}), code=1)
        self.assertIn("--file app/Dockerfile", result.err)
        result = self.from_stdin(archive({}), code=1)
        self.assertIn("the context is empty", result.err)

    def test_file_beside_a_dockerfile_on_stdin_is_refused(self):
        result = self.from_stdin(b"FROM scratch\n", "-f", "other", code=1)
        self.assertIn("--file names another", result.err)
        result = self.from_stdin(b"FROM scratch\n", "-f", "-", code=2)
        self.assertIn("only one can be read from stdin", result.err)

    def test_an_empty_stdin_is_told(self):
        result = self.from_stdin(b"", code=1)
        self.assertIn("stdin is empty", result.err)

    def test_a_damaged_archive_is_told(self):
        result = self.from_stdin(gzip.compress(archive({"Dockerfile": "FROM scratch\n", "a": os.urandom(99999)}))[:-5000],
                                 code=1)
        self.assertIn("the archive on stdin", result.err)

    def test_hostile_members_stay_inside(self):
        canary = self.directory / "canary"
        canary.write_text("untouched")
        base = {"Dockerfile": "FROM scratch\nCOPY . /it/\n"}
        for name, members in {
            "climbs": {"../../../../../../../../../../.." + str(canary): "gone"},
            "link": {"l": entry(tarfile.SYMTYPE, str(canary)), "m": entry(tarfile.LNKTYPE, "l/../../etc/passwd")},
            "directory link": {"d": entry(tarfile.SYMTYPE, str(self.directory)), "d/canary": "gone"},
            "hard link": {"h": entry(tarfile.LNKTYPE, str(canary))},
        }.items():
            with self.subTest(name):
                result = self.kilnd.kiln("build", "--progress=plain", "-", stdin=archive({**base, **members}))
                self.assertIn(result.code, (0, 1), result.text)
                self.assertNotIn("internal", result.err.replace("[internal]", ""))
                self.assertEqual(canary.read_text(), "untouched")

    def test_a_dockerfile_that_is_a_link_out_of_the_archive_reads_nothing_there(self):
        result = self.from_stdin(archive({"Dockerfile": entry(tarfile.SYMTYPE, "/etc/passwd")}), code=1)
        self.assertNotIn("root:", result.err)

    def test_a_pipe_that_nobody_writes_to_holds_up_no_other_build_and_ends_with_its_client(self):
        waiting = [self.kilnd.start_kiln("build", "-", stdin=subprocess.PIPE) for _ in range(6)]
        try:
            time.sleep(0.5)
            self.assertEqual(self.from_stdin(b"FROM scratch\nCOPY . /x/\n").names("x"), [])
            for client in waiting:
                self.assertIsNone(client.poll())
                client.send_signal(signal.SIGTERM)
            for client in waiting:
                client.wait(20)
        finally:
            for client in waiting:
                client.kill()
                client.communicate()
        kilntest.wait_until(lambda: not list((self.kilnd.root / "tmp").glob("context*")), "contexts to be removed")

    def test_a_terminal_as_stdin_is_refused(self):
        leader, follower = os.openpty()
        with os.fdopen(leader), os.fdopen(follower) as terminal:
            client = self.kilnd.start_kiln("build", "-", stdin=terminal)
            _, error = client.communicate(timeout=20)
        self.assertEqual(client.returncode, 2)
        self.assertIn(b"stdin is a terminal", error)


class DirectoryTest(kilntest.SharedDaemonTest):
    def test_a_dockerfile_on_stdin_uses_the_directory(self):
        name = self.new_name()
        context = self.context({"a": "x"})
        self.build(self.kilnd, context, "-f", "-", "-t", name, "--push", stdin=b"FROM scratch\nCOPY a /a\n")
        self.assertEqual((self.unpack(name)[0] / "a").read_text(), "x")

    def test_a_missing_dockerfile_suggests_what_is_there(self):
        context = self.context({"Containerfile": "FROM scratch\n"})
        result = self.build(self.kilnd, context, code=1)
        self.assertIn("Dockerfile: no such file", result.err)
        self.assertIn("Containerfile: name it with --file", result.err)

    def test_a_file_as_context_says_how_it_is_given(self):
        context = self.context({"context.tar": "x"})
        result = self.build(self.kilnd, context / "context.tar", code=2)
        self.assertIn("kiln build - < ", result.err)

    def test_a_directory_that_is_not_there_is_named(self):
        result = self.build(self.kilnd, self.directory / "nowhere", code=1)
        self.assertIn('nowhere": No such file or directory', result.err)

    def test_a_directory_that_another_user_may_not_read_is_named(self):
        context = self.context({"Dockerfile": "FROM scratch\n"})
        context.chmod(0o700)
        result = self.kilnd.kiln("build", context, user=65534)
        self.assertIn(result.code, (1, 3))
        if result.code == 1:
            self.assertIn("Permission denied", result.err)


if __name__ == "__main__":
    kilntest.main()
