"""RUN --mount=type=secret: who sees a secret, and that nobody else does."""
import os
import pathlib
import threading

import kilntest

VALUE = "hunter2-7c5e1d90-a-value-found-nowhere-else"
MOUNT = "RUN --mount=type=secret,id=key"


class SecretsTest(kilntest.SharedDaemonTest):
    def printed(self, dockerfile, *flags, word="RUN", **options):
        context = self.context({"Dockerfile": dockerfile})
        return kilntest.output_of(self.build(self.kilnd, context, "--no-cache", *flags, **options), word)

    def secret(self, value=VALUE, name="value.txt"):
        """--secret for a file outside of the context."""
        path = self.directory / name
        path.write_bytes(value.encode() if isinstance(value, str) else value)
        return "--secret", f"id=key,src={path}"


class FileTest(SecretsTest):
    def test_is_a_file_of_root_below_run_secrets_that_leaves_no_trace(self):
        made = self.built(f"FROM busybox\n{MOUNT} cat /run/secrets/key | wc -c > /size; "
                          "stat -c '%a %u:%g' /run/secrets/key > /status; ls -A /run/secrets > /names\n",
                          None, *self.secret())
        self.assertEqual(made.text("/size").strip(), str(len(VALUE)))
        self.assertEqual(made.text("/status"), "400 0:0\n")
        self.assertEqual(made.text("/names"), "key\n")
        self.assertFalse(made.path("/run/secrets").exists())
        self.assertEqual(sorted(self.layer(made.reference)), ["names", "size", "status"])

    def test_has_the_target_mode_and_owner_that_the_mount_names(self):
        lines = self.printed("FROM busybox\nRUN --mount=type=secret,id=key,target=/root/.npmrc,mode=0440,uid=7,gid=8 "
                             "stat -c '%a %u:%g' /root/.npmrc && cat /root/.npmrc\n", *self.secret("from a file\n"))
        self.assertEqual(lines, ["440 7:8", "from a file"])

    def test_may_be_any_bytes_up_to_the_limit(self):
        value = bytes(range(256)) * 2000  # 500 KiB
        self.assertEqual(len(value), 500 * 1024)
        lines = self.printed(f"FROM busybox\n{MOUNT} sha256sum < /run/secrets/key\n", *self.secret(value))
        self.assertEqual(lines[0].split()[0], kilntest.sha256_of(self.directory / "value.txt"))

    def test_comes_from_a_pipe_too(self):
        fifo = self.directory / "fifo"
        os.mkfifo(fifo)
        writer = threading.Thread(target=lambda: fifo.write_text("through a pipe\n"))
        writer.start()
        lines = self.printed(f"FROM busybox\n{MOUNT} cat /run/secrets/key\n", "--secret", f"id=key,src={fifo}")
        writer.join()
        self.assertEqual(lines, ["through a pipe"])


class VariableTest(SecretsTest):
    def test_is_a_variable_of_that_step_alone(self):
        made = self.built("FROM busybox\nRUN --mount=type=secret,id=key,env=KEY echo -n \"$KEY\" | wc -c > /size; "
                          "ls /run/secrets 2>/dev/null > /names; true\nRUN echo \"[$KEY]\" > /next\n", None, *self.secret())
        self.assertEqual(made.text("/size").strip(), str(len(VALUE)))
        self.assertEqual(made.text("/names"), "")
        self.assertEqual(made.text("/next"), "[]\n")
        self.assertNotIn(VALUE, str(self.raw_config(made.reference)))

    def test_may_be_a_file_and_a_variable_at_once(self):
        lines = self.printed("FROM busybox\nENV KEY=of-the-image\nRUN --mount=type=secret,id=key,target=/k,env=KEY "
                             "echo \"$KEY $(cat /k)\"\n", *self.secret("both"))
        self.assertEqual(lines, ["both both"])

    def test_the_last_of_one_name_counts(self):
        lines = self.printed("FROM busybox\nRUN --mount=type=secret,id=missing,env=KEY --mount=type=secret,id=key,env=KEY echo \"$KEY\"\n",
                             *self.secret("last"))
        self.assertEqual(lines, ["last"])

    def test_comes_from_the_clients_environment(self):
        dockerfile = f"FROM busybox\n{MOUNT} cat /run/secrets/key; echo\n"
        for flag in ("id=key,env=MY_KEY", "id=key,src=MY_KEY,type=env"):
            self.assertEqual(self.printed(dockerfile, "--secret", flag, env={"MY_KEY": "from-env"}), ["from-env"])
        self.assertEqual(self.printed(dockerfile, "--secret", "id=key", env={"key": "by-its-id"}), ["by-its-id"])


