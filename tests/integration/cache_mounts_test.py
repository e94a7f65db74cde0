"""Cache mounts as something to look at and to carry: kiln cache ls, save, load, rm."""
import io
import json
import os
import pty
import subprocess
import tarfile
import time

import kilntest
from kilntest import BIN, output_of


def caches(daemon, identifier=None):
    result = daemon.kiln("cache", "ls", "--format", "json")
    assert result.code == 0, result.text
    return [row for row in json.loads(result.out) if identifier in (None, row["id"])]


def archive(entries):
    """A tar of (TarInfo, content) pairs."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for entry, content in entries:
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def plain(name, content=b"x"):
    return tarfile.TarInfo(name), content


class CacheMountsTest(kilntest.KilnTest):
    def daemon(self, name="daemon", **options):
        return super().daemon(name, config='allow = ["network.host"]', **options)

    def fill(self, daemon, command, mount="id=c,target=/cache", name="fill"):
        """Runs a command with the cache; returns what it printed."""
        context = self.context({"Dockerfile": f"FROM busybox\nARG AGAIN\n"
                                              f"RUN --mount=type=cache,{mount} {command}\n"}, name)
        self.number = getattr(self, "number", 0) + 1
        result = self.build(daemon, context, "--build-arg", f"AGAIN={self.number}")
        return output_of(result, "RUN")

    def test_a_cache_is_warm_on_another_daemon(self):
        first = self.daemon("first")
        second = self.daemon("second")
        # As pip does it: what is there is used, what is not is fetched.
        command = ("sh -c 'if [ -f /root/.cache/pip/wheel ]; then echo warm $(cat /root/.cache/pip/wheel); "
                   "else echo cold; mkdir -p /root/.cache/pip/a/b; echo 1.0 >/root/.cache/pip/wheel; "
                   "ln -s wheel /root/.cache/pip/latest; ln /root/.cache/pip/wheel /root/.cache/pip/a/b/same; "
                   "chmod 600 /root/.cache/pip/wheel; chown 5:6 /root/.cache/pip/a; fi'")
        mount = "target=/root/.cache/pip"
        self.assertEqual(self.fill(first, command, mount), ["cold"])
        row, = caches(first)
        self.assertEqual((row["id"], row["users"]), ("/root/.cache/pip", 0))
        self.assertGreater(row["size_bytes"], 0)
        self.assertIn("/root/.cache/pip", first.kiln("cache", "ls").out)
        for name, magic in {"c.tar": b"", "c.tgz": b"\x1f\x8b", "c.tar.zst": b"\x28\xb5\x2f\xfd"}.items():
            saved = first.kiln("cache", "save", "-o", self.directory / name, "/root/.cache/pip")
            self.assertEqual(saved.code, 0, saved.text)
            self.assertTrue((self.directory / name).read_bytes().startswith(magic), name)
        with tarfile.open(self.directory / "c.tar", "r:") as tar:
            self.assertEqual(sorted(tar.getnames()), [".", "a", "a/b", "a/b/same", "latest", "wheel"])
        loaded = second.kiln("cache", "load", "/root/.cache/pip", self.directory / "c.tar.zst")
        self.assertEqual(loaded.code, 0, loaded.text)
        self.assertEqual(self.fill(second, command, mount), ["warm 1.0"])
        look = ("sh -c 'cd /root/.cache/pip; stat -c \"%n %a %u:%g %h\" . wheel a; readlink latest; cmp wheel a/b/same'")
        self.assertEqual(self.fill(second, look, mount), [". 755 0:0 3", "wheel 600 0:0 2", "a 755 5:6 3", "wheel"])
        self.assertEqual(len(caches(second)), 1)

    def test_times_are_kept_to_the_nanosecond(self):
        daemon = self.daemon()
        self.fill(daemon, "sh -c 'echo a >/cache/a'")
        content = daemon.root / "cache-mounts" / caches(daemon)[0]["name"] / "content"
        os.utime(content / "a", ns=(0, 1_600_000_000_123_456_789))
        saved = self.directory / "c.tar.zst"
        self.assertEqual(daemon.kiln("cache", "save", "-o", saved, "c").code, 0)
        self.assertEqual(daemon.kiln("cache", "load", "c", saved).code, 0)
        row, = caches(daemon)
        again = daemon.root / "cache-mounts" / row["name"] / "content"
        self.assertNotEqual(content, again)
        self.assertEqual((again / "a").stat().st_mtime_ns, 1_600_000_000_123_456_789)

    def test_loading_replaces_and_merging_adds(self):
        daemon = self.daemon()
        self.fill(daemon, "sh -c 'mkdir /cache/d; echo old >/cache/old; echo old >/cache/d/both; mkdir /cache/turns'")
        new = archive([plain("./d/both", b"new\n"), plain("d/more", b"more\n"), plain("turns", b"file\n")])
        merged = daemon.kiln("cache", "load", "--merge", "c", stdin=new)
        self.assertEqual(merged.code, 0, merged.text)
        show = "sh -c 'cd /cache; find . -type f | sort | xargs -n1 sh -c \"echo \\$0 \\$(cat \\$0)\"'"
        self.assertEqual(self.fill(daemon, show), ["./d/both new", "./d/more more", "./old old", "./turns file"])
        replaced = daemon.kiln("cache", "load", "c", stdin=new)
        self.assertEqual(replaced.code, 0, replaced.text)
        self.assertEqual(self.fill(daemon, show), ["./d/both new", "./d/more more", "./turns file"])
        self.assertEqual(len(caches(daemon)), 1)
        # Without anything to merge into, it is loaded.
        self.assertEqual(daemon.kiln("cache", "load", "--merge", "other", stdin=new).code, 0)
        self.assertEqual(self.fill(daemon, "ls /cache", "id=other,target=/cache"), ["d", "turns"])

    def test_a_loaded_cache_has_the_owner_and_mode_of_the_mount(self):
        daemon = self.daemon()
        root = tarfile.TarInfo("./")
        root.type, root.mode, root.uid = tarfile.DIRTYPE, 0o700, 77
        self.assertEqual(daemon.kiln("cache", "load", "c", stdin=archive([(root, b""), plain("f")])).code, 0)
        mount = "id=c,target=/cache,mode=0775,uid=1000,gid=1001"
        self.assertEqual(self.fill(daemon, "stat -c '%a %u:%g' /cache", mount), ["775 1000:1001"])

    def test_a_broken_archive_changes_nothing(self):
        daemon = self.daemon()
        self.fill(daemon, "sh -c 'head -c 300000 /dev/urandom >/cache/precious'")
        saved = self.directory / "c.tar.zst"
        self.assertEqual(daemon.kiln("cache", "save", "-o", saved, "c").code, 0)
        whole = saved.read_bytes()
        cases = {"cut": whole[:-5000], "flipped": whole[:100000] + b"\0\0\0\0" + whole[100004:],
                 "empty": b"", "text": b"no archive at all\n" * 100}
        for merge in ([], ["--merge"]):
            for name, broken in cases.items():
                with self.subTest(name, merge=merge):
                    result = daemon.kiln("cache", "load", *merge, "c", stdin=broken)
                    self.assertEqual(result.code, 1, result.text)
                    self.assertIn("stdin: ", result.err)
        self.assertEqual(self.fill(daemon, "sh -c 'wc -c </cache/precious'"), ["300000"])
        self.assertEqual(list((daemon.root / "tmp").iterdir()), [])

    def test_a_hostile_archive_stays_inside(self):
        daemon = self.daemon()
        outside = self.directory / "outside"
        outside.mkdir()
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, str(outside)
        hard = tarfile.TarInfo("hard")
        hard.type, hard.linkname = tarfile.LNKTYPE, "../../../../../../etc/passwd"
        for name, entries in {"parent": [plain("../../escaped")], "link": [(link, b""), plain("link/file")],
                              "hard link": [(hard, b"")]}.items():
            with self.subTest(name):
                result = daemon.kiln("cache", "load", "c", stdin=archive(entries))
                self.assertEqual(result.code, 1, result.text)
        self.assertEqual(caches(daemon), [])
        # And a link that is there already is not followed by a merge.
        result = daemon.kiln("cache", "load", "c", stdin=archive([(link, b"")]))
        self.assertEqual(result.code, 0, result.text)
        result = daemon.kiln("cache", "load", "--merge", "c", stdin=archive([plain("link/second")]))
        self.assertEqual(result.code, 0, result.text)
        self.assertEqual(list(outside.iterdir()), [])
        self.assertFalse((daemon.root / "escaped").exists())

    def test_saving_waits_for_the_steps_that_use_it(self):
        daemon = self.daemon()
        with kilntest.gate() as gate:
            context = self.context({"Dockerfile": "FROM busybox\nRUN --mount=type=cache,id=c,target=/cache "
                                    f"sh -c 'echo half >/cache/f; wget -qO- {gate.url}/wait/a; echo whole >/cache/f'\n"})
            build = daemon.start_kiln("build", "--network", "host", "--allow", "network.host", context)
            kilntest.wait_until(lambda: "a" in gate.arrived, "the step")
            self.assertEqual([(row["users"], row["shared"]) for row in caches(daemon)], [(1, True)])
            save = daemon.start_kiln("cache", "save", "--progress=plain", "-o", self.directory / "c.tar", "c")
            time.sleep(0.5)
            self.assertIsNone(save.poll())
            gate.opened.set()
            _, errors = save.communicate(timeout=60)
            self.assertEqual(save.returncode, 0, errors)
            self.assertIn(b"1 running step(s) use the cache c", errors)
            self.assertEqual(build.wait(60), 0, build.communicate())
        with tarfile.open(self.directory / "c.tar") as tar:
            self.assertEqual(tar.extractfile("f").read(), b"whole\n")

    def test_a_step_keeps_the_cache_that_is_replaced_while_it_runs(self):
        daemon = self.daemon()
        with kilntest.gate() as gate:
            context = self.context({"Dockerfile": "FROM busybox\nRUN --mount=type=cache,id=c,target=/cache,sharing=locked "
                                    f"sh -c 'echo old >/cache/f; wget -qO- {gate.url}/wait/a; cat /cache/f'\n"})
            build = daemon.start_kiln("build", "--progress=plain", "--network", "host", "--allow", "network.host", context)
            kilntest.wait_until(lambda: "a" in gate.arrived, "the step")
            self.assertEqual(daemon.kiln("cache", "load", "c", stdin=archive([plain("f", b"new\n")])).code, 0)
            self.assertEqual(self.fill(daemon, "cat /cache/f", "id=c,target=/cache,sharing=locked"), ["new"])
            gate.opened.set()
            _, errors = build.communicate(timeout=60)
            self.assertEqual(build.returncode, 0, errors)
            self.assertIn(b" old\n", errors)
        kilntest.wait_until(lambda: len(list((daemon.root / "cache-mounts").iterdir())) == 1, "the old directory's end")

    def test_what_was_replaced_is_gone_after_a_crash(self):
        daemon = self.daemon()
        with kilntest.gate() as gate:
            context = self.context({"Dockerfile": "FROM busybox\nRUN --mount=type=cache,id=c,target=/cache "
                                    f"sh -c 'echo old >/cache/f; wget -qO- {gate.url}/wait/a'\n"})
            build = daemon.start_kiln("build", "--network", "host", "--allow", "network.host", context)
            kilntest.wait_until(lambda: "a" in gate.arrived, "the step")
            self.assertEqual(daemon.kiln("cache", "load", "c", stdin=archive([plain("f", b"new\n")])).code, 0)
            daemon.kill()
            build.communicate(timeout=60)
        daemon.start()
        self.assertEqual(len(list((daemon.root / "cache-mounts").iterdir())), 1)
        self.assertEqual(self.fill(daemon, "cat /cache/f"), ["new"])

    def test_a_slow_reader_holds_up_no_build(self):
        daemon = self.daemon()
        self.fill(daemon, "sh -c 'head -c 3000000 /dev/urandom >/cache/f'")
        save = daemon.start_kiln("cache", "save", "c")
        time.sleep(0.5)
        self.assertEqual(self.fill(daemon, "sh -c 'wc -c </cache/f'"), ["3000000"])
        save.kill()
        save.communicate()
        kilntest.wait_until(lambda: list((daemon.root / "tmp").iterdir()) == [], "the end of the save")

    def test_removing_and_unknown_ids(self):
        daemon = self.daemon()
        self.fill(daemon, "sh -c 'head -c 100000 /dev/urandom >/cache/f'")
        removed = daemon.kiln("cache", "rm", "c")
        self.assertEqual(removed.code, 0, removed.text)
        self.assertRegex(removed.out, "Freed 1[01]\\dkB")
        self.assertEqual(caches(daemon), [])
        self.assertEqual(self.fill(daemon, "ls /cache"), [])
        for arguments in (["rm", "nope"], ["save", "-o", self.directory / "x", "nope"]):
            result = daemon.kiln("cache", *arguments)
            self.assertEqual(result.code, 1, result.text)
            self.assertIn("nope: there is no cache mount of this id; see `kiln cache ls`", result.err)
        self.assertFalse((self.directory / "x").exists())

    def test_misuse_is_refused(self):
        daemon = self.daemon()
        for arguments in ([], ["nonsense"], ["save"], ["save", "--compression", "lzw", "c"], ["load"]):
            self.assertEqual(daemon.kiln("cache", *arguments).code, 2, arguments)
        master, slave = pty.openpty()
        for arguments in (["save", "c"], ["load", "c"]):
            done = subprocess.run([BIN / "kiln", "cache", *arguments], stdin=slave, stdout=slave, stderr=subprocess.PIPE,
                                  env=daemon.environment(), timeout=60)
            self.assertEqual(done.returncode, 2, done.stderr)
        os.close(master)
        os.close(slave)


if __name__ == "__main__":
    kilntest.main()
