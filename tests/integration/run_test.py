"""RUN: what a command sees, what it may do, what it leaves in the image."""
import json
import os
import re
import signal
import stat

import kilntest


class RunTest(kilntest.SharedDaemonTest):
    config = 'allow = ["network.host"]'

    def printed(self, dockerfile, *flags, files=None, word="RUN", **options):
        context = self.context({"Dockerfile": dockerfile, **(files or {})})
        return kilntest.output_of(self.build(self.kilnd, context, *flags, **options), word)


class EnvironmentTest(RunTest):
    def test_env_is_there_with_expansions_and_a_default_path(self):
        lines = self.printed('FROM busybox\nENV A=one B="$A two"\nENV A=new B2="$A two" C=\'$A\' D=a\\ b\nENV OLD form of it\n'
                             'RUN echo "$A|$B|$B2|$C|$D|$OLD|$PATH|$HOME|$(hostname)"\n')
        self.assertEqual(lines, ["new| two|one two|$A|a b|form of it|"
                                 "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin|/root|buildkitsandbox"])

    def test_arguments_are_visible_from_their_line_to_the_end_of_the_stage(self):
        lines = self.printed(
            "ARG GLOBAL=g\nFROM busybox AS one\nARG A=default\nARG FROM_FLAG\nARG GLOBAL\n"
            "RUN echo 1 \"$A|$FROM_FLAG|$GLOBAL|$LATER|$UNDECLARED|$PLAIN\" && touch /1\nARG LATER=late PLAIN\n"
            "FROM busybox\nCOPY --from=one /1 /\nARG PLAIN=p2\nENV LATER=env\nRUN echo 2 \"$A|$GLOBAL|$LATER|$PLAIN\"\n",
            "--build-arg", "FROM_FLAG=given", "--build-arg", "UNDECLARED=hidden", word="echo 1")
        self.assertEqual(lines, ["1 default|given|g|||"])

    def test_an_argument_does_not_outlive_its_stage_and_env_wins_over_it(self):
        lines = self.printed('FROM busybox AS one\nARG A=default\nFROM one\nARG B=b\nENV B=env\nRUN echo "$A|$B"\n',
                             "--build-arg", "B=given")
        self.assertEqual(lines, ["default|env"])  # FROM one continues the stage, as in BuildKit
        lines = self.printed("FROM busybox AS one\nARG A=default\nFROM busybox\nRUN echo \"[$A]\"\n")
        self.assertEqual(lines, ["[]"])

    def test_a_build_argument_without_value_comes_from_the_environment(self):
        lines = self.printed('FROM busybox\nARG TOKEN=none\nRUN echo "$TOKEN"\n', "--build-arg", "TOKEN", env={"TOKEN": "from-env"})
        self.assertEqual(lines, ["from-env"])

    def test_proxies_are_visible_undeclared_and_stay_out_of_the_image(self):
        made = self.built("FROM busybox\nRUN echo \"$HTTP_PROXY $http_proxy\" > /seen\n", None,
                          "--build-arg", "HTTP_PROXY=http://127.0.0.1:1/")
        self.assertEqual(made.text("/seen"), "http://127.0.0.1:1/ http://127.0.0.1:1/\n")
        self.assertNotIn("127.0.0.1:1", json.dumps(made.config))

    def test_platform_arguments_are_there_when_declared(self):
        lines = self.printed('FROM busybox\nARG TARGETPLATFORM\nARG TARGETARCH BUILDOS\nRUN echo "$TARGETPLATFORM $TARGETARCH $BUILDOS [$TARGETOS]"\n')
        self.assertEqual(lines, ["linux/amd64 amd64 linux []"])

    def test_workdir_is_made_and_entered(self):
        made = self.built("FROM busybox\nENV BASE=/srv\nWORKDIR $BASE/a\nWORKDIR b/../c\nRUN pwd > where\nWORKDIR /\nRUN pwd > where\n")
        self.assertEqual(made.text("/srv/a/c/where"), "/srv/a/c\n")
        self.assertEqual(made.text("/where"), "/\n")
        self.assertEqual(made.mode("/srv/a/c"), "0755")

    def test_user_names_give_ids_groups_and_home(self):
        head = ("FROM busybox\nRUN mkdir /home/app && echo 'app:x:1001:1002::/home/app:/bin/sh' >> /etc/passwd && "
                "printf 'app:x:1002:\\nextra:x:2001:app\\nmore:x:2002:x,app\\n' >> /etc/group\n")
        ask = 'RUN echo "who $(id -u) $(id -g) $(id -G | tr " " "\\n" | sort -n | tr "\\n" " ")$HOME"\n'
        for user, expected in {"app": "1001 1002 1002 2001 2002 /home/app", "app:extra": "1001 2001",
                               "1001": "1001 1002", "7": "7 0", "7:8": "7 8", "app:9": "1001 9"}.items():
            with self.subTest(user):
                lines = self.printed(head + f"USER {user}\n" + ask, word="echo \"who")
                self.assertEqual(len(lines), 1)
                self.assertTrue(lines[0].startswith("who " + expected), lines)

    def test_an_unknown_user_is_named(self):
        failed = self.refused("FROM busybox\nUSER nosuch\nRUN id\n")
        self.assertIn("nosuch", failed.err)
        self.assertIn("Dockerfile:3", failed.err)

    def test_shell_changes_the_shell_and_the_exec_form_has_none(self):
        lines = self.printed('FROM busybox\nSHELL ["/bin/sh", "-exc"]\nRUN echo "$0" && false | true\n'
                             'SHELL ["/bin/sh", "-c"]\nRUN ["echo", "$HOME", "two words", "ü"]\n', word='["echo"')
        self.assertEqual(lines, ["$HOME two words ü"])
        failed = self.refused('FROM busybox\nSHELL ["/bin/sh", "-ec"]\nRUN false\\\n  ; echo not reached\n')
        self.assertNotIn("not reached\n", "\n".join(kilntest.output_of(failed, "RUN")))

    def test_here_documents_are_scripts(self):
        made = self.built(
            "FROM busybox\nRUN <<EOF\necho one > /a\nX=two\necho $X >> /a\nEOF\n"
            "RUN <<-\"EOF\"\n\techo \"tab $0\" > /b\n\tEOF\n"
            "RUN <<EOF\n#!/bin/busybox sh\nset -e\necho \"$0\" > /c\nid -u >> /c\nEOF\n"
            "RUN cat > /d <<one && cat <<two >> /d\nfirst\none\nsecond\ntwo\n")
        self.assertEqual(made.text("/a"), "one\ntwo\n")
        self.assertEqual(made.text("/b"), "tab /bin/sh\n")
        self.assertEqual(made.text("/c"), "/dev/pipes/EOF\n0\n")
        self.assertEqual(made.text("/d"), "first\nsecond\n")
        self.assertNotIn("pipes", made.names("/dev"))

    def test_a_command_has_dockers_rights_and_no_input(self):
        lines = self.printed("FROM busybox\nRUN grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status; cat; "
                             "echo x > /proc/sysrq-trigger || echo read-only; ls -A /proc/acpi /sys/firmware\n")
        values = dict(line.split(":\t") for line in lines if ":\t" in line)
        self.assertEqual(values, {"CapEff": "00000000a80425fb", "CapBnd": "00000000a80425fb", "NoNewPrivs": "0", "Seccomp": "2"})
        self.assertIn("read-only", lines)

    def test_limits_hosts_and_shared_memory_are_set_by_flags(self):
        lines = self.printed("FROM busybox\nRUN ulimit -Sn; ulimit -Hn; df -k /dev/shm | tail -1 | awk '{print $2}'; "
                             "grep one.example /etc/hosts; grep six.example /etc/hosts\n",
                             "--ulimit", "nofile=1000:2000", "--shm-size", "8m",
                             "--add-host", "one.example:10.1.2.3", "--add-host", "six.example=::1")
        self.assertEqual([line.split() for line in lines],
                         [["1000"], ["2000"], ["8192"], ["10.1.2.3", "one.example"], ["::1", "six.example"]])


