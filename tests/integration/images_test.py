"""The image store as users see it: names, pushes and pulls, space, and what other tools say of it."""
import json
import os
import re
import subprocess

import kilntest

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class ImagesTest(kilntest.SharedDaemonTest):
    def kiln(self, *arguments, code=0, **options):
        result = self.kilnd.kiln(*arguments, **options)
        self.assertEqual(result.code, code, result.text + "\n" + self.kilnd.log_text())
        return result

    def listed(self, *arguments):
        return json.loads(self.kiln("images", "--format", "json", *arguments).out)

    def make(self, *names, text="x"):
        """An image with these names and no others; its digest."""
        context = self.context({"Dockerfile": f"FROM busybox\nENV A=1\nRUN echo {text} > /x\n"}, name=f"context-{text}")
        flags = [flag for name in names for flag in ("-t", name)]
        return self.build(self.kilnd, context, "-q", *flags).out.strip()

    def remote_digest(self, reference):
        return subprocess.run(["skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", f"docker://{reference}"],
                              check=True, capture_output=True, text=True).stdout.strip()


class NamesTest(ImagesTest):
    def test_images_lists_names_with_digest_platform_and_size(self):
        digest = self.make("listed:1", "listed:2", "registry.example/listed/too", text="listed")
        found = self.listed("listed")
        self.assertEqual(sorted(image["reference"] for image in found), ["listed:1", "listed:2"])
        for image in found:
            self.assertEqual((image["digest"], image["platform"]), (digest, "linux/amd64"))
            self.assertGreater(image["size_bytes"], 100_000)
            self.assertRegex(image["created"], r"^\d{4}-\d\d-\d\dT")
        self.assertEqual([image["reference"] for image in self.listed("listed:2")], ["listed:2"])
        self.assertEqual([image["reference"] for image in self.listed("registry.example/listed/too")],
                         ["registry.example/listed/too:latest"])
        table = self.kiln("images", "listed").out.splitlines()
        self.assertEqual(table[0].split(), ["NAME", "DIGEST", "PLATFORM", "CREATED", "SIZE"])
        self.assertIn(digest[7:19], table[1])
        self.assertEqual(self.kiln("images", "-q", "listed:1").out, digest + "\n")

    def test_images_without_a_name_are_listed_and_in_no_ones_way(self):
        digest = self.make(text="unnamed")
        self.make("beside", text="beside")
        self.assertIn(("<none>", digest), [(image["reference"], image["digest"]) for image in self.listed()])
        self.assertEqual([image["reference"] for image in self.listed("beside")], ["beside:latest"])

    def test_a_name_moves_to_the_newest_image(self):
        old = self.make("moving", text="old")
        new = self.make("moving", text="new")
        self.assertNotEqual(old, new)
        self.assertEqual([image["digest"] for image in self.listed("moving")], [new])

    def test_inspect_shows_manifest_and_configuration(self):
        digest = self.make("inspected", text="inspected")
        for name in ("inspected", "inspected:latest", "docker.io/library/inspected", digest):
            shown = json.loads(self.kiln("inspect", name).out)
            self.assertEqual(shown["digest"], digest, name)
        self.assertEqual(shown["config"]["config"]["Env"][1], "A=1")
        self.assertEqual(len(shown["manifest"]["layers"]), len(shown["config"]["rootfs"]["diff_ids"]))
        self.assertIn("no-such-image", self.kiln("inspect", "no-such-image", code=1).err)

    def test_history_shows_the_steps_newest_first(self):
        self.make("with-history", text="history")
        rows = json.loads(self.kiln("history", "--format", "json", "with-history").out)
        self.assertEqual([row["created_by"] for row in rows[:2]], ["RUN /bin/sh -c echo history > /x # buildkit", "ENV A=1"])
        self.assertGreater(rows[0]["size_bytes"], 0)
        table = self.kiln("history", "with-history").out
        self.assertLess(table.index("RUN /bin/sh"), table.index("ENV A=1"))

    def test_tag_and_rmi_change_names_only(self):
        digest = self.make("first-name", text="tagged")
        self.kiln("tag", "first-name", "registry.example/second:v1")
        self.assertEqual([image["digest"] for image in self.listed("registry.example/second:v1")], [digest])
        self.assertIn("first-name", self.kiln("rmi", "first-name").out)
        self.kiln("inspect", "registry.example/second:v1")
        self.kiln("inspect", "first-name", code=1)
        self.assertIn("first-name", self.kiln("rmi", "first-name", code=1).err)
        for wrong in ("Upper/Case", "a b", "x:"):
            self.kiln("tag", "registry.example/second:v1", wrong, code=1)

    def test_rmi_of_several_goes_on_after_a_mistake(self):
        self.make("going", text="going")
        failed = self.kiln("rmi", "not-there", "going", code=1)
        self.assertIn("not-there", failed.err)
        self.assertEqual(self.listed("going"), [])

    def test_quiet_prints_the_digest_and_nothing_else(self):
        context = self.context({"Dockerfile": "FROM busybox\nRUN echo some output\n"})
        result = self.kiln("build", "-q", context)
        self.assertRegex(result.out, "^" + DIGEST.pattern + "\n$")
        self.assertEqual(result.err, "")

    def test_iidfile_and_metadata_file_say_what_was_built(self):
        context = self.context({"Dockerfile": "FROM busybox\nRUN echo files\n"})
        iid, metadata = self.directory / "iid", self.directory / "metadata.json"
        result = self.kiln("build", "-q", "-t", "noted:1", "--iidfile", iid, "--metadata-file", metadata, context)
        digest = result.out.strip()
        self.assertEqual(iid.read_text(), digest)
        noted = json.loads(metadata.read_text())
        self.assertEqual((noted["containerimage.digest"], noted["image.name"]), (digest, "docker.io/library/noted:1"))
        self.assertRegex(noted["containerimage.config.digest"], DIGEST)
        self.assertEqual(noted["containerimage.config.digest"],
                         json.loads(self.kiln("inspect", "noted:1").out)["manifest"]["config"]["digest"])

    def test_a_failed_build_leaves_no_file_that_says_otherwise(self):
        context = self.context({"Dockerfile": "FROM busybox\nRUN exit 1\n"})
        iid = self.directory / "iid"
        iid.write_text("stale")
        self.kiln("build", "-q", "--iidfile", iid, context, code=1)
        self.assertFalse(iid.exists())