class MissingTest(SecretsTest):
    def test_an_optional_one_is_no_file_and_an_empty_variable(self):
        lines = self.printed("FROM busybox\nRUN --mount=type=secret,id=key --mount=type=secret,id=other,env=OTHER "
                             "ls -d /run/secrets 2>/dev/null; echo \"[${OTHER-unset}]\"\n")
        self.assertEqual(lines, ["[]"])

    def test_a_required_one_fails_at_its_line_and_says_what_to_pass(self):
        result = self.refused("FROM busybox\nRUN true\nRUN --mount=type=secret,id=key,required cat /run/secrets/key\n")
        self.assertIn("secret key: not found", result.text)
        self.assertIn("--secret id=key,src=FILE", result.text)
        self.assertIn("Dockerfile:3", result.text)

    def test_a_file_that_is_not_there_is_named_as_it_was_typed(self):
        result = self.refused("FROM busybox\n", None, "--secret", "id=key,src=./nope.txt")
        self.assertIn('--secret "id=key,src=./nope.txt"', result.text)
        self.assertIn("./nope.txt: No such file", result.text)

    def test_one_over_the_limit_is_refused_with_the_limit(self):
        result = self.refused("FROM busybox\n", None, *self.secret("x" * (500 * 1024 + 1)))
        self.assertIn("512001 bytes; a secret may have 500 KiB", result.text)

    def test_wrong_flags_are_misuse(self):
        for flag, words in (("src=x", "the id is missing"), ("id=x,type=vault", "neither file nor env"),
                            ("id=x,path=y", "unknown key"), ("x", "not KEY=VALUE")):
            self.assertIn(words, self.refused("FROM busybox\n", None, "--secret", flag, code=2).text)


class SecrecyTest(SecretsTest):
    def test_a_secret_that_is_not_printed_is_nowhere(self):
        """On the disk below the root, in the daemon's log, in command lines, in the image."""
        seen = []
        with kilntest.gate() as gate:
            dockerfile = (f"FROM busybox\nRUN --network=host --mount=type=secret,id=key,target=/k,env=KEY "
                          f"test \"$KEY\" = \"$(cat /k)\" && wget -qO- {gate.url}/wait/step && false; touch /made\n")
            context = self.context({"Dockerfile": dockerfile})
            daemon = self.daemon(config='allow = ["network.host"]')
            name = self.new_name()
            build = daemon.start_kiln("build", "--progress=plain", "--allow=network.host", "-t", name, "--push",
                                      *self.secret(), context)
            kilntest.wait_until(lambda: gate.arrived, "the step", 60)
            seen += self.where_it_is(daemon)
            gate.opened.set()
            out, err = build.communicate(timeout=120)
            self.assertEqual(build.returncode, 0, err.decode())
        self.assertNotIn(VALUE.encode(), out + err)
        seen += self.where_it_is(daemon)
        rootfs, config = self.unpack(name)
        seen += [path for path in rootfs.rglob("*") if path.is_file() and VALUE.encode() in path.read_bytes()]
        self.assertNotIn(VALUE, str(config))
        self.assertEqual(seen, [])

    def where_it_is(self, daemon):
        value = VALUE.encode()
        found = [path for path in daemon.root.rglob("*") if not path.is_symlink() and path.is_file() and value in path.read_bytes()]
        self.assertTrue(list(daemon.root.rglob("events.ndjson")), "the log of the build was looked at")
        found += ["kilnd.log"] if VALUE in daemon.log_text() else []
        return found + kilntest.processes(VALUE)

    def test_the_value_is_in_no_key(self):
        dockerfile = f"FROM busybox\n{MOUNT} cat /run/secrets/key > /copied\n"
        context = self.context({"Dockerfile": dockerfile})
        step = f"{MOUNT} cat"
        ends = []
        for value in ("first", "second"):
            result = self.build(self.kilnd, context, *self.secret(value))
            ends += [end for name, end in kilntest.steps(result).items() if step in name]
        self.assertEqual(ends, ["DONE", "CACHED"])

    def test_another_user_does_not_read_files_that_he_may_not(self):
        """The client opens them, with the rights of its user."""
        path = pathlib.Path(self.secret()[1].split("src=")[1])
        path.chmod(0o600)
        socket = self.kilnd.socket
        self.addCleanup(os.chmod, socket, os.stat(socket).st_mode & 0o777)
        os.chmod(socket, 0o666)
        context = self.context({"Dockerfile": "FROM busybox\n"})
        result = self.build(self.kilnd, context, "--secret", f"id=key,src={path}", user=1234, code=1)
        self.assertIn("Permission denied", result.text)


if __name__ == "__main__":
    kilntest.main()
