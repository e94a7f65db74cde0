"""RUN --mount: files of stages, images and contexts, memory, and caches that outlive builds."""
import json
import os
import signal
import time

import kilntest


class MountsTest(kilntest.SharedDaemonTest):
    config = 'allow = ["security.insecure", "network.host"]'

    def printed(self, dockerfile, *flags, files=None, word="RUN", **options):
        context = self.context({"Dockerfile": dockerfile, **(files or {})})
        return kilntest.output_of(self.build(self.kilnd, context, *flags, **options), word)


class BindTest(MountsTest):
    def test_the_context_is_there_without_what_is_ignored_and_not_in_the_image(self):
        context = self.context({"Dockerfile": "", "src/a.txt": "a\n", "src/run.sh": "#!/bin/sh\n", "src/x.log": "", ".dockerignore": "**/*.log\n"})
        os.chmod(context / "src", 0o750)
        os.chmod(context / "src/run.sh", 0o755)
        os.chown(context / "src/a.txt", 1234, 1234)
        os.utime(context / "src/a.txt", (1, 1_000_000_000))
        made = self.built("FROM busybox\nWORKDIR /project\nRUN --mount=target=. stat -c '%n %a %u:%g %Y' src src/a.txt src/run.sh > /seen; "
                          "ls /project/src >> /seen; stat -c '%a %u' /project >> /seen; touch /project/x 2>> /seen; true\n")
        seen = made.text("/seen").splitlines()
        self.assertEqual(seen[0].split()[:3], ["src", "750", "0:0"])
        self.assertEqual(seen[1], "src/a.txt 644 0:0 1000000000")
        self.assertEqual(seen[2].split()[:3], ["src/run.sh", "755", "0:0"])
        self.assertEqual(seen[3:6], ["a.txt", "run.sh", "755 0"])
        self.assertIn("Read-only file system", seen[6])
        self.assertEqual(made.names("/project"), [])

    def test_a_file_a_directory_and_a_link_can_be_the_source(self):
        context = self.context({"d/f": "file\n", "real": "linked\n"})
        (context / "link").symlink_to("real")
        lines = self.printed("FROM busybox\nRUN --mount=source=d/f,target=/new/place/f --mount=source=d,target=/d "
                             "--mount=source=link,target=/l cat /new/place/f /d/f /l\n")
        self.assertEqual(lines, ["file", "file", "linked"])

    def test_mount_points_leave_nothing_behind(self):
        made = self.built("FROM busybox\nRUN --mount=source=f,target=/p/q/f --mount=type=tmpfs,target=/t/u "
                          "--mount=type=cache,target=/c/d --mount=target=/etc/ctx echo x > /t/u/x\n", {"f": "1"})
        for path in ("/p", "/t", "/c", "/etc/ctx"):
            self.assertFalse(made.path(path).exists(), path)
        made = self.built("FROM busybox\nRUN --mount=type=tmpfs,target=/t/u echo kept > /t/kept\n")
        self.assertEqual(made.names("/t"), ["kept"])

    def test_stages_and_images_can_be_mounted_and_are_built_for_it(self):
        made = self.built("FROM busybox AS tools\nRUN mkdir /out && echo tool > /out/t && ln -s out /via\n"
                          "FROM busybox AS unused\nRUN false\nFROM busybox\n"
                          "RUN --mount=from=tools,source=/via,target=/a --mount=from=busybox,source=/bin,target=/b "
                          "cat /a/t > /seen && test -x /b/busybox && touch /a/w 2>/dev/null; ls /a >> /seen\n")
        self.assertEqual(made.text("/seen"), "tool\nt\n")
        self.assertNotIn("unused", made.result.err)

    def test_writes_to_a_writable_mount_are_discarded(self):
        context = self.context({"f": "old\n"})
        lines = self.printed("FROM busybox AS one\nRUN echo one > /o\nFROM busybox\n"
                             "RUN --mount=target=/c,rw --mount=from=one,target=/s,rw echo new > /c/f && rm /s/o && cat /c/f && ls /s/o; true\n"
                             "RUN --mount=target=/c --mount=from=one,target=/s cat /c/f /s/o\n", word="--mount=target=/c --mount")
        self.assertEqual(lines, ["old", "one"])
        self.assertEqual((context / "f").read_text(), "old\n")

    def test_only_what_is_selected_counts_for_the_cache(self):
        text = "FROM busybox\nRUN --mount=source=a,target=/a cat /a/f\n"
        context = self.context({"Dockerfile": text, "a/f": "1", "b": "1"})
        self.build(self.kilnd, context)
        (context / "b").write_text("2")
        self.assertEqual(kilntest.ran(self.build(self.kilnd, context)), [])
        (context / "a/f").write_text("2")
        self.assertIn("RUN --mount=source=a,target=/a cat /a/f", kilntest.ran(self.build(self.kilnd, context)))

    def test_a_mount_inside_another_is_seen(self):
        lines = self.printed("FROM busybox\nRUN --mount=type=tmpfs,target=/m/n/deep --mount=source=d,target=/m,rw "
                             "--mount=type=cache,target=/m/n ls /m /m/n\n", files={"d/f": "", "d/n/x": ""})
        self.assertEqual(lines, ["/m:", "f", "n", "", "/m/n:", "deep"])

    def test_a_missing_source_is_named(self):
        for mount, words in {"source=nope,target=/x": "nope", "source=no[pe],target=/x": "no[pe]",
                             "from=busybox,source=/nope,target=/x": '"/nope": not found'}.items():
            with self.subTest(mount):
                failed = self.refused(f"FROM busybox\nRUN --mount={mount} true\n")
                self.assertIn(words, failed.err.replace("\\", ""))
                self.assertIn("Dockerfile:2", failed.err)