class RegistryTest(ImagesTest):
    def test_a_build_pushes_each_of_its_names(self):
        names = [f"{self.registry.host}/several:1", f"{self.registry.host}/several:2", f"{self.registry.host}/other/deep/name"]
        context = self.context({"Dockerfile": "FROM busybox\nRUN echo several\n"})
        flags = [flag for name in names for flag in ("-t", name)]
        result = self.kiln("build", "-q", "--push", *flags, context)
        for name in names:
            self.assertEqual(self.remote_digest(name), result.out.strip())

    def test_an_image_is_pushed_by_another_name_without_a_build(self):
        digest = self.make("local-name", text="pushed")
        name = f"{self.registry.host}/pushed/later:v2"
        self.kiln("tag", "local-name", name)
        self.kiln("push", name)
        self.assertEqual(self.remote_digest(name), digest)
        self.assertIn("no-such", self.kiln("push", f"{self.registry.host}/no-such:1", code=1).err)

    def test_a_push_to_a_registry_that_is_not_there_names_it(self):
        port = kilntest.free_port()
        name = f"127.0.0.1:{port}/x:1"
        self.make(name, text="nowhere")
        failed = self.kiln("push", name, code=1)
        self.assertIn(f"127.0.0.1:{port}", failed.err)

    def test_a_second_push_sends_no_layers(self):
        name = f"{self.registry.host}/twice"
        self.make(name + ":1", text="twice")
        self.kiln("push", name + ":1")
        self.kiln("tag", name + ":1", name + ":2")
        again = self.kiln("push", "--progress=json", name + ":2")
        moved = [json.loads(line) for line in again.out.splitlines()]
        self.assertEqual([event for event in moved if event["event"] == "step_progress" and event.get("current_bytes", 0) > 0], [])

    def test_pull_takes_a_tag_or_a_digest(self):
        digest = self.remote_digest(f"{self.mirror.host}/library/busybox:latest")
        self.kiln("pull", "busybox")
        self.assertEqual([image["digest"] for image in self.listed("busybox:latest")], [digest])
        self.kiln("rmi", "busybox")
        by_digest = self.kiln("pull", f"busybox@{digest}")
        self.assertIn(digest, by_digest.text)
        self.kiln("inspect", digest)
        wrong = "sha256:" + "0" * 64
        self.assertIn("busybox", self.kiln("pull", f"busybox@{wrong}", code=1).err)
        self.assertIn("no-such-tag", self.kiln("pull", "busybox:no-such-tag", code=1).err)

    def test_a_pulled_image_can_be_pushed_elsewhere_with_the_same_digest(self):
        self.kiln("pull", f"{self.mirror.host}/library/busybox")
        name = f"{self.registry.host}/copied:1"
        self.kiln("tag", f"{self.mirror.host}/library/busybox", name)
        self.kiln("push", name)
        self.assertEqual(self.remote_digest(name), self.remote_digest(f"{self.mirror.host}/library/busybox"))

    def test_pull_asks_the_registry_again_only_when_told(self):
        name = f"{self.registry.host}/changing"
        context = self.context({"Dockerfile": f"FROM {name}\nRUN cat /x > /y\n"})
        self.make(name, text="before")
        self.kiln("push", name)
        self.kiln("rmi", name)
        first = self.kiln("build", "-q", context).out
        elsewhere = kilntest.Daemon(self.directory / "other", registries=[self.registry.host], mirror=self.mirror.host)
        self.addCleanup(elsewhere.stop)
        changed = self.context({"Dockerfile": "FROM busybox\nRUN echo after > /x\n"}, name="changed")
        self.build(elsewhere, changed, "-t", name, "--push")
        self.assertEqual(self.kiln("build", "-q", context).out, first)
        self.assertNotEqual(self.kiln("build", "-q", "--pull", context).out, first)