class FailureTest(RunTest):
    def test_a_failed_command_shows_its_exit_code_its_step_and_its_line(self):
        failed = self.refused("FROM busybox\n\nRUN echo to-stdout; echo to-stderr >&2; \\\n    exit 3\n")
        self.assertEqual(failed.code, 1)
        for text in ("exit code: 3", "to-stdout", "to-stderr", "Dockerfile:3", "[2/2] RUN"):
            self.assertIn(text, failed.err)
        self.assertIn("\n>>> 3 | RUN echo to-stdout", failed.err)

    def test_a_quiet_build_shows_the_last_lines_of_what_failed(self):
        context = self.context({"Dockerfile": "FROM busybox\nRUN seq 1 5000; echo the cause >&2; exit 7\n"})
        failed = self.kilnd.kiln("build", "-q", context)
        self.assertEqual((failed.code, failed.out), (1, ""))
        for text in ("the cause", "exit code: 7", "5000", "Dockerfile:2"):
            self.assertIn(text, failed.err)
        self.assertNotIn("\n1000\n", failed.err)

    def test_a_command_that_does_not_exist_is_named(self):
        failed = self.refused("FROM busybox\nRUN no-such-command --flag\n")
        self.assertIn("no-such-command: not found", failed.err)
        self.assertIn("exit code: 127", failed.err)
        failed = self.refused('FROM busybox\nRUN ["/no/such/program", "x"]\n')
        self.assertIn("/no/such/program", failed.err)
        failed = self.refused("FROM scratch\nRUN echo x\n")
        self.assertIn("/bin/sh", failed.err)

    def test_the_exit_code_of_a_killed_command_says_by_which_signal(self):
        failed = self.refused("FROM busybox\nRUN sh -c 'kill -9 $$'; exit $?\n")
        self.assertIn("137", failed.err)

    def test_nothing_of_a_failed_step_stays(self):
        context = self.context({"Dockerfile": "FROM busybox\nRUN touch /half && exit 1\n"})
        self.build(self.kilnd, context, code=1)
        made = self.built("FROM busybox\nRUN ! test -e /half && touch /whole\n")
        self.assertTrue(made.path("/whole").exists())


