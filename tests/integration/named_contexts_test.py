"""--build-context: directories, images and OCI layouts in the place of images and stages."""
import json
import os
import subprocess

import kilntest


class NamedContextsTest(kilntest.SharedDaemonTest):
    def named(self, dockerfile, contexts, files=None, *flags, **options):
        given = [flag for name, value in contexts.items() for flag in ("--build-context", f"{name}={value}")]
        return self.built(dockerfile, files, *given, *flags, **options)

    def test_copy_from_a_directory_takes_owners_away_and_keeps_the_rest(self):
        other = self.context({"a": "other", "bin/tool": "tool"}, "other")
        (other / "bin/tool").chmod(0o750)
        os.chown(other / "a", 5, 6)
        built = self.named("FROM scratch\nCOPY --from=src a bin/tool /it/\nCOPY a /main\n", {"src": other}, {"a": "main"})
        self.assertEqual(built.text("it/a"), "other")
        self.assertEqual(built.owner("it/a"), "0:0")
        self.assertEqual(built.mode("it/tool"), "0750")
        self.assertEqual(built.text("main"), "main")

    def test_a_directory_has_its_own_dockerignore(self):
        other = self.context({".dockerignore": "*.log\n!keep.log\n", "a": "", "b.log": "", "keep.log": ""}, "other")
        built = self.named("FROM scratch\nCOPY --from=src . /it/\nCOPY . /main/\n", {"src": other},
                           {".dockerignore": "a\n", "a": "", "b.log": ""})
        self.assertEqual(built.names("it"), [".dockerignore", "a", "keep.log"])
        self.assertEqual(built.names("main"), [".dockerignore", "Dockerfile", "b.log"])

    def test_only_what_is_copied_counts(self):
        other = self.context({"a": "x", "rest": "1"}, "other")
        dockerfile = "FROM scratch\nCOPY --from=src a /a\n"
        self.named(dockerfile, {"src": other})
        (other / "rest").write_text("2")
        self.assertEqual(kilntest.ran(self.named(dockerfile, {"src": other}).result), [])
        (other / "a").write_text("y")
        self.assertEqual(self.named(dockerfile, {"src": other}).text("a"), "y")

    def test_a_directory_is_a_base_image(self):
        rootfs = self.context({"etc/name": "mine"}, "rootfs")
        os.chown(rootfs / "etc/name", 7, 7)
        built = self.named("FROM base\nCOPY a /a\n", {"base": rootfs}, {"a": "x"})
        self.assertEqual(built.text("etc/name"), "mine")
        self.assertEqual(built.owner("etc/name"), "0:0")
        self.assertEqual(built.text("a"), "x")
        self.assertEqual(built.config["config"]["WorkingDir"], "/")
        self.assertEqual(len(built.config["rootfs"]["diff_ids"]), 2)
        self.assertEqual([entry.get("comment") for entry in built.config["history"]],
                         ["buildkit.dockerfile.v0", "buildkit.exporter.image.v0"])

    def test_an_image_takes_the_place_of_a_base_image(self):
        for name in ("nowhere.example/base:1", "debian"):
            built = self.named(f"FROM {name}\nRUN echo made > /made\n", {name: "docker-image://busybox"})
            self.assertEqual(built.text("made"), "made\n")
            self.assertTrue(os.path.lexists(built.path("bin/busybox")))

    def test_an_image_by_digest(self):
        digest = self.kilnd.kiln("pull", "-q", "busybox")
        digest = json.loads(self.kilnd.kiln("inspect", "busybox").out)
        digest = (digest[0] if isinstance(digest, list) else digest)["digest"]
        built = self.named("FROM scratch\nCOPY --from=tools /bin/busybox /b\n",
                           {"tools": f"docker-image://busybox@{digest}"})
        self.assertGreater(built.stat("b").st_size, 1000)

    def test_scratch_can_be_named(self):
        built = self.named("FROM debian\nCOPY a /a\n", {"debian": "docker-image://scratch"}, {"a": "x"})
        self.assertEqual(built.names("/"), ["a"])

    def test_a_stage_of_the_name_is_replaced_and_does_not_run(self):
        other = self.context({"a": "from the context"}, "other")
        built = self.named("FROM busybox AS base\nRUN false\nFROM scratch\nCOPY --from=base /a /a\n", {"base": other})
        self.assertEqual(built.text("a"), "from the context")

    def test_run_mounts_a_named_context(self):
        other = self.context({"a": "mounted"}, "other")
        built = self.named("FROM busybox\nRUN --mount=from=src,target=/src cp /src/a /a\n", {"src": other})
        self.assertEqual(built.text("a"), "mounted")

    def layout(self, *names):
        layout = self.directory / "layout"
        for name, tag in names:
            subprocess.run(["skopeo", "copy", "--quiet", "--src-tls-verify=false",
                            f"docker://{self.mirror.host}/library/{name}", f"oci:{layout}:{tag}"], check=True,
                           capture_output=True)
        return layout

    def test_an_oci_layout_is_a_base_image(self):
        layout = self.layout(("busybox", "it"))
        digest = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]
        for value in (f"oci-layout://{layout}", f"oci-layout://{layout}:it", f"oci-layout://{layout}@{digest}",
                      f"oci-layout://{layout}:it@{digest}"):
            with self.subTest(value):
                built = self.named("FROM private\nRUN echo made > /made\n", {"private": value})
                self.assertEqual(built.text("made"), "made\n")

    def test_an_oci_layout_needs_no_registry_even_to_push(self):
        layout = self.layout(("busybox", "it"))
        built = self.named("FROM never.example/private\nLABEL a=b\n", {"never.example/private": f"oci-layout://{layout}"})
        self.assertTrue(os.path.lexists(built.path("bin/busybox")))

    def test_a_damaged_layout_is_told(self):
        layout = self.layout(("busybox", "it"))
        for blob in (layout / "blobs/sha256").iterdir():
            blob.write_bytes(blob.read_bytes()[:-1] + b"?")
        context = self.context({"Dockerfile": "FROM fresh\n"})
        result = self.build(self.kilnd, context, "--build-context", f"fresh=oci-layout://{layout}", code=1)
        self.assertIn("damaged", result.err)

    def test_a_layout_without_the_tag_says_what_it_has(self):
        layout = self.layout(("busybox", "one"))
        index = json.loads((layout / "index.json").read_text())
        index["manifests"].append({**index["manifests"][0], "annotations": {"org.opencontainers.image.ref.name": "two"}})
        (layout / "index.json").write_text(json.dumps(index))
        context = self.context({"Dockerfile": "FROM fresh\n"})
        result = self.build(self.kilnd, context, "--build-context", f"fresh=oci-layout://{layout}:three", code=1)
        self.assertIn('no image tagged "three"; it has one, two', result.err)

    def test_mistakes_name_the_flag(self):
        context = self.context({"Dockerfile": "FROM scratch\n", "file": ""})
        for value, said, code in (("name", "write NAME=VALUE", 2),
                                  ("=value", "write NAME=VALUE", 2),
                                  ("Bad Name=.", "--build-context", 2),
                                  ("a=target:other", "targets are known to bake files only", 2),
                                  (f"a={context}/file", "not a directory", 2),
                                  (f"a={context}/nowhere", f"--build-context a={context}/nowhere: No such file", 1),
                                  (f"a=oci-layout://{context}/nowhere", "No such file", 1),
                                  ("a=docker-image://Not An Image", "--build-context a=docker-image://", 1)):
            with self.subTest(value):
                result = self.build(self.kilnd, context, "--build-context", value, code=code)
                self.assertIn(said, result.err)

    def test_a_client_reads_no_directory_that_it_may_not_read(self):
        self.context({"a": "secret"}, "other").chmod(0o700)
        context = self.context({"Dockerfile": "FROM scratch\nCOPY --from=src a /a\n"})
        result = self.kilnd.kiln("build", "--build-context", f"src={self.directory}/other", context, user=65534)
        self.assertIn(result.code, (1, 3))
        self.assertNotIn("secret", result.text)


if __name__ == "__main__":
    kilntest.main()