class SpaceTest(kilntest.KilnTest):
    """Each has a daemon of its own: they look at all that is in a store."""

    def setUp(self):
        super().setUp()
        self.kilnd = self.daemon()

    def used(self):
        return {row["kind"]: row for row in json.loads(self.kilnd.kiln("df", "--format", "json").out)["rows"]}

    def fill(self, name="filled", mib=3):
        context = self.context({"Dockerfile": f"FROM busybox\nRUN mkdir /d && for i in $(seq 200); do echo $i > /d/$i; done\n"
                                              f"COPY big /big\nRUN dd if=/dev/urandom of=/random bs=1M count={mib}\n"})
        (context / "big").write_bytes(os.urandom(2_000_000))
        self.build(self.kilnd, context, "-t", f"{self.registry.host}/{name}", "--push")
        return context

    def test_df_adds_up_to_what_the_disk_says(self):
        self.fill()
        kilntest.wait_until(lambda: not list((self.kilnd.root / "tmp").glob("*/*/upper")), "the end of unfinished work")
        total = sum(row["size_bytes"] for row in self.used().values())
        real = int(subprocess.run(["du", "-s", "--block-size=1", self.kilnd.root], check=True, capture_output=True,
                                  text=True).stdout.split()[0])
        self.assertLess(abs(total - real), real / 100, f"df says {total}, du {real}: {self.used()}")

    def test_prune_keeps_what_images_need_and_builds_stay_right(self):
        context = self.fill()
        throwaway = self.context({"Dockerfile": "FROM busybox\nRUN dd if=/dev/urandom of=/waste bs=1M count=4\n"}, name="waste")
        self.build(self.kilnd, throwaway)
        reclaimable = sum(row["reclaimable_bytes"] for row in self.used().values())
        before = sum(row["size_bytes"] for row in self.used().values())
        self.assertGreater(reclaimable, 4_000_000)
        report = self.kilnd.kiln("prune")
        self.assertEqual(report.code, 0, report.text)
        after = sum(row["size_bytes"] for row in self.used().values())
        self.assertGreater(before - after, 4_000_000)
        again = self.build(self.kilnd, context, "-t", f"{self.registry.host}/again", "--push")
        self.assertEqual(kilntest.ran(again), [])

    def test_prune_all_leaves_images_that_can_still_be_pushed_and_built_on(self):
        context = self.fill("kept")
        name = f"{self.registry.host}/kept"
        digest = json.loads(self.kilnd.kiln("inspect", name).out)["digest"]
        self.assertEqual(self.kilnd.kiln("prune", "--all").code, 0)
        self.assertEqual(json.loads(self.kilnd.kiln("inspect", name).out)["digest"], digest)
        self.kilnd.kiln("tag", name, f"{self.registry.host}/moved")
        self.assertEqual(self.kilnd.kiln("push", f"{self.registry.host}/moved").code, 0)
        rootfs, _ = self.unpack(f"{self.registry.host}/moved", "moved")
        self.assertEqual((rootfs / "big").read_bytes(), (context / "big").read_bytes())
        onto = self.context({"Dockerfile": f"FROM {name}\nRUN cat /d/7 > /seen\n"}, name="onto")
        self.build(self.kilnd, onto, "-t", f"{self.registry.host}/onto", "--push")
        rootfs, _ = self.unpack(f"{self.registry.host}/onto", "onto")
        self.assertEqual((rootfs / "seen").read_text(), "7\n")
        rebuilt = self.build(self.kilnd, context, "-t", f"{self.registry.host}/rebuilt", "--push")
        self.assertIn("RUN dd if=/dev/urandom of=/random bs=1M count=3", kilntest.ran(rebuilt))

    def test_a_removed_image_and_a_prune_give_the_space_back(self):
        empty = sum(row["size_bytes"] for row in self.used().values())
        self.fill(mib=10)
        self.kilnd.kiln("rmi", f"{self.registry.host}/filled")
        self.assertEqual(self.kilnd.kiln("prune", "--all").code, 0)
        rest = sum(row["size_bytes"] for row in self.used().values())
        self.assertLess(rest - empty, 4_000_000, self.used())

    def test_info_and_version_say_what_runs(self):
        version = self.kilnd.kiln("version")
        self.assertRegex(version.out, r"client +\d+\.\d+\.\d+ \(API \d+\)\ndaemon +\d+\.\d+\.\d+ \(API \d+\) at unix://")
        self.assertIn(str(self.kilnd.socket), version.out)
        info = self.kilnd.kiln("info").out
        for word in (str(self.kilnd.root), "linux/amd64", "crun"):
            self.assertIn(word, info)

    def test_without_a_daemon_the_exit_code_is_three_and_the_socket_is_named(self):
        self.kilnd.stop()
        context = self.context({"Dockerfile": "FROM scratch\n"})
        for command in (["build", context], ["images"], ["version"]):
            failed = self.kilnd.kiln(*command)
            self.assertEqual(failed.code, 3, failed.text)
            self.assertIn(str(self.kilnd.socket), failed.err)


if __name__ == "__main__":
    kilntest.main()
