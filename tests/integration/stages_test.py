"""Stages, what is built and what is not, work that builds share, and the configuration that an image gets."""
import contextlib
import json
import signal

import kilntest

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HOST = ("--network=host", "--allow=network.host")


class StagesTest(kilntest.SharedDaemonTest):
    config = 'allow = ["network.host"]'

    def test_stages_that_the_target_does_not_need_are_not_built(self):
        made = self.built("FROM busybox AS broken\nRUN exit 1\nFROM no.such.registry.invalid/image AS unreachable\n"
                          "FROM busybox AS used\nRUN echo used > /used\nFROM scratch\nCOPY --from=used /used /\n")
        self.assertEqual(made.names("/"), ["used"])
        self.assertNotIn("exit 1", made.result.err)

    def test_copy_from_takes_names_numbers_and_images(self):
        made = self.built(
            "FROM busybox AS First\nRUN echo one > /f\nFROM busybox\nRUN echo two > /f\n"
            "FROM scratch\nCOPY --from=first /f /by-name\nCOPY --from=1 /f /by-number\nCOPY --from=0 /f /first\n"
            "COPY --from=busybox /bin/busybox /by-image\nCOPY --from=docker.io/library/busybox:latest /etc/passwd /by-whole-name\n")
        self.assertEqual([made.text(path) for path in ("/by-name", "/by-number", "/first")], ["one\n", "two\n", "one\n"])
        self.assertGreater(made.stat("/by-image").st_size, 100_000)
        self.assertIn("root:", made.text("/by-whole-name"))

    def test_a_stage_can_stand_on_another(self):
        made = self.built("FROM busybox AS base\nENV A=1\nWORKDIR /w\nRUN echo base > b\n"
                          "FROM base AS more\nRUN echo more > m\nFROM more\nRUN echo $A > last\n")
        self.assertEqual(made.names("/w"), ["b", "last", "m"])
        self.assertEqual(made.text("/w/last"), "1\n")
        self.assertEqual(len(made.config["rootfs"]["diff_ids"]), 5)

    def test_target_chooses_a_stage_by_name_or_number(self):
        dockerfile = "FROM busybox AS one\nRUN echo 1 > /is\nFROM busybox AS two\nRUN echo 2 > /is\nFROM busybox\nRUN exit 9\n"
        for target, expected in (("one", "1\n"), ("TWO", "2\n"), ("0", "1\n")):
            self.assertEqual(self.built(dockerfile, None, "--target", target).text("/is"), expected)
        failed = self.refused(dockerfile, None, "--target", "tow")
        self.assertIn('"tow"', failed.err)
        self.assertIn("two", failed.err)

    def test_a_stage_cannot_copy_from_itself_or_a_later_one(self):
        failed = self.refused("FROM busybox AS one\nCOPY --from=two /x /x\nFROM busybox AS two\n", None, "--target", "one")
        self.assertIn("two", failed.err)
        self.assertIn("Dockerfile:2", failed.err)

    def test_a_base_that_does_not_exist_is_named_with_its_line(self):
        failed = self.refused("FROM busybox AS one\nFROM busybox:no-such-tag\nRUN true\n")
        self.assertIn("busybox:no-such-tag", failed.err)
        self.assertIn("Dockerfile:2", failed.err)

    def test_stages_that_do_not_need_each_other_run_at_the_same_time(self):
        with kilntest.gate() as server:
            context = self.context({"Dockerfile": "".join(
                f"FROM busybox AS s{i}\nRUN wget -qO- {server.url}/wait/{i} && echo {i} > /{i}\n" for i in (1, 2)) +
                "FROM scratch\nCOPY --from=s1 /1 /\nCOPY --from=s2 /2 /\n"})
            kiln = self.kilnd.start_kiln("build", "--progress=plain", *HOST, context)
            try:
                # Each waits until both are there.
                kilntest.wait_until(lambda: sorted(server.arrived) == ["1", "2"], "both stages at once")
            finally:
                server.opened.set()
                err = kiln.communicate(timeout=60)[1].decode()
            self.assertEqual(kiln.returncode, 0, err)

    def test_a_trigger_of_the_base_runs_in_the_next_build(self):
        base = self.built("FROM busybox\nONBUILD COPY f /from-trigger\nONBUILD RUN cp /from-trigger /ran\n", {"f": "F"})
        made = self.built(f"FROM {base.reference}\nRUN echo own > /own\n", {"f": "G"})
        self.assertEqual((made.text("/from-trigger"), made.text("/ran")), ("G", "G"))
        self.assertNotIn("OnBuild", self.raw_config(made.reference)["config"])
        self.assertFalse(base.path("/from-trigger").exists())