class TmpfsTest(MountsTest):
    def test_it_is_memory_of_the_size_asked_for(self):
        lines = self.printed("FROM busybox\nRUN --mount=type=tmpfs,target=/m,size=4m grep ' /m ' /proc/mounts; "
                             "dd if=/dev/zero of=/m/x bs=1M count=8 2>&1 | grep -c 'No space'; true\n")
        self.assertIn("tmpfs", lines[0])
        self.assertIn("size=4096k", lines[0])
        self.assertEqual(lines[1], "1")
        self.assertEqual(self.printed("FROM busybox\nRUN --mount=type=tmpfs,target=/m,ro touch /m/x 2>/dev/null || echo refused\n"), ["refused"])


class SecurityTest(MountsTest):
    def test_an_insecure_step_needs_the_entitlement_and_has_all_capabilities(self):
        text = "FROM busybox\nRUN --security=insecure grep CapEff /proc/self/status\n"
        self.assertIn("pass --allow security.insecure", self.refused(text).err)
        full = int(self.printed(text, "--allow", "security.insecure")[0].split()[1], 16)
        plain = int(self.printed("FROM busybox\nRUN --security=sandbox grep CapEff /proc/self/status\n")[0].split()[1], 16)
        self.assertGreater(full.bit_count(), plain.bit_count())


class CacheTest(MountsTest):
    def add(self, word, mount, *flags):
        """What a step finds in a cache, to which it adds a file."""
        return self.printed(f"FROM busybox\nRUN --mount=type=cache,{mount} ls /c; touch /c/{word}\n", "--no-cache", *flags)

    def test_it_outlives_builds_and_no_cache_and_is_known_by_its_id(self):
        self.assertEqual(self.add("a", "id=one,target=/c"), [])
        self.assertEqual(self.add("b", "id=one,target=/c"), ["a"])
        self.assertEqual(self.add("c", "id=two,target=/c"), [])
        self.assertEqual(self.add("d", "id=one,target=/c", "--build-arg", "BUILDKIT_CACHE_MOUNT_NS=other"), [])
        self.assertEqual(self.printed("FROM busybox\nRUN --mount=type=cache,id=one,target=/c,ro ls /c; touch /c/x 2>/dev/null || echo refused\n"),
                         ["a", "b", "refused"])

    def test_its_content_is_in_no_key_and_in_no_layer(self):
        text = "FROM busybox\nRUN --mount=type=cache,id=keys,target=/c date >> /c/f\n"
        made = self.built(text)
        self.assertFalse(made.path("/c").exists())
        self.add("more", "id=keys,target=/c")
        self.assertEqual(kilntest.ran(self.built(text).result), [])

    def test_a_new_one_has_the_mode_and_owner_asked_for(self):
        lines = self.printed("FROM busybox\nUSER 7:8\nRUN --mount=type=cache,target=/c,uid=7,gid=8,mode=0700 "
                             "--mount=type=cache,target=/d stat -c '%a %u:%g' /c /d && touch /c/mine\n")
        self.assertEqual(lines, ["700 7:8", "755 0:0"])

    def test_a_new_one_may_begin_with_files_of_a_stage(self):
        text = ("FROM busybox AS seed\nRUN mkdir -p /d/e && echo seed > /d/e/f && chown -R 5:6 /d && chmod 711 /d\n"
                "FROM busybox\nRUN --mount=type=cache,id=seeded,target=/c,from=seed,source=/d "
                "stat -c '%a %u:%g' /c && cat /c/e/f && echo changed > /c/e/f\n")
        self.assertEqual(self.printed(text, word="cat /c/e/f"), ["711 5:6", "seed"])
        other = text.replace("cat /c/e/f", "cat  /c/e/f")
        self.assertEqual(self.printed(other, word="cat  /c/e/f"), ["711 5:6", "changed"])

    def test_it_outlives_the_daemon_and_its_death(self):
        daemon = self.daemon()
        context = self.context({"Dockerfile": "FROM busybox\nRUN --mount=type=cache,target=/c ls /c; touch /c/here\n"})
        self.build(daemon, context)
        daemon.stop()
        again = kilntest.Daemon(self.directory / "again", registries=[self.registry.host], mirror=self.mirror.host, root=daemon.root)
        self.addCleanup(again.stop)
        self.assertEqual(kilntest.output_of(self.build(again, context, "--no-cache"), "RUN"), ["here"])
        again.kill()
        third = self.daemon(root=daemon.root, name="third")
        self.assertEqual(kilntest.output_of(self.build(third, context, "--no-cache"), "RUN"), ["here"])
        rows = {row["kind"]: row for row in json.loads(third.kiln("df", "--format=json").out)["rows"]}
        self.assertEqual(rows["cache mounts"]["count"], 1)
        third.kiln("prune")
        self.assertEqual(kilntest.output_of(self.build(third, context, "--no-cache"), "RUN"), ["here"])
        third.kiln("prune", "--all")
        self.assertEqual(kilntest.output_of(self.build(third, context, "--no-cache"), "RUN"), [])