class OutputTest(RunTest):
    def test_megabytes_of_output_arrive_whole_and_in_order(self):
        count = 450_000  # 3 MB
        lines = self.printed(f"FROM busybox\nRUN seq 1 {count}; seq 1 100 >&2; echo end-without-newline | tr -d '\\n'\n")
        out = [line for line in lines if line.isdigit()]
        self.assertEqual(len(out), count + 100)
        rest = iter(map(int, out))
        expected = 1
        extra = []
        for number in rest:
            if number == expected:
                expected += 1
            else:
                extra.append(number)
        self.assertEqual((expected, extra), (count + 1, list(range(1, 101))))
        self.assertIn("end-without-newline", lines)

    def test_output_comes_while_the_command_runs(self):
        with kilntest.gate() as server:
            context = self.context({"Dockerfile": f"FROM busybox\nRUN echo before; wget -qO- {server.url}/wait/x; echo after\n"})
            kiln = self.kilnd.start_kiln("build", "--progress=plain", "--network=host", "--allow=network.host", context)
            seen = []
            for line in kiln.stderr:
                seen.append(line.decode())
                if re.fullmatch(r"#\d+ \d+\.\d{3} before\n", seen[-1]):
                    break
            self.assertIsNone(kiln.poll(), "".join(seen))
            kilntest.wait_until(lambda: server.arrived, "the command's request")
            server.opened.set()
            rest = kiln.communicate(timeout=60)[1].decode()
            self.assertEqual(kiln.returncode, 0, rest)
            self.assertRegex(rest, r"#\d+ \d+\.\d{3} after\n")

    def test_bytes_that_are_no_text_do_not_break_the_stream(self):
        lines = self.printed("FROM busybox\nRUN printf 'a\\377b\\n\\000zero\\nlong-'; head -c 300000 /dev/zero | tr '\\0' x; printf '\\ngr\\303\\274n\\n'\n")
        self.assertEqual(lines[-1], "grün")
        self.assertEqual(lines[-2], "long-" + "x" * 300000)


