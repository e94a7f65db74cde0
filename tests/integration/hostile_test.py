"""Images made to break out or to lie: a clear error, and nothing touched that was not given."""
import gzip
import http.server
import json
import os
import tarfile
import threading
import time
import urllib.error

import kilntest
from canaries import CanaryTest
from crafted import (Layer, OCI_LAYER, Repository, directory, entry, hardlink, stored_blob, symlink, tar)


class HostileImageTest(CanaryTest):
    number = 0

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
                              Layer(tar(entry("link/file", data=b"overwritten"),
                                        entry("up/tmp/kiln-pwned", data=b"x")))])
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
        digest = json.loads(raw)["config"]["digest"]
        path = stored_blob(self.registry.directory / "data", digest)
        path.write_bytes(path.read_bytes().replace(b"amd64", b"AMD64"))
        self.refused_base(repository.reference, digest)

    def test_a_size_that_is_wrong_is_refused(self):
        tried = 0
        for difference in (-1, 1, 1 << 40):
            with self.subTest(difference=difference):
                layer = Layer(tar(entry(f"size{difference}", data=b"x" * 5000)))
                layer.size += difference
                repository = self.repository()
                try:
                    repository.put_image([layer])
                except urllib.error.HTTPError:
                    continue  # the registry itself looked
                self.refused_base(repository.reference, "bytes")
                tried += 1
        self.assertGreater(tried, 0)

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


class LyingRegistry:
    """Answers every manifest with the same bytes, or with bytes that never end."""

    def __init__(self, manifest):
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