class SharingTest(MountsTest):
    def start(self, name, sharing, body):
        """A build whose step runs beside the test."""
        context = self.context({"Dockerfile": f"FROM busybox\nRUN --mount=type=cache,id=c-{self.id()},target=/c,sharing={sharing} {body}\n"}, name)
        return self.kilnd.start_kiln("build", "--progress=plain", "--no-cache", "--network=host", "--allow", "network.host", context)

    def out(self, process):
        _, err = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 0, err)
        return err if isinstance(err, str) else err.decode()

    def wait_arrived(self, gate, name):
        kilntest.wait_until(lambda: name in gate.arrived, f"{name} to arrive", 60)

    def body(self, gate, name):
        return f"touch /c/{name} && wget -q -O /dev/null {gate.url}/wait/{name} && ls /c"

    def test_shared_ones_are_seen_by_both_at_once(self):
        with kilntest.gate() as gate:
            one = self.start("one", "shared", self.body(gate, "one"))
            self.wait_arrived(gate, "one")
            two = self.start("two", "shared", self.body(gate, "two"))
            self.wait_arrived(gate, "two")
            gate.opened.set()
            for process in (one, two):
                self.assertRegex(self.out(process), r"(?s)\d one\n.*\d two\n")

    def test_private_ones_are_apart_and_used_again(self):
        with kilntest.gate() as gate:
            one = self.start("one", "private", self.body(gate, "one"))
            self.wait_arrived(gate, "one")
            two = self.start("two", "private", self.body(gate, "two"))
            self.wait_arrived(gate, "two")
            gate.opened.set()
            self.assertNotRegex(self.out(one), r"\d two\n")
            self.assertNotRegex(self.out(two), r"\d one\n")
        self.assertRegex(self.out(self.start("three", "private", "ls /c")), r"\d (one|two)\n")

    def test_a_locked_one_waits_and_can_be_cancelled(self):
        with kilntest.gate() as gate:
            one = self.start("one", "locked", self.body(gate, "one"))
            self.wait_arrived(gate, "one")
            two = self.start("two", "locked", self.body(gate, "two"))
            three = self.start("three", "locked", self.body(gate, "three"))
            time.sleep(2)
            self.assertEqual(gate.arrived, ["one"])
            three.send_signal(signal.SIGINT)
            three.communicate(timeout=60)
            self.assertNotEqual(three.returncode, 0)
            self.kilnd.kiln("prune", "--all")  # not what is in use
            gate.opened.set()
            self.assertRegex(self.out(one), r"\d one\n")
            self.assertRegex(self.out(two), r"(?s)\d one\n.*\d two\n")
            self.assertNotIn("three", gate.arrived)


class CachedTest(MountsTest):
    def test_a_cached_build_with_mounts_runs_and_loads_nothing(self):
        mounts = "--mount=source=f,target=/f --mount=type=cache,target=/c --mount=from=s,target=/s"
        steps = "".join(f"RUN {mounts} echo {i}\n" for i in range(8))
        context = self.context({"Dockerfile": "FROM busybox AS s\nRUN echo s\nFROM busybox\n" + steps, "f": "x"})
        self.build(self.kilnd, context)
        self.assertEqual(kilntest.ran(self.build(self.kilnd, context)), [])


if __name__ == "__main__":
    kilntest.main()
