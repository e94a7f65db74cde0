"""Mistakes of users: the message names what they typed, the exit code tells whose fault it is, and nothing stays."""
import os
import socket
import subprocess

import kilntest


def trace(root):
    """What a build could leave: the names below snapshots/, blobs/ and tmp/."""
    found = set()
    for folder in ("snapshots", "blobs", "tmp"):
        for at, directories, files in os.walk(root / folder):
            found.update(os.path.join(at, name) for name in directories + files)
    return found


def counts(daemon):
    """`kiln df` without the rows that count attempts (logs) or are never empty (database)."""
    rows = [line.rsplit(None, 3) for line in daemon.kiln("df").out.splitlines()[1:]]
    return {row[0]: row[1] for row in rows if row and row[0] in (
        "images", "base images", "layers", "snapshots", "blobs", "cache records")}


class BadInputTest(kilntest.SharedDaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # The base image is there before the first mistake: fetching it is no trace of one.
        warm = cls.class_directory / "warm"
        warm.mkdir()
        (warm / "Dockerfile").write_text("FROM busybox\nRUN true\n")
        done = cls.kilnd.kiln("build", "-t", "warm", warm)
        if done.code != 0:
            raise AssertionError(done.text)

    def setUp(self):
        super().setUp()
        self.before = trace(self.kilnd.root), counts(self.kilnd)
        self.assertIn("snapshots", self.before[1])

    def tearDown(self):
        # A failed step's directory in tmp/ is removed beside the answer, not before it.
        kilntest.wait_until(lambda: not trace(self.kilnd.root) - self.before[0], "the store as it was before")
        self.assertEqual(counts(self.kilnd), self.before[1], "a trace in the accounts")

    def says(self, result, *words):
        """Every word is in the message, which is not an internal error and no exception's type name."""
        message = [line for line in result.err.splitlines() if "kiln:" in line or "ERROR" in line or "error" in line]
        for word in words:
            self.assertIn(str(word), result.err)
        self.assertTrue(message, result.err)
        for never in ("internal", "std::", "what():", "bug", "nlohmann", "sqlite"):
            self.assertNotIn(never, "\n".join(line for line in message).replace("[internal]", ""))

    def dockerfile_error(self, text, line, *words, files=None, flags=(), code=1):
        result = self.refused(text, files, *flags, code=code)
        self.says(result, f"Dockerfile:{line}", *words)
        return result

    def test_a_context_without_a_dockerfile_is_named(self):
        context = self.context({"file": ""})
        self.says(self.build(self.kilnd, context, code=1), context / "Dockerfile", "no such file", "--file")

    def test_a_dockerfile_named_by_a_flag_that_is_not_there_is_named(self):
        context = self.context({"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"})
        result = self.build(self.kilnd, context, "-f", "other/Dockerfile.prod", code=1)
        self.says(result, "other/Dockerfile.prod", "no such file")

    def test_a_dockerfile_that_is_a_directory_is_named(self):
        context = self.context({"Dockerfile/x": ""})
        self.says(self.build(self.kilnd, context, code=1), context / "Dockerfile", "directory")

    def test_an_empty_dockerfile_is_refused(self):
        for text in ("", "\n\n  \n", "# only a comment\n", "ARG A=1\n"):
            with self.subTest(text=text):
                self.says(self.refused(text), "Dockerfile")

    def test_a_dockerfile_that_is_not_text_is_refused(self):
        self.says(self.build(self.kilnd, self.context({"Dockerfile": bytes(range(256)) * 4}), code=1), "Dockerfile:1")

    def test_an_unknown_instruction_has_its_place_and_a_suggestion(self):
        self.dockerfile_error("FROM busybox\n\nRUNN echo\n", 3, "RUNN", "RUN")

    def test_an_instruction_before_from_has_its_place(self):
        self.dockerfile_error("RUN echo\nFROM busybox\n", 1, "FROM")

    def test_an_unknown_flag_of_an_instruction_has_its_place(self):
        self.dockerfile_error("FROM busybox\nCOPY --chwon=1 a /\n", 2, "--chwon", files={"a": ""})

    def test_a_missing_operand_has_its_place(self):
        self.dockerfile_error("FROM busybox\nCOPY a\n", 2, "COPY")
        self.dockerfile_error("FROM\n", 1, "FROM")

    def test_a_bad_json_form_or_heredoc_has_its_place(self):
        self.dockerfile_error("FROM busybox\nRUN <<EOF\necho\n", 2, "EOF")

    def test_a_missing_source_is_named_with_its_line(self):
        self.dockerfile_error("FROM busybox\nRUN true\nCOPY not/here.txt /\n", 3, "not/here.txt", "not found")

    def test_a_missing_source_beside_others_is_named(self):
        result = self.dockerfile_error("FROM busybox\nCOPY one two three /to/\n", 2, "two",
                                       files={"one": "", "three": ""})
        self.assertNotIn('"one"', result.err)

    def test_a_source_that_dockerignore_excludes_says_so(self):
        self.dockerfile_error("FROM busybox\nCOPY secret.key /\n", 2, "secret.key", ".dockerignore",
                              files={"secret.key": "", ".dockerignore": "*.key\n"})

    def test_a_missing_source_in_another_stage_is_named(self):
        self.dockerfile_error("FROM busybox AS made\nFROM busybox\nCOPY --from=made /nothing/there /\n", 3,
                              "/nothing/there")

    def test_an_unknown_target_is_named_with_what_there_is(self):
        result = self.refused("FROM busybox AS build\nFROM build AS final\n", None, "--target", "fnial")
        self.says(result, "fnial", "final")

    def test_an_unknown_stage_or_image_of_copy_from_is_named(self):
        self.dockerfile_error("FROM busybox AS build\nFROM busybox\nCOPY --from=biuld /bin/sh /x\n", 3, "biuld")
        self.dockerfile_error("FROM busybox\nCOPY --from=7 /bin/sh /x\n", 2, "7")

    def test_an_unknown_base_image_is_named_with_its_line_and_the_registry(self):
        result = self.dockerfile_error("ARG A\nFROM no-such-image:1.2\n", 2, "no-such-image:1.2", self.mirror.host)
        self.assertIn("404", result.err)

    def test_an_unknown_tag_is_named(self):
        self.dockerfile_error("FROM busybox:no-such-tag\n", 1, "busybox:no-such-tag")

    def test_an_unknown_digest_is_named(self):
        self.dockerfile_error(f"FROM busybox@sha256:{'0' * 64}\n", 1, "sha256:" + "0" * 64)

    def test_an_invalid_reference_in_from_has_its_place(self):
        for name in ("library/UPPER", "busybox:", "busybox@sha256:12", "a//b", "-x"):
            with self.subTest(name=name):
                self.dockerfile_error(f"FROM {name}\n", 1, name)

    def test_an_empty_base_name_from_an_argument_says_which(self):
        self.dockerfile_error("ARG BASE\nFROM ${BASE}\n", 2, "BASE")

    def test_an_invalid_name_for_the_image_is_named_before_anything_runs(self):
        for name in ("UPPER", "a b", "x:y:z", "", "name@sha256:" + "0" * 64):
            with self.subTest(name=name):
                result = self.kilnd.kiln("build", "--progress=plain", "-t", name, self.context(
                    {"Dockerfile": "FROM busybox\nRUN echo it-ran\n"}))
                self.assertIn(result.code, (1, 2), result.text)
                self.says(result, name)
                self.assertNotIn("it-ran", result.text.replace("RUN echo it-ran", ""))

    def test_a_registry_that_is_down_is_named_with_the_cause(self):
        gone = f"127.0.0.1:{kilntest.free_port()}"
        result = self.dockerfile_error(f"FROM {gone}/some/image:1\n", 1, f"{gone}/some/image:1", "refused")
        self.assertLess(result.seconds, 60)

    def test_a_push_to_a_registry_that_is_down_fails_and_keeps_the_image(self):
        gone = f"127.0.0.1:{kilntest.free_port()}"
        result = self.kilnd.kiln("push", "warm")
        self.assertEqual(result.code, 1, result.text)  # docker.io is a mirror here: there is no pushing to it
        self.kilnd.kiln("tag", "warm", f"{gone}/it")
        result = self.kilnd.kiln("push", f"{gone}/it")
        self.assertEqual(result.code, 1, result.text)
        self.says(result, gone, "refused")
        self.assertEqual(self.kilnd.kiln("rmi", f"{gone}/it").code, 0)

    def test_misuse_of_flags_ends_with_2_and_names_the_flag(self):
        context = self.context({"Dockerfile": "FROM busybox\n"})
        for flags, word in ((["--no-such-flag"], "--no-such-flag"), (["--build-arg", "=x"], "--build-arg"),
                            (["--platform", "amd64/linux/x/y"], "amd64/linux/x/y"), (["--progress=rainbow"], "rainbow"),
                            (["-o", "type=floppy,dest=x"], "floppy"), (["--network", "moon"], "moon"),
                            (["--label", "=x"], "--label"), (["--shm-size", "many"], "many"),
                            (["--ulimit", "nofile"], "nofile"), (["--add-host", "x"], "--add-host")):
            with self.subTest(flags=flags):
                result = self.build(self.kilnd, context, *flags, code=2)
                self.assertIn(word, result.err)

    def test_an_unknown_command_and_no_context_are_misuse(self):
        for words, named in ((["biuld", "."], "biuld"), (["build"], "CONTEXT"), (["rmi"], "NAME"),
                             (["build", "a", "b"], "b")):
            with self.subTest(words=words):
                result = self.kilnd.kiln(*words)
                self.assertEqual(result.code, 2, result.text)
                self.assertIn(named, result.err)

    def test_a_context_that_is_a_file_is_misuse(self):
        file = self.context({"file": ""}) / "file"
        self.says(self.build(self.kilnd, file, code=2), file, "not a directory")

    def test_a_context_that_is_not_there_is_named(self):
        result = self.build(self.kilnd, self.directory / "nowhere", code=1)
        self.says(result, self.directory / "nowhere", "No such file")

    def test_a_context_that_the_user_cannot_read_is_named(self):
        context = self.context({"Dockerfile": "FROM busybox\nCOPY . /x\n"})
        context.chmod(0o700)
        self.kilnd.directory.chmod(0o755)
        self.kilnd.socket.chmod(0o666)
        self.says(self.build(self.kilnd, context, user=65534, code=1), context, "Permission denied")

    def test_a_dockerignore_that_is_wrong_is_named(self):
        self.says(self.refused("FROM busybox\nCOPY . /x\n", {".dockerignore": "[a-\n"}), ".dockerignore", "[a-")

    def test_an_output_that_cannot_be_written_is_named(self):
        context = self.context({"Dockerfile": "FROM busybox\n"})
        result = self.build(self.kilnd, context, "-o", f"type=oci,dest={self.directory}/no/such/folder.tar", code=1)
        self.says(result, "/no/such/folder.tar")

    def test_commands_about_an_image_that_is_not_there_name_it(self):
        for words in (["rmi", "nothing"], ["inspect", "nothing"], ["history", "nothing"], ["tag", "nothing", "x"],
                      ["push", "nothing"], ["save", "-o", self.directory / "x.tar", "nothing"]):
            with self.subTest(words=words):
                result = self.kilnd.kiln(*words)
                self.assertEqual(result.code, 1, result.text)
                self.assertIn("nothing", result.err)
        self.assertFalse((self.directory / "x.tar").exists())

    def test_an_archive_that_is_none_is_refused(self):
        path = self.directory / "bad.tar"
        for content in (b"", b"not a tar" * 500, bytes(10240)):
            with self.subTest(content=content[:10]):
                path.write_bytes(content)
                result = self.kilnd.kiln("load", "-i", path)
                self.assertEqual(result.code, 1, result.text)
                self.assertIn("bad.tar", result.err)

    def test_no_daemon_is_exit_code_3_with_what_to_do(self):
        nowhere = f"unix://{self.directory}/nobody.sock"
        result = self.kilnd.kiln("--host", nowhere, "images")
        self.assertEqual(result.code, 3, result.text)
        self.assertIn(nowhere.removeprefix("unix://"), result.err)
        self.assertIn("kilnd", result.err)

    def test_a_socket_that_nobody_serves_is_exit_code_3(self):
        path = self.directory / "dead.sock"
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
        result = self.kilnd.kiln("--host", f"unix://{path}", "images")
        self.assertEqual(result.code, 3, result.text)
        self.assertIn(str(path), result.err)

    def test_a_failing_command_shows_its_exit_code_its_line_and_its_last_words(self):
        result = self.dockerfile_error("FROM busybox\nRUN echo last-words; exit 7\n", 2, "exit code: 7", "last-words")
        self.assertEqual(result.code, 1)

    def test_a_wrong_configuration_of_the_daemon_is_named_by_file_and_key(self):
        config = self.directory / "kilnd.toml"
        for text, words in (("root = 7\n", ["root"]), ("no-such-key = 1\n", ["no-such-key"]), ("root = \n", ["1"]),
                            ("[gc]\nmax-bytes = \"lots\"\n", ["max-bytes", "lots"])):
            with self.subTest(text=text):
                config.write_text(text)
                done = subprocess.run([kilntest.BIN / "kilnd", "--config", config], capture_output=True, timeout=20)
                self.assertEqual(done.returncode, 2, done.stderr)
                for word in [str(config), *words]:
                    self.assertIn(word, done.stderr.decode())


if __name__ == "__main__":
    kilntest.main()