class NetworkTest(RunTest):
    NAMES = "RUN echo namespace $(readlink /proc/self/ns/net); ls /sys/class/net; ip route\n"

    def host_namespace(self):
        return "namespace " + os.readlink(f"/proc/{self.kilnd.process.pid}/ns/net")

    def test_network_none_has_only_the_loopback(self):
        for dockerfile, flags in (("FROM busybox\n" + self.NAMES, ["--network=none"]),
                                  ("FROM busybox\n" + self.NAMES.replace("RUN", "RUN --network=none"), [])):
            lines = self.printed(dockerfile, "--no-cache", *flags)
            self.assertNotEqual(lines[0], self.host_namespace())
            self.assertEqual(lines[1:], ["lo"])

    def test_network_host_is_the_hosts_when_it_is_allowed(self):
        lines = self.printed("FROM busybox\n" + self.NAMES.replace("RUN", "RUN --network=host"), "--allow", "network.host")
        self.assertEqual(lines[0], "namespace " + os.readlink("/proc/self/ns/net"))
        failed = self.refused("FROM busybox\nRUN --network=host true\n")
        self.assertIn("network.host", failed.err)
        self.assertIn("Dockerfile:2", failed.err)

    def test_the_default_network_is_a_bridge_with_a_way_out(self):
        lines = self.printed("FROM busybox\n" + self.NAMES)
        self.assertNotEqual(lines[0], self.host_namespace())
        self.assertIn("eth0", lines)
        self.assertTrue(any(line.startswith("default via ") for line in lines), lines)

    def test_resolver_files_are_there_and_not_in_the_layer(self):
        made = self.built("FROM busybox\nRUN cat /etc/resolv.conf > /resolv; cat /etc/hosts > /hosts\n")
        self.assertIn("localhost", made.text("/hosts"))
        self.assertIn("nameserver", made.text("/resolv"))
        names = {name.rstrip("/") for name in self.layer(made.reference)}
        self.assertEqual(names, {"resolv", "hosts"})

    def test_two_steps_have_networks_of_their_own(self):
        lines = self.printed("FROM busybox\nRUN --network=none (nc -l -p 7654 -s 127.0.0.1 -e true & sleep 0.1; echo up)\n"
                             "RUN --network=none nc -z 127.0.0.1 7654 || echo alone\n", word="nc -z")
        self.assertIn("alone", lines)


