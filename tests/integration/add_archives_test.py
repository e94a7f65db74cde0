"""ADD of local archives: what is unpacked, where, and with which metadata."""
import bz2
import gzip
import io
import lzma
import os
import stat
import subprocess
import tarfile

import kilntest

MADE = 1_700_000_000  # a time of files in contexts, with no fraction


def tar_of(entries, mode="w:"):
    """A tar: name → bytes, or a TarInfo."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in entries.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime, entry.uid, entry.gid = len(content), 0o640, MADE, 12, 34
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def link_entry(name, target, kind=tarfile.SYMTYPE):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.mtime = kind, target, MADE
    return entry


class AddTest(kilntest.SharedDaemonTest):
    ENTRIES = {"inner/file": b"from the archive", "top": b"top"}

    def test_archives_of_every_compression_are_unpacked(self):
        plain = tar_of(self.ENTRIES)
        zst = subprocess.run(["zstd", "-q"], input=plain, check=True, capture_output=True).stdout
        files = {"a.tar": plain, "a.tar.gz": gzip.compress(plain), "a.tar.bz2": bz2.compress(plain),
                 "a.tar.xz": lzma.compress(plain), "a.tar.zst": zst, "no-extension": gzip.compress(plain)}
        made = self.built("FROM scratch\n" + "".join(f"ADD {name} /{i}/\n" for i, name in enumerate(files)), files)
        for i, name in enumerate(files):
            self.assertEqual(made.text(f"/{i}/inner/file"), "from the archive", name)
            self.assertEqual((made.owner(f"/{i}/top"), made.mode(f"/{i}/top")), ("12:34", "0640"), name)
            self.assertEqual(made.stat(f"/{i}/top").st_mtime, MADE)

    def test_what_is_no_archive_is_copied(self):
        files = {"text": "just text", "text.gz": gzip.compress(b"not a tar"), "empty": "", "fake.tar": b"no tar at all" * 100,
                 "dir/archive.tar": tar_of(self.ENTRIES)}
        made = self.built("FROM scratch\nADD text text.gz empty fake.tar /d/\nADD dir /dir\nADD text /renamed\n", files)
        self.assertEqual(made.names("/d"), ["empty", "fake.tar", "text", "text.gz"])
        self.assertEqual(made.path("/d/text.gz").read_bytes(), files["text.gz"])
        self.assertEqual(made.text("/renamed"), "just text")
        self.assertEqual(made.names("/dir"), ["archive.tar"])

    def test_unpack_false_and_copy_leave_archives_alone(self):
        archive = tar_of(self.ENTRIES)
        made = self.built("FROM scratch\nADD --unpack=false a.tar /d/\nCOPY a.tar /c/\n", {"a.tar": archive})
        self.assertEqual(made.path("/d/a.tar").read_bytes(), archive)
        self.assertEqual(made.path("/c/a.tar").read_bytes(), archive)

    def test_chown_of_add_reaches_the_members(self):
        made = self.built("FROM scratch\nADD --chown=7:8 a.tar /d/\n", {"a.tar": tar_of(self.ENTRIES)})
        self.assertEqual([made.owner(path) for path in ("/d", "/d/top", "/d/inner/file")], ["7:8"] * 3)

    def test_members_cannot_leave_the_image(self):
        outside = self.directory / "outside"
        outside.mkdir()
        climbing = "../" * 20 + str(outside).lstrip("/") + "/climbed"
        hostile = {"escape": link_entry("escape", str(outside)), "escape/through": b"x", climbing: b"x",
                   str(outside / "absolute"): b"x"}
        context = self.context({"h.tar": tar_of(hostile), "Dockerfile": "FROM busybox\nADD h.tar /d/\n"})
        done = self.kilnd.kiln("build", "--progress=plain", context)
        self.assertIn(done.code, (0, 1))
        self.assertEqual(list(outside.iterdir()), [])

    def test_a_damaged_archive_is_an_error_that_names_it(self):
        packed = gzip.compress(tar_of({"big": os.urandom(200_000)}))
        failed = self.refused("FROM scratch\nADD broken.tar.gz /d/\n", {"broken.tar.gz": packed[:len(packed) // 2]})
        self.assertIn("broken.tar.gz", failed.err)

    def test_an_archives_root_is_the_destination_and_changes_nothing_of_it(self):
        root = tarfile.TarInfo("./")
        root.type, root.mode, root.uid = tarfile.DIRTYPE, 0o700, 9
        lib = tarfile.TarInfo("lib/")
        lib.type, lib.mode = tarfile.DIRTYPE, 0o755
        entries = {"./": root, "./a": b"A", "abs": link_entry("abs", "/in"), "in/x": b"X", "lib/": lib, "lib/new": b"N"}
        made = self.built("FROM busybox\nRUN mkdir -m 751 /d && mkdir -p /d/usr/lib && ln -s usr/lib /d/lib\nADD --chmod=600 a.tar /d\n"
                          "ADD --chown=5:6 --chmod=600 a.tar /n/m\n", {"a.tar": tar_of(entries)})
        self.assertEqual((made.mode("/d"), made.owner("/d")), ("0751", "0:0"))
        self.assertTrue(made.path("/d/lib").is_symlink())
        self.assertEqual(made.text("/d/usr/lib/new"), "N")
        self.assertEqual((made.mode("/d/a"), made.mode("/n"), made.owner("/n"), made.owner("/n/m/a")), ("0640", "0755", "5:6", "5:6"))

    def test_a_glob_of_archives_unpacks_all_and_several_members_are_one_stream(self):
        second = gzip.compress(tar_of({"two": b"2"}))
        plain = tar_of({"three": b"3"})
        made = self.built("FROM scratch\nADD *.tgz /d\n",
                          {"a.tgz": gzip.compress(tar_of({"one": b"1"})), "b.tgz": second,
                           "c.tgz": gzip.compress(plain[:700]) + gzip.compress(plain[700:])})
        self.assertEqual(made.names("/d"), ["one", "three", "two"])

    def test_links_devices_and_whiteout_names_of_an_archive_are_kept(self):
        fifo = tarfile.TarInfo("fifo")
        fifo.type, fifo.mode = tarfile.FIFOTYPE, 0o640
        entries = {"a": b"A", "hard": link_entry("hard", "a", tarfile.LNKTYPE), "soft": link_entry("soft", "/nowhere"), "fifo": fifo}
        made = self.built("FROM scratch\nADD a.tar /d\n", {"a.tar": tar_of(entries)})
        self.assertEqual(made.stat("/d/a").st_ino, made.stat("/d/hard").st_ino)
        self.assertEqual(os.readlink(made.path("/d/soft")), "/nowhere")
        self.assertTrue(stat.S_ISFIFO(made.stat("/d/fifo").st_mode))

    def test_an_archive_lands_on_what_is_there(self):
        made = self.built("FROM busybox\nRUN mkdir -p /d/inner && echo old > /d/top && echo kept > /d/inner/old\nADD a.tar /d\n",
                          {"a.tar": tar_of(self.ENTRIES)})
        self.assertEqual(made.text("/d/top"), "top")
        self.assertEqual(made.names("/d/inner"), ["file", "old"])


if __name__ == "__main__":
    kilntest.main()
