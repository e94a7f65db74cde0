"""kiln fsck: what is damaged is found by name, with what it affects; repair makes the next build right."""
import json
import os
import sqlite3
import subprocess
import threading

import kilntest


class FsckTest(kilntest.KilnTest):
    def setUp(self):
        super().setUp()
        self.kilnd = self.daemon()

    def fsck(self, *flags, code=0):
        result = self.kilnd.kiln("fsck", "--json", "--progress=plain", *flags)
        self.assertEqual(result.code, code, result.text + "\n" + self.kilnd.log_text())
        return json.loads(result.out)["findings"]

    def make(self, name, steps):
        """Builds an image; its context."""
        context = self.context({"Dockerfile": "FROM busybox\n" + steps}, name=f"context-{name}")
        self.build(self.kilnd, context, "-t", f"{self.registry.host}/{name}")
        return context

    def pushed(self, name):
        result = self.kilnd.kiln("push", f"{self.registry.host}/{name}")
        self.assertEqual(result.code, 0, result.text)
        return self.unpack(f"{self.registry.host}/{name}", f"unpacked-{name}")[0]

    def layer_blob(self, name):
        inspected = json.loads(self.kilnd.kiln("inspect", f"{self.registry.host}/{name}").out)
        digest = inspected["manifest"]["layers"][-1]["digest"]
        return self.kilnd.root / "blobs" / "sha256" / digest.split(":")[1]

    def snapshot_file(self, name):
        found = list((self.kilnd.root / "snapshots").glob(f"*/{name}"))
        self.assertEqual(len(found), 1, found)
        return found[0]

    def overwrite(self, path, at=0):
        """Other bytes, while size and times stay: what a failing disk does."""
        before = path.stat()
        with open(path, "r+b") as file:
            file.seek(at)
            old = file.read(4)
            file.seek(at)
            file.write(bytes(byte ^ 0x55 for byte in old))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def only(self, findings, kind):
        self.assertEqual([finding["kind"] for finding in findings], [kind], findings)
        return findings[0]

    def test_a_copy_that_was_run_again_is_sound_and_damage_below_it_is_mended(self):
        files = {f"many/{number}": f"{number}\n" * 50 for number in range(300)}
        context = self.context({"Dockerfile": "FROM busybox\nCOPY many /many\nWORKDIR /many\n", **files},
                               name="repeated")
        name = f"{self.registry.host}/repeated"
        for text in ("first", "second"):
            (context / "many/7").write_text(text)
            self.build(self.kilnd, context, "-t", name)
        snapshots = self.kilnd.root / "snapshots"
        self.assertEqual(len(list(snapshots.glob("*/many/8"))), 1, "the second copy wrote all files again")
        self.assertEqual(self.fsck(), [])
        self.overwrite(next(snapshots.glob("*/many/8")))
        self.assertIn("snapshot", [finding["kind"] for finding in self.fsck(code=1)])
        self.fsck("--repair")
        self.assertEqual(self.fsck(), [])
        self.build(self.kilnd, context, "-t", name)
        rootfs = self.pushed("repeated")
        self.assertEqual((rootfs / "many/8").read_text(), files["many/8"])
        self.assertEqual((rootfs / "many/7").read_text(), "second")

    def test_a_sound_store_has_no_findings_also_while_builds_run(self):
        self.make("sound", "RUN mkdir -p /d && echo x > /d/x && ln /d/x /d/y && touch -d '2031-01-01' /d/future\n"
                           "RUN rm /d/y && touch -d '2001-01-01' /d/past\n")
        result = self.kilnd.kiln("fsck")
        self.assertEqual((result.code, "Everything is sound" in result.out), (0, True), result.text)
        failed = []

        def build(number):
            context = self.context({"Dockerfile": f"FROM busybox\nRUN echo {number} > /n; sleep 0.2\nRUN cat /n > /m\n"},
                                   name=f"busy-{number}")
            result = self.kilnd.kiln("build", "-t", f"busy:{number}", context)
            if result.code != 0:
                failed.append(result.text)

        builds = [threading.Thread(target=build, args=(number,)) for number in range(4)]
        for thread in builds:
            thread.start()
        for _ in range(3):
            self.assertEqual(self.fsck(), [])
        for thread in builds:
            thread.join()
        self.assertEqual(failed, [])
        self.assertEqual(self.fsck("--repair"), [])

    def test_a_damaged_blob_is_named_with_its_images_and_made_again(self):
        self.make("hurt", "RUN echo hurt > /hurt\n")
        self.make("other", "RUN echo other > /other\n")
        blob = self.layer_blob("hurt")
        self.overwrite(blob, at=20)
        finding = self.only(self.fsck(code=1), "blob")
        self.assertEqual(finding["name"], f"sha256:{blob.name}")
        self.assertIn(f"image {self.registry.host}/hurt:latest", finding["affects"])
        self.assertFalse([name for name in finding["affects"] if "other" in name], finding)
        self.assertTrue(blob.exists(), "without --repair nothing is removed")
        text = self.kilnd.kiln("fsck").out
        self.assertIn(f"affects image {self.registry.host}/hurt", text)
        self.assertTrue(self.only(self.fsck("--repair"), "blob")["repaired"])
        self.assertEqual(self.fsck(), [])
        self.assertEqual((self.pushed("hurt") / "hurt").read_text(), "hurt\n")
        self.assertEqual((self.pushed("other") / "other").read_text(), "other\n")

    def test_a_snapshot_that_a_disk_has_damaged_is_found_by_its_digest_and_unpacked_again(self):
        context = self.make("image", "RUN echo right > /content\n")
        self.overwrite(self.snapshot_file("content"))
        finding = self.only(self.fsck(code=1), "snapshot")
        self.assertIn("RUN echo right", finding["name"])
        self.assertIn(f"image {self.registry.host}/image:latest", finding["affects"])
        self.assertTrue(self.only(self.fsck("--repair"), "snapshot")["repaired"])
        self.assertEqual(self.fsck(), [])
        (context / "Dockerfile").write_text("FROM busybox\nRUN echo right > /content\nRUN cat /content\n")
        result = self.build(self.kilnd, context)
        self.assertEqual(kilntest.output_of(result, "RUN cat"), ["right"])

    def test_a_base_image_is_compared_with_its_blob_and_unpacked_again(self):
        context = self.make("app", "RUN busybox > /dev/null; echo 1 > /one\n")
        shell = self.snapshot_file("bin/busybox") if list(self.kilnd.root.glob("snapshots/*/bin/busybox")) \
            else self.snapshot_file("bin/sh")
        self.overwrite(shell, at=4096)
        finding = self.only(self.fsck(code=1), "snapshot")
        self.assertTrue([name for name in finding["affects"] if name.startswith("base image busybox")], finding)
        self.fsck("--repair")
        self.assertEqual(self.fsck(), [])
        (context / "Dockerfile").write_text("FROM busybox\nRUN echo again\n")
        self.build(self.kilnd, context)

    def test_a_file_of_a_stage_without_a_digest_that_was_written_later_is_found(self):
        dockerfile = "FROM busybox AS made\nRUN echo right > /content\nFROM busybox\nCOPY --from=made /content /copy\n"
        context = self.context({"Dockerfile": dockerfile})
        self.build(self.kilnd, context, "-o", f"type=tar,dest={self.directory}/x.tar")
        threading.Event().wait(2.5)  # the time within which a write counts as the step's own
        self.snapshot_file("content").write_text("wrong\n")
        findings = {finding["kind"]: finding for finding in self.fsck(code=1)}
        self.assertEqual(set(findings), {"snapshot", "record"})
        self.assertIn("content was written after", findings["snapshot"]["problem"])
        self.assertIn("RUN echo right", findings["record"]["name"])
        self.assertTrue(all(finding["repaired"] for finding in self.fsck("--repair")))
        self.assertEqual(self.fsck(), [])
        result = self.build(self.kilnd, context)
        self.assertEqual(kilntest.ran(result), [])  # the copy is sound, and asks for nothing
        (context / "Dockerfile").write_text(dockerfile + "COPY --from=made /content /again\nRUN cat /again\n")
        self.assertEqual(kilntest.output_of(self.build(self.kilnd, context), "RUN cat"), ["right"])

    def test_a_record_whose_layer_is_gone_is_a_miss(self):
        context = self.context({"Dockerfile": "FROM busybox\nRUN echo x > /x\n"})
        self.build(self.kilnd, context, "-o", "type=tar,dest=/dev/null")
        with sqlite3.connect(self.kilnd.root / "kiln.db") as database:
            layer, = database.execute("SELECT max(id) FROM layers").fetchone()
            database.execute("DELETE FROM layers WHERE id = ?", (layer,))
        database.close()
        findings = {finding["kind"]: finding for finding in self.fsck(code=1)}
        self.assertIn("RUN echo x", findings["record"]["name"])
        self.assertIn(f"layer {layer} is gone", findings["record"]["problem"])
        self.fsck("--repair")
        self.assertEqual(self.fsck(), [])
        self.assertNotEqual(kilntest.ran(self.build(self.kilnd, context)), [])

    def test_an_image_that_cannot_be_made_whole_again_loses_its_name_and_others_do_not(self):
        self.make("lost", "RUN echo lost > /lost\n")
        self.make("kept", "RUN echo kept > /kept\n")
        inspected = json.loads(self.kilnd.kiln("inspect", f"{self.registry.host}/lost").out)
        config = inspected["manifest"]["config"]["digest"].split(":")[1]
        self.overwrite(self.kilnd.root / "blobs" / "sha256" / config)
        self.assertEqual({finding["kind"] for finding in self.fsck(code=1)}, {"blob", "image"})
        self.fsck("--repair")
        names = self.kilnd.kiln("images").out
        self.assertNotIn("/lost", names)
        self.assertIn("/kept", names)
        self.assertEqual((self.pushed("kept") / "kept").read_text(), "kept\n")
        self.make("lost", "RUN echo lost > /lost\n")
        self.assertEqual((self.pushed("lost") / "lost").read_text(), "lost\n")

    def test_orphans_are_told_and_are_no_failure(self):
        self.make("app", "RUN true\n")
        (self.kilnd.root / "snapshots" / "nobodys" / "x").mkdir(parents=True)
        self.assertEqual(self.only(self.fsck(), "orphan")["name"], "snapshots/nobodys")
        self.assertTrue(self.only(self.fsck("--repair"), "orphan")["repaired"])
        self.assertEqual(self.fsck(), [])

    def test_a_damaged_copy_of_a_git_repository_goes(self):
        repository = self.kilnd.root / "git" / ("0" * 32)
        subprocess.run(["git", "init", "--quiet", "--bare", str(repository)], check=True)
        self.assertEqual(self.fsck(), [])
        (repository / "objects" / "ab").mkdir()
        (repository / "objects" / "ab" / ("c" * 38)).write_bytes(b"garbage")
        self.assertIn("git/000", self.only(self.fsck(code=1), "git repository")["name"])
        self.fsck("--repair")
        self.assertFalse(repository.exists())


if __name__ == "__main__":
    kilntest.main()