class SharedWorkTest(kilntest.SharedDaemonTest):
    config = 'allow = ["network.host"]'

    @contextlib.contextmanager
    def two_builds(self):
        """A step that two builds run, waiting for its gate: (gate, first build, second build)."""
        with kilntest.gate() as server:
            context = self.context({"Dockerfile": f"FROM busybox\nRUN wget -qO- {server.url}/arrive/came && "
                                                  f"wget -qO- {server.url}/wait/held && echo done > /done\n"})
            first = self.kilnd.start_kiln("build", "--progress=json", *HOST, context)
            kilntest.wait_until(lambda: "held" in server.arrived, "the first build's step")
            second = self.kilnd.start_kiln("build", "--progress=json", *HOST, context)
            for line in second.stdout:
                event = json.loads(line)
                if event["event"] == "step_started" and "RUN" in event["name"]:
                    break
            try:
                yield server, first, second
            finally:
                server.opened.set()
                for build in (first, second):
                    if build.poll() is None:
                        build.kill()
                    build.communicate()

    def end_of(self, build):
        out, err = build.communicate(timeout=60)
        self.assertEqual(build.returncode, 0, err.decode())
        return json.loads(out.splitlines()[-1])

    def test_a_step_that_two_builds_need_at_once_runs_once(self):
        with self.two_builds() as (server, first, second):
            server.opened.set()
            ends = [self.end_of(build) for build in (first, second)]
            self.assertEqual(ends[0]["image_digest"], ends[1]["image_digest"])
            self.assertEqual(server.arrived.count("came"), 1)

    def test_a_build_that_goes_away_does_not_stop_a_step_that_another_waits_for(self):
        with self.two_builds() as (server, first, second):
            first.send_signal(signal.SIGINT)
            first.communicate(timeout=60)
            self.assertEqual(first.returncode, 130)
            server.opened.set()
            self.assertEqual(self.end_of(second)["event"], "finished")
            self.assertEqual(server.arrived, ["came", "held"])

    def test_a_step_that_nobody_waits_for_any_more_is_stopped(self):
        with self.two_builds() as (server, first, second):
            for build in (second, first):
                build.send_signal(signal.SIGINT)
                build.communicate(timeout=60)
            kilntest.wait_until(lambda: not kilntest.processes(server.url), "the end of the step")