class LayerTest(RunTest):
    def test_deletions_and_replacements_of_lower_layers_are_right(self):
        made = self.built(
            "FROM busybox\n"
            "RUN mkdir -p /d/sub/deep /e /f /g && for f in /d/a /d/b /d/sub/c /d/sub/deep/x /e/old /f/old /g/old; do echo low > $f; done && "
            "ln -s a /d/link && mkdir /swap1 && touch /swap1/in && echo file > /swap2 && mkdir /ldir && touch /ldir/x\n"
            "RUN rm /d/a && rm -r /d/sub && rm -rf /e && mkdir /e && echo new > /e/new\n"
            "RUN rm -r /swap1 && echo now-a-file > /swap1 && rm /swap2 && mkdir /swap2 && touch /swap2/in && "
            "rm /d/link && mkdir /d/link && rm -r /ldir && ln -s /e /ldir\n"
            "RUN mv /f /f2 && mv /d/b /d/b2 && rm -rf /home && rm -r /g && mkdir /g\n"
            "RUN echo back > /d/a && mkdir -p /d/sub && touch /d/sub/fresh\n")
        self.assertEqual(made.names("/d"), ["a", "b2", "link", "sub"])
        self.assertEqual(made.text("/d/a"), "back\n")
        self.assertEqual(made.names("/d/sub"), ["fresh"])
        self.assertEqual(made.names("/e"), ["new"])
        self.assertEqual(made.text("/swap1"), "now-a-file\n")
        self.assertEqual(made.names("/swap2"), ["in"])
        self.assertEqual(made.names("/d/link"), [])
        self.assertEqual(os.readlink(made.path("/ldir")), "/e")
        self.assertFalse(made.path("/f").exists())
        self.assertEqual(made.text("/f2/old"), "low\n")
        self.assertFalse(made.path("/home").exists())
        self.assertEqual(made.names("/g"), [])
        self.assertEqual([path for path in made.rootfs.rglob(".wh.*")], [])

    def test_the_next_step_sees_what_the_image_will_have(self):
        lines = self.printed("FROM busybox\nRUN mkdir /d && touch /d/a /d/b\nRUN rm -r /d && mkdir /d && touch /d/c\n"
                             "RUN echo \"now $(ls /d)\"\n", word='echo "now')
        self.assertEqual(lines, ["now c"])

    def test_an_opaque_directory_hides_what_is_below_it(self):
        made = self.built("FROM busybox\nRUN mkdir -p /d/s && touch /d/1 /d/s/2\nRUN rm -r /d && mkdir -p /d/s && touch /d/s/3\n")
        self.assertEqual((made.names("/d"), made.names("/d/s")), (["s"], ["3"]))

    def test_changed_metadata_is_a_change(self):
        made = self.built("FROM busybox\nRUN mkdir /d && echo same > /d/f && touch -d @1000000000 /d/f /d && echo x > /l && ln /l /l2\n"
                          "RUN chmod 4700 /d/f && chown 3:4 /d\nRUN ln /d/f /hard && echo y >> /l\n")
        self.assertEqual((made.mode("/d/f"), made.owner("/d"), made.text("/d/f")), ("4700", "3:4", "same\n"))
        self.assertEqual(made.stat("/hard").st_ino, made.stat("/d/f").st_ino)
        self.assertEqual(made.text("/l"), "x\ny\n")

    def test_a_step_that_changes_nothing_makes_an_empty_layer(self):
        made = self.built("FROM busybox\nRUN true\n")
        self.assertEqual({name.strip("./") for name in self.layer(made.reference)} - {""}, set())

    def test_a_command_in_an_image_from_scratch_leaves_only_its_own_files(self):
        made = self.built('FROM scratch\nCOPY --from=busybox /bin/busybox /busybox\nRUN ["/busybox", "touch", "/made"]\n'
                          'RUN ["/busybox", "sh", "-c", "/busybox ls / > /seen"]\n')
        self.assertEqual(made.names("/"), ["busybox", "made", "seen"])
        self.assertIn("proc", made.text("/seen"))

    def test_mount_points_that_the_image_has_stay_as_they_are(self):
        made = self.built("FROM busybox\nRUN rm -rf /etc/resolv.conf /sys; chmod 700 /etc; true\nRUN touch /x\n")
        self.assertEqual({name.rstrip("/") for name in self.layer(made.reference)}, {"x"})

    def test_special_files_are_kept(self):
        made = self.built("FROM busybox\nRUN mkfifo -m 600 /fifo && mknod -m 640 /null c 1 3 && mknod /loop b 7 0\n")
        self.assertTrue(stat.S_ISFIFO(made.stat("/fifo").st_mode))
        self.assertEqual(made.stat("/null").st_rdev, os.makedev(1, 3))
        self.assertTrue(stat.S_ISBLK(made.stat("/loop").st_mode))

    def test_a_big_file_is_kept_to_the_byte(self):
        made = self.built("FROM busybox\nRUN dd if=/dev/urandom of=/big bs=1M count=40 2>/dev/null && sha256sum /big > /sum && "
                          "truncate -s 100M /sparse && printf end >> /sparse\n")
        self.assertEqual(kilntest.sha256_of(made.path("/big")), made.text("/sum").split()[0])
        self.assertEqual(made.stat("/sparse").st_size, 100 * 1024 * 1024 + 3)

    def test_what_lives_in_proc_sys_and_dev_is_not_in_the_layer(self):
        made = self.built("FROM busybox\nRUN echo x > /dev/shm/x && echo y > /dev/y && touch /z\n")
        self.assertEqual({name.rstrip("/") for name in self.layer(made.reference)}, {"z"})


class ProcessTest(RunTest):
    def test_a_process_in_the_background_ends_with_its_step(self):
        marker = f"sleep 9{os.getpid()}1"
        self.printed(f"FROM busybox\nRUN {marker} & (setsid {marker} </dev/null >/dev/null 2>&1 &) ; echo started\n")
        self.assertEqual(kilntest.processes(marker), [])

    def interrupted(self, how, code):
        marker = f"sleep 9{os.getpid()}{how}"
        context = self.context({"Dockerfile": f"FROM busybox\nRUN (trap '' INT TERM; {marker}) & echo up; {marker}\n"})
        kiln = self.kilnd.start_kiln("build", "--progress=plain", "--no-cache", context)
        kilntest.wait_until(lambda: len(kilntest.processes(marker)) >= 2, "the command")
        kiln.send_signal(how)
        err = kiln.communicate(timeout=60)[1].decode()
        self.assertEqual(kiln.returncode, code, err)
        kilntest.wait_until(lambda: not kilntest.processes(marker), "the end of the step's processes")
        self.built("FROM busybox\nRUN touch /healthy\n")

    def test_an_interrupt_stops_the_step_and_the_daemon_stays_well(self):
        self.interrupted(signal.SIGINT, 130)

    def test_a_terminated_client_stops_the_step(self):
        self.interrupted(signal.SIGTERM, 143)

    def test_a_killed_client_stops_the_step(self):
        self.interrupted(signal.SIGKILL, -9)


if __name__ == "__main__":
    kilntest.main()
