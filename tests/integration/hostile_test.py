"""Images and contexts made to break out, hang or lie: a clear error, and nothing touched that was not given."""
import gzip
import os
import pathlib
import shutil
import socket
import subprocess
import tarfile
import threading
import time

import kilntest
from crafted import (Layer, OCI_LAYER, Repository, directory, entry, hardlink, stored_blob, symlink, tar)

SECRET = "the-canary-sings"


def snapshot_of(path):
    """Names, types, modes and contents below a directory."""
    found = {}
    for at, directories, files in os.walk(path):
        for name in directories + files:
            full = os.path.join(at, name)
            status = os.lstat(full)
            content = pathlib.Path(full).read_bytes() if os.path.isfile(full) and not os.path.islink(full) else b""
            found[full] = (status.st_mode, status.st_uid, status.st_size if content else 0, content)
    return found


class HostileTest(kilntest.KilnTest):
    """A daemon whose root has canaries all around; none may change whatever a test does."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.canary = cls.class_directory / "canary"
        cls.canary.mkdir()
        (cls.canary / "file").write_text(SECRET)
        (cls.canary / "directory").mkdir()
        (cls.canary / "directory/inner").write_text(SECRET)
        cls.kilnd = kilntest.Daemon(cls.class_directory / "kilnd", registries=[cls.registry.host],
                                    mirror=cls.mirror.host)
        cls.addClassCleanup(cls.kilnd.stop)
        (cls.kilnd.root / "canary").write_text(SECRET)
        cls.number = 0

    def setUp(self):
        super().setUp()
        self.before = snapshot_of(self.canary)
        self.outside = sorted(os.listdir("/")), sorted(os.listdir("/etc")), sorted(os.listdir("/dev"))

    def tearDown(self):
        self.assertEqual(snapshot_of(self.canary), self.before)
        self.assertEqual((self.kilnd.root / "canary").read_text(), SECRET)
        self.assertEqual((sorted(os.listdir("/")), sorted(os.listdir("/etc")), sorted(os.listdir("/dev"))),
                         self.outside)
        for name in ("pwned", "kiln-pwned"):
            for place in ("/", "/tmp", "/etc", self.kilnd.root, self.kilnd.root / "tmp", self.kilnd.root / "snapshots",
                          self.class_directory):
                self.assertFalse((pathlib.Path(place) / name).exists(), place)
        self.assertIsNone(self.kilnd.process.poll(), self.kilnd.log_text())
        good = self.context({"Dockerfile": f"FROM busybox\n# {self.id()}\nCOPY Dockerfile /good\n"}, "good")
        self.build(self.kilnd, good)

    def repository(self):
        type(self).number += 1
        return Repository(self.registry, f"hostile{self.number}")

    def snapshots(self):
        return sorted(os.listdir(self.kilnd.root / "snapshots"))

    def refused_image(self, layers, *words, run="", **image):
        """An image of these layers cannot be built upon; the message says why."""
        repository = self.repository()
        repository.put_image(layers, **image)
        return self.refused_base(repository.reference, *words, run=run)

    def refused_base(self, reference, *words, run=""):
        before = self.snapshots()
        context = self.context({"Dockerfile": f"FROM {reference}\nCOPY Dockerfile /x\n{run}"})
        result = self.build(self.kilnd, context, code=1, timeout=60)
        for word in words:
            self.assertIn(word, result.err)
        self.assertIn("Dockerfile:1", result.err)
        self.assertNotIn("internal", result.err.replace("[internal]", ""))
        kilntest.wait_until(lambda: self.snapshots() == before, "the snapshots as they were")
        tmp = self.kilnd.root / "tmp"
        kilntest.wait_until(lambda: {path.name for path in tmp.iterdir()} <= {"runtime"}, "an empty tmp/")
        return result

    def confined_image(self, layers, **image):
        """An image that is odd but can be had: what its names say happens beneath its own root."""
        repository = self.repository()
        repository.put_image(layers, **image)
        context = self.context({"Dockerfile": f"FROM {repository.reference}\nCOPY Dockerfile /x\n"})
        out = self.directory / "out"
        self.build(self.kilnd, context, "-o", out, timeout=60)
        return out

    # Names.

    def test_a_name_that_climbs_out_is_refused(self):
        for name in ("../pwned", "a/../../pwned", "../../../../../../../../../../tmp/kiln-pwned", "./../pwned", ".."):
            with self.subTest(name=name):
                self.refused_image([Layer(tar(entry(name, data=b"x")))], name)

    def test_an_absolute_name_is_beneath_the_root(self):
        out = self.confined_image([Layer(tar(entry("/tmp/kiln-pwned", data=b"x"), directory("/etc")))])
        self.assertEqual((out / "tmp/kiln-pwned").read_bytes(), b"x")

    def test_a_file_through_a_link_of_the_same_layer_stays_inside_or_is_refused(self):
        for target in ("/", "../../..", "../../../../../../../../tmp", str(self.canary), "/proc/self/root",
                       "/proc/1/root/tmp", "."):
            with self.subTest(target=target):
                repository = self.repository()
                repository.put_image([Layer(tar(symlink("link", target), entry("link/pwned", data=b"x"),
                                                entry("link/kiln-pwned", data=b"x")))])
                context = self.context({"Dockerfile": f"FROM {repository.reference}\nCOPY Dockerfile /x\n"})
                result = self.kilnd.kiln("build", "--progress=plain", context)
                self.assertIn(result.code, (0, 1), result.text)
                if result.code:
                    self.assertIn("link", result.err)

    def test_a_link_of_one_layer_is_not_followed_out_by_the_next(self):
        repository = self.repository()
        repository.put_image([Layer(tar(symlink("link", str(self.canary)), symlink("up", "../../../.."))),
                              Layer(tar(entry("link/file", data=b"overwritten"), entry("up/tmp/kiln-pwned", data=b"x")))])
        context = self.context({"Dockerfile": f"FROM {repository.reference}\nCOPY Dockerfile /link/file2\n"})
        result = self.kilnd.kiln("build", "--progress=plain", context)
        self.assertIn(result.code, (0, 1), result.text)

    def test_a_copy_to_a_destination_behind_a_link_stays_inside(self):
        repository = self.repository()
        repository.put_image([Layer(tar(symlink("abs", str(self.canary)), symlink("up", "../../../../../..")))])
        out = self.directory / "out"
        self.build(self.kilnd, self.context({"Dockerfile": f"FROM {repository.reference}\nCOPY file /up/pwned\n"
                                                           "WORKDIR /up/work\n", "file": "x"}), "-o", out)
        self.assertEqual((out / "pwned").read_text(), "x")
        self.assertTrue((out / "work").is_dir())
        for line in ("COPY file /abs/", "COPY file /abs/file", "COPY file /abs", "WORKDIR /abs/work", "ADD file /abs/"):
            with self.subTest(line=line):  # beneath the root nothing is at the link's end
                result = self.kilnd.kiln("build", "--progress=plain", self.context(
                    {"Dockerfile": f"FROM {repository.reference}\n{line}\n", "file": "x"}))
                self.assertIn(result.code, (0, 1), result.text)

    def test_a_hard_link_to_outside_is_refused(self):
        for target in ("../canary/file", "../../../../../../../../etc/passwd"):
            with self.subTest(target=target):
                self.refused_image([Layer(tar(hardlink("stolen", target)))], target)

    def test_a_hard_link_to_nothing_or_through_a_link_is_refused(self):
        self.refused_image([Layer(tar(hardlink("stolen", "/etc/passwd")))], "etc/passwd")
        self.refused_image([Layer(tar(hardlink("itself", "itself")))], "itself")
        self.refused_image([Layer(tar(symlink("out", str(self.canary)), hardlink("stolen", "out/file")))], "out/file")

    def test_a_hard_link_to_a_link_links_the_link(self):
        out = self.confined_image([Layer(tar(symlink("out", str(self.canary / "file")), hardlink("stolen", "out")))])
        self.assertTrue((out / "stolen").is_symlink())

    def test_a_whiteout_of_the_parent_is_refused(self):
        for name in (".wh...", ".wh..", ".wh.", "a/.wh..."):
            with self.subTest(name=name):
                self.refused_image([Layer(tar(directory("a"), entry(name)))], name)

    def test_a_whiteout_through_a_link_removes_nothing_outside(self):
        repository = self.repository()
        repository.put_image([Layer(tar(symlink("link", str(self.canary)), entry("link/.wh.file"),
                                        entry("link/.wh..wh..opq")))])
        context = self.context({"Dockerfile": f"FROM {repository.reference}\nCOPY Dockerfile /x\n"})
        self.assertIn(self.kilnd.kiln("build", context).code, (0, 1))

    def test_a_node_or_file_as_a_parent_is_refused(self):
        for kind, options in ((tarfile.CHRTYPE, {"device": (1, 3)}), (tarfile.BLKTYPE, {"device": (7, 0)}),
                              (tarfile.FIFOTYPE, {}), (tarfile.REGTYPE, {})):
            with self.subTest(kind=kind):
                self.refused_image([Layer(tar(entry("dev", kind, **options), entry("dev/null", data=b"x")))], "dev")

    def test_a_device_node_that_is_the_overlay_s_whiteout_is_confined(self):
        """A character device 0:0 is how overlayfs writes a deletion: a layer may not smuggle other meanings in."""
        lower = Layer(tar(directory("d"), entry("d/file", data=b"lower")))
        upper = Layer(tar(entry("d/file", tarfile.CHRTYPE, device=(0, 0))))
        repository = self.repository()
        repository.put_image([lower, upper])
        context = self.context({"Dockerfile": f"FROM {repository.reference}\nCOPY Dockerfile /x\n"})
        self.assertIn(self.kilnd.kiln("build", "-t", "whiteout", context).code, (0, 1))

    def test_overlay_s_own_attributes_of_a_layer_are_not_obeyed(self):
        info, _ = directory("d")
        info.pax_headers = {"SCHILY.xattr.trusted.overlay.opaque": "y",
                            "SCHILY.xattr.trusted.overlay.redirect": str(self.canary / "directory")}
        layers = [Layer(tar(directory("d"), entry("d/kept", data=b"k"))), Layer(tar((info, b"")))]
        out = self.confined_image(layers)
        self.assertEqual(sorted(os.listdir(out / "d")), ["kept"])

    def test_one_entry_for_the_root_that_is_no_directory_is_refused(self):
        for name in (".", "/", "a/.."):
            with self.subTest(name=name):
                self.refused_image([Layer(tar(symlink(name, str(self.canary))))], "root")

    def test_a_name_longer_than_the_system_allows_is_refused(self):
        self.refused_image([Layer(tar(entry("n" * 256, data=b"x")))], "255")
        self.refused_image([Layer(tar(entry("/".join(["d" * 200] * 40), data=b"x")))], "longer")

    def test_the_same_name_many_times_ends_as_the_last(self):
        out = self.confined_image([Layer(tar(entry("x1", data=b"file"), directory("x1"), entry("x1/a", data=b"a"),
                                             symlink("x1", str(self.canary / "directory")), directory("x1"),
                                             entry("x1/inner", data=b"mine")))])
        self.assertEqual((out / "x1/inner").read_bytes(), b"mine")

    # Lies.

    def test_a_blob_whose_bytes_are_not_its_digest_is_refused(self):
        layer = Layer(tar(entry("file", data=b"honest" * 1000)))
        repository = self.repository()
        repository.put_image([layer])
        path = stored_blob(self.registry.directory / "data", layer.digest)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        self.refused_base(repository.reference, layer.digest)

    def test_a_configuration_whose_bytes_are_not_its_digest_is_refused(self):
        repository = self.repository()
        _, raw = repository.put_image([Layer(tar(entry("file2", data=b"x")))])
        digest = kilntest.json.loads(raw)["config"]["digest"]
        path = stored_blob(self.registry.directory / "data", digest)
        path.write_bytes(path.read_bytes().replace(b"amd64", b"AMD64"))
        self.refused_base(repository.reference, digest)

    def test_a_size_that_is_wrong_is_refused(self):
        for difference in (-1, 1, 1 << 40):
            with self.subTest(difference=difference):
                layer = Layer(tar(entry(f"size{difference}", data=b"x" * 5000)))
                layer.size += difference
                repository = self.repository()
                try:
                    repository.put_image([layer])
                except kilntest.urllib.error.HTTPError:
                    continue  # the registry itself looked
                self.refused_base(repository.reference, "bytes")

    def test_a_configuration_with_other_diff_ids_is_refused(self):
        layer = Layer(tar(entry("diff", data=b"x")))
        self.refused_image([layer], "sha256:" + "1" * 64, diff_ids=["sha256:" + "1" * 64])

    def test_a_layer_that_claims_a_known_diff_id_does_not_poison_the_cache(self):
        """Cached content is found by diff id: only what was verified may be found."""
        honest = Layer(tar(entry("who", data=b"honest")))
        liar = Layer(tar(entry("who", data=b"liar")))
        liar.diff_id = honest.diff_id
        self.refused_image([liar], honest.diff_id)
        out = self.confined_image([honest])
        self.assertEqual((out / "who").read_bytes(), b"honest")

    def test_another_number_of_layers_than_of_diff_ids_is_refused(self):
        layer = Layer(tar(entry("count", data=b"x")))
        for diff_ids in ([], [layer.diff_id] * 2):
            with self.subTest(diff_ids=len(diff_ids)):
                self.refused_image([layer], "1 layers", f"{len(diff_ids)} diff_ids", diff_ids=diff_ids)

    def test_truncated_compression_is_refused(self):
        content = tar(entry("cut", data=os.urandom(100_000)))
        whole = gzip.compress(content)
        for keep in (0, 5, 20, len(whole) // 2, len(whole) - 9, len(whole) - 4):
            with self.subTest(keep=keep):
                self.refused_image([Layer(content, whole[:keep])])

    def test_bytes_that_are_no_tar_are_refused(self):
        for blob in (b"not gzip at all", gzip.compress(b"not a tar" * 200), bytes(range(256)) * 8):
            with self.subTest(blob=blob[:10]):
                self.refused_image([Layer(blob, blob)])

    def test_a_truncated_tar_is_refused(self):
        content = tar(entry("cut-tar", data=b"y" * 10_000))
        cut = content[:5000]
        self.refused_image([Layer(cut)])

    def test_an_unknown_media_type_of_a_layer_is_refused(self):
        content = tar(entry("media", data=b"x"))
        self.refused_image([Layer(content, content, "application/x-floppy")], "application/x-floppy")

    def test_encrypted_and_foreign_layers_are_refused_by_name(self):
        content = tar(entry("enc", data=b"x"))
        self.refused_image([Layer(content, content, OCI_LAYER + "+encrypted")], "+encrypted")

    def test_documents_that_are_no_documents_are_refused(self):
        cases = {"empty object": b"{}", "deep": b'{"a":' * 5000 + b"1" + b"}" * 5000,
                 "layers no list": b'{"schemaVersion":2,"config":{"mediaType":"x","digest":"sha256:' + b"0" * 64 +
                                   b'","size":1},"layers":7}'}
        for name, raw in cases.items():
            with self.subTest(name=name):
                server = LyingRegistry(raw)
                self.addCleanup(server.stop)
                self.refused_base(f"{server.host}/it")

    def test_a_huge_document_is_refused_without_reading_it_all(self):
        server = LyingRegistry(None)
        self.addCleanup(server.stop)
        result = self.refused_base(f"{server.host}/it", "larger than")
        self.assertLess(result.seconds, 60)

    def test_ten_thousand_layers_are_refused_or_built_but_do_not_hang(self):
        layer = Layer(tar(directory("a")))
        repository = self.repository()
        repository.put_image([layer] * 10_000)
        context = self.context({"Dockerfile": f"FROM {repository.reference}\nCOPY Dockerfile /x\n"})
        result = self.kilnd.kiln("build", "--progress=plain", context, timeout=50)
        self.assertEqual(result.code, 1, result.text[-2000:])
        self.assertIn("layers", result.err)

    def test_a_tar_bomb_in_a_configuration_s_environment_does_not_break_the_step(self):
        repository = self.repository()
        repository.put_image([Layer(tar(directory("bin")))],
                             config={"Env": ["A=\0", "NOEQUALS", "=x", "PATH=/bin"], "WorkingDir": "../../..",
                                     "User": "../../etc/passwd"})
        context = self.context({"Dockerfile": f"FROM {repository.reference}\nRUN true\n"})
        result = self.build(self.kilnd, context, code=1)
        self.assertNotIn("internal", result.err.replace("[internal]", ""))

    # Contexts.

    def built(self, dockerfile, context, code=0):
        (context / "Dockerfile").write_text(dockerfile)
        out = self.directory / "out"
        shutil.rmtree(out, ignore_errors=True)
        return self.build(self.kilnd, context, "-o", out, code=code, timeout=60), out

    def test_a_link_in_the_context_that_points_outside_reads_nothing_there(self):
        context = self.context({"Dockerfile": ""})
        (context / "link").symlink_to(self.canary / "file")
        (context / "up").symlink_to("../../canary/file")
        (context / "dir").symlink_to(self.canary)
        (context / "root").symlink_to("/")
        for source in ("link", "up", "dir/file", "dir", "root/etc/passwd", "d*", "li*"):
            with self.subTest(source=source):
                (context / "Dockerfile").write_text(f"FROM scratch\nCOPY {source} /it/\n")
                out = self.directory / "out"
                shutil.rmtree(out, ignore_errors=True)
                result = self.kilnd.kiln("build", "-o", out, context)
                self.assertIn(result.code, (0, 1), result.text)
                if out.exists():
                    for path in out.rglob("*"):
                        if path.is_file() and not path.is_symlink():
                            self.assertNotIn(SECRET, path.read_text(errors="replace"))
                            self.assertNotIn("root:", path.read_text(errors="replace"))

    def test_a_source_that_climbs_out_of_the_context_stays_inside(self):
        context = self.context({"Dockerfile": "", "etc/passwd": "mine"})
        _, out = self.built("FROM scratch\nCOPY ../../../../../../etc/passwd /it\n", context)
        self.assertEqual((out / "it").read_text(), "mine")
        result, _ = self.built("FROM scratch\nCOPY ../canary/file /it\n", context, code=1)
        self.assertIn("canary/file", result.err)

    def test_a_dockerignore_that_is_a_link_to_outside_is_not_read(self):
        context = self.context({"Dockerfile": "", "file": "f"})
        (context / ".dockerignore").symlink_to(self.canary / "file")
        (context / "Dockerfile").write_text("FROM scratch\nCOPY file /\n")
        result = self.kilnd.kiln("build", context)
        self.assertNotIn(SECRET, result.text)
        self.assertIn(result.code, (0, 1))

    def test_a_fifo_in_the_context_does_not_hang(self):
        context = self.context({"Dockerfile": "", "file": "f"})
        os.mkfifo(context / "pipe")
        result, out = self.built("FROM scratch\nCOPY . /it\n", context)
        self.assertLess(result.seconds, 50)
        self.assertEqual((out / "it/file").read_text(), "f")
        direct = self.kilnd.kiln("build", "--progress=plain", self.pipe_context(), timeout=50)
        self.assertIn(direct.code, (0, 1), direct.text)

    def pipe_context(self):
        context = self.context({"Dockerfile": "FROM scratch\nCOPY pipe /it\nADD pipe /other\n"}, "pipes")
        os.mkfifo(context / "pipe")
        return context

    def test_a_fifo_as_the_dockerfile_or_its_ignore_file_does_not_hang(self):
        context = self.context({"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"})
        os.mkfifo(context / ".dockerignore")
        result = self.kilnd.kiln("build", "--progress=plain", context, timeout=50)
        self.assertIn(".dockerignore", result.text)
        self.assertEqual(result.code, 1, result.text)

    def test_a_socket_in_the_context_is_left_out(self):
        context = self.context({"Dockerfile": "", "file": "f"})
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(context / "socket"))
            _, out = self.built("FROM scratch\nCOPY . /it\n", context)
        self.assertEqual(sorted(os.listdir(out / "it")), ["Dockerfile", "file"])

    def test_a_file_that_becomes_a_link_while_it_is_copied_shows_nothing_of_outside(self):
        context = self.context({"Dockerfile": ""})
        for number in range(200):
            (context / f"file{number}").write_text("honest" * 200)
        over = threading.Event()

        def swap():
            number = 0
            while not over.is_set():
                path = context / f"file{number % 200}"
                temporary = context / "Dockerfile.swap"
                temporary.symlink_to(self.canary / "file")
                os.replace(temporary, path)
                over.wait(0.001)
                temporary.write_text("honest" * 200)
                os.replace(temporary, path)
                number += 7
        swapper = threading.Thread(target=swap)
        swapper.start()
        try:
            for turn in range(8):
                (context / "Dockerfile").write_text(f"FROM scratch\n# {turn}\nCOPY file* /it/\n")
                out = self.directory / f"out{turn}"
                result = self.kilnd.kiln("build", "--progress=plain", "--no-cache", "-o", out, context, timeout=60)
                self.assertIn(result.code, (0, 1), result.text)
                self.assertNotIn("internal", result.err.replace("[internal]", ""))
                for path in out.rglob("*") if out.exists() else ():
                    if not path.is_symlink() and path.is_file():
                        self.assertNotIn(SECRET, path.read_text())
        finally:
            over.set()
            swapper.join()

    def test_a_directory_that_becomes_a_link_while_it_is_copied_shows_nothing_of_outside(self):
        context = self.context({"Dockerfile": "", "dir/inner": "honest", "dir/file": "honest"})
        over = threading.Event()

        def swap():
            while not over.is_set():
                os.rename(context / "dir", context / "Dockerfile.dir")
                (context / "dir").symlink_to(self.canary)
                over.wait(0.002)
                (context / "dir").unlink()
                os.rename(context / "Dockerfile.dir", context / "dir")
                over.wait(0.002)
        swapper = threading.Thread(target=swap)
        swapper.start()
        try:
            for turn in range(8):
                (context / "Dockerfile").write_text(f"FROM scratch\n# {turn}\nCOPY dir /it/\n")
                out = self.directory / f"out{turn}"
                self.kilnd.kiln("build", "--no-cache", "-o", out, context, timeout=60)
                for path in out.rglob("*") if out.exists() else ():
                    if not path.is_symlink() and path.is_file():
                        self.assertNotIn(SECRET, path.read_text())
        finally:
            over.set()
            swapper.join()

    def test_five_thousand_entries_of_one_directory_are_all_there(self):
        context = self.context({"Dockerfile": ""})
        many = context / "many"
        many.mkdir()
        for number in range(5000):
            (many / f"entry-{number}").write_bytes(b"%d" % number)
        result, out = self.built("FROM scratch\nCOPY many /many/\n", context)
        self.assertEqual(len(os.listdir(out / "many")), 5000)
        self.assertEqual((out / "many/entry-4999").read_bytes(), b"4999")
        self.assertLess(result.seconds, 50)

    def test_a_path_near_the_limit_is_copied_and_one_beyond_it_does_not_crash(self):
        context = self.context({"Dockerfile": ""})
        deep = os.open(context, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for _ in range(19):  # 19 × 201 bytes
                os.mkdir("d" * 200, dir_fd=deep)
                below = os.open("d" * 200, os.O_RDONLY | os.O_DIRECTORY, dir_fd=deep)
                os.close(deep)
                deep = below
            os.close(os.open("leaf", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=deep))
        finally:
            os.close(deep)
        (context / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
        name = f"{self.registry.host}/deep"
        result = self.kilnd.kiln("build", "--progress=plain", "-t", name, "--push", context, timeout=60)
        self.assertEqual(result.code, 0, result.text[-3000:])
        subprocess.run(["rm", "-rf", str(context)], check=True)

    def test_names_that_are_not_utf_8_survive(self):
        context = self.context({"Dockerfile": ""})
        odd = [b"latin-\xe9", b"\xff\xfe", b"new\nline", b"tab\t", b"esc\x1b[31m", b"quote'\"\\", b" space ", b"-dash"]
        for name in odd:
            with open(os.path.join(os.fsencode(context), name), "wb") as file:
                file.write(name)
        (context / "Dockerfile").write_text("FROM scratch\nCOPY . /it/\n")
        name = f"{self.registry.host}/odd"
        result = self.build(self.kilnd, context, "-t", name, "--push", "-o", self.directory / "out")
        self.assertNotIn("\x1b[31m", result.text)
        for place in (self.directory / "out/it", self.unpack(name)[0] / "it"):
            found = {entry for entry in os.listdir(os.fsencode(place)) if entry != b"Dockerfile"}
            self.assertEqual(found, set(odd))
        with open(os.fsencode(self.directory / "out/it") + b"/\xff\xfe", "rb") as file:
            self.assertEqual(file.read(), b"\xff\xfe")

    def test_control_characters_of_a_dockerfile_or_a_registry_do_not_reach_the_terminal_raw(self):
        result = self.build(self.kilnd, self.context({"Dockerfile": "FROM busybox\n\x1b[2JRUNN x\n"}), code=1)
        self.assertIn("Dockerfile:2", result.err)


class LyingRegistry:
    """Answers every manifest with the same bytes, or with bytes that never end."""

    def __init__(self, manifest):
        import http.server

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802
                self.send_response(200)
                self.send_header("Content-Type", "application/vnd.oci.image.manifest.v1+json")
                if manifest is not None:
                    self.send_header("Content-Length", str(len(manifest)))
                    self.end_headers()
                    self.wfile.write(manifest)
                    return
                self.end_headers()
                try:
                    self.wfile.write(b'{"schemaVersion":2,"layers":[')
                    end = time.monotonic() + 50
                    while time.monotonic() < end:
                        self.wfile.write(b"1," * 65536)
                except OSError:
                    pass  # the client had enough

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


if __name__ == "__main__":
    kilntest.main()