class ConfigurationTest(kilntest.SharedDaemonTest):
    def made(self, dockerfile, files=None, *flags):
        made = self.built(dockerfile, files, *flags)
        return self.raw_config(made.reference)

    def history(self, config):
        """What this build added: (created_by, empty_layer) of each entry."""
        entries = [entry for entry in config["history"] if entry.get("comment") == "buildkit.dockerfile.v0"]
        return [(entry["created_by"], entry.get("empty_layer", False)) for entry in entries]

    def test_every_instruction_ends_in_the_configuration_as_with_buildkit(self):
        config = self.made(
            'FROM busybox\nLABEL a=b "c d"="e f"\nENV X=1 Y="two words"\nARG Z=3\nEXPOSE 80 443/udp 8000-8001\nVOLUME /data\n'
            'VOLUME ["/b", "/a b"]\nUSER 1000:1001\nWORKDIR /srv\nSTOPSIGNAL SIGQUIT\nSHELL ["/bin/sh", "-ec"]\n'
            "HEALTHCHECK --interval=5m --timeout=3s --retries=2 CMD wget -q localhost\nRUN echo hi > x\nCOPY a /a\n"
            'CMD echo shell form\nENTRYPOINT ["/bin/e", "an \\"arg\\""]\nMAINTAINER Some One\n', {"a": "A"})
        self.assertEqual(config["config"], {
            "Labels": {"a": "b", "c d": "e f"},
            "Env": [PATH, "X=1", "Y=two words"],
            "ExposedPorts": {"80/tcp": {}, "443/udp": {}, "8000/tcp": {}, "8001/tcp": {}},
            "Volumes": {"/data": {}, "/b": {}, "/a b": {}},
            "User": "1000:1001",
            "WorkingDir": "/srv",
            "StopSignal": "SIGQUIT",
            "Shell": ["/bin/sh", "-ec"],
            "Healthcheck": {"Test": ["CMD-SHELL", "wget -q localhost"], "Interval": 300_000_000_000, "Timeout": 3_000_000_000,
                            "Retries": 2},
            "Cmd": ["/bin/sh", "-ec", "echo shell form"],
            "ArgsEscaped": True,
            "Entrypoint": ["/bin/e", 'an "arg"'],
        })
        self.assertEqual(config["author"], "Some One")
        self.assertEqual((config["os"], config["architecture"]), ("linux", "amd64"))
        self.assertEqual(self.history(config), [
            ("LABEL a=b c d=e f", True), ("ENV X=1 Y=two words", True), ("ARG Z=3", True),
            ("EXPOSE [443/udp 80/tcp 8000/tcp 8001/tcp]", True), ("VOLUME [/data]", True), ("VOLUME [/b /a b]", True),
            ("USER 1000:1001", True), ("WORKDIR /srv", False), ("STOPSIGNAL SIGQUIT", True), ("SHELL [/bin/sh -ec]", True),
            ("HEALTHCHECK {Test:[CMD-SHELL wget -q localhost] Interval:5m0s Timeout:3s StartPeriod:0s StartInterval:0s "
             "Retries:2}", True),
            ("RUN |1 Z=3 /bin/sh -ec echo hi > x # buildkit", False), ("COPY a /a # buildkit", False),
            ('CMD ["/bin/sh" "-ec" "echo shell form"]', True), ('ENTRYPOINT ["/bin/e" "an \\"arg\\""]', True),
            ("MAINTAINER Some One", True)])

    def test_history_and_layers_match(self):
        config = self.made("FROM busybox\nENV A=1\nRUN echo 1 > /1\nENV B=2\nCOPY a /\nRUN true\n", {"a": "A"})
        layers = [entry for entry in config["history"] if not entry.get("empty_layer")]
        self.assertEqual(len(layers), len(config["rootfs"]["diff_ids"]))
        self.assertEqual(config["rootfs"]["type"], "layers")
        times = [entry["created"] for entry in config["history"]]
        self.assertEqual(times, sorted(times))
        self.assertEqual(config["created"], times[-1])
        self.assertEqual(times[-5], times[-4], "what comes before the first layer has its date")

    def test_an_image_without_new_layers_is_as_old_as_its_base(self):
        base = self.built("FROM busybox\nRUN echo x > /x\n").reference
        config = self.made(f"FROM {base}\nENV A=1\n")
        self.assertEqual(config["created"], self.raw_config(base)["created"])
        self.assertEqual(config["history"][-1]["created"], config["created"])

    def test_an_image_from_scratch_has_a_path_and_no_history_but_its_own(self):
        config = self.made("FROM scratch\nCOPY a /a\n", {"a": "A"})
        self.assertEqual(config["config"]["Env"], [PATH])
        self.assertEqual(config["config"]["WorkingDir"], "/")
        self.assertNotIn("Cmd", config["config"])
        self.assertEqual(self.history(config), [("COPY a /a # buildkit", False)])
        self.assertEqual(len(config["history"]), 1)

    def test_an_entrypoint_resets_the_bases_command(self):
        base = self.built('FROM busybox\nCMD ["base"]\nENV INHERITED=yes\nLABEL kept=yes changed=no\nUSER 7\nEXPOSE 1\n').reference
        kept = self.made(f"FROM {base}\nENV OWN=1\n")["config"]
        self.assertEqual(kept["Cmd"], ["base"])
        self.assertEqual(kept["Env"], [PATH, "INHERITED=yes", "OWN=1"])
        reset = self.made(f'FROM {base}\nENTRYPOINT ["/e"]\nLABEL changed=yes\nUSER 8\nEXPOSE 2\n')["config"]
        self.assertNotIn("Cmd", reset)
        self.assertEqual(reset["Entrypoint"], ["/e"])
        self.assertEqual(reset["Labels"], {"kept": "yes", "changed": "yes"})
        self.assertEqual((reset["User"], set(reset["ExposedPorts"])), ("8", {"1/tcp", "2/tcp"}))
        own = self.made(f'FROM {base}\nCMD ["own"]\nENTRYPOINT ["/e"]\n')["config"]
        self.assertEqual(own["Cmd"], ["own"])

    def test_a_health_check_can_be_switched_off(self):
        base = self.built("FROM busybox\nHEALTHCHECK CMD true\n").reference
        self.assertEqual(self.made(f"FROM {base}\nHEALTHCHECK NONE\n")["config"]["Healthcheck"], {"Test": ["NONE"]})

    def test_labels_of_the_command_line_win(self):
        config = self.made("FROM busybox\nLABEL a=file b=file\n", None, "--label", "a=flag", "--label", "c=")
        self.assertEqual(config["config"]["Labels"], {"a": "flag", "b": "file", "c": ""})

    def test_the_manifest_is_an_oci_manifest_whose_sizes_are_true(self):
        made = self.built("FROM busybox\nRUN echo x > /x\n")
        manifest = self.registry.manifest(made.reference.split("/", 1)[1])
        self.assertEqual(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json")
        self.assertEqual(manifest["config"]["mediaType"], "application/vnd.oci.image.config.v1+json")
        for layer in manifest["layers"]:
            self.assertEqual(layer["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip")
            self.assertEqual(len(self.blob(made.reference, layer["digest"])), layer["size"])

    def test_source_date_epoch_dates_everything(self):
        epoch = 1_600_000_000
        self.context({"d/f": "F"})
        manifests = []
        for _ in range(2):
            made = self.built("FROM busybox\nCOPY d /d/e\nWORKDIR /w/x\n", None, "--no-cache",
                              "--build-arg", f"SOURCE_DATE_EPOCH={epoch}")
            manifests.append(self.registry.manifest(made.reference.split("/", 1)[1]))
        config = self.raw_config(made.reference)
        self.assertEqual(config["created"], "2020-09-13T12:26:40Z")
        self.assertEqual({entry["created"] for entry in config["history"]
                          if entry.get("comment") == "buildkit.dockerfile.v0"}, {"2020-09-13T12:26:40Z"})
        for path in ("/d", "/d/e", "/w", "/w/x"):
            self.assertEqual(made.stat(path).st_mtime, epoch, path)
        self.assertEqual(manifests[0], manifests[1])


if __name__ == "__main__":
    kilntest.main()
