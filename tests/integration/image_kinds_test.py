"""Base images of every kind that registries hold: indexes, Docker's formats, other compressions, digests."""
import json
import subprocess
import urllib.request

import kilntest
from crafted import (DOCKER_INDEX, DOCKER_LAYER, DOCKER_MANIFEST, Layer, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Repository,
                     digest_of, entry, tar)


class ImageKindsTest(kilntest.KilnTest):
    def setUp(self):
        super().setUp()
        self.kilnd = self.daemon()
        self.repository = Repository(self.registry, self.id().rsplit(".", 1)[1].lower())

    def local(self, daemon, dockerfile, *flags, name="out", **options):
        """The root file system of a build as a directory."""
        out = self.directory / name
        self.build(daemon, self.context({"Dockerfile": dockerfile}), "-o", out, *flags, **options)
        return out

    def index(self, media_type, manifest_type, docker=False, tag="latest"):
        """An index of three platforms and something that is no platform's; gives their manifests' digests."""
        entries, digests = [], {}
        for platform in ("linux/arm64", "linux/amd64", "linux/arm"):
            layer = Layer(tar(entry("platform", data=platform.encode())))
            if docker:
                layer.media_type = DOCKER_LAYER
            digest, raw = self.repository.put_image([layer], tag=None, platform=platform, docker=docker)
            digests[platform] = digest
            system, architecture = platform.split("/")
            entries.append({"mediaType": manifest_type, "digest": digest, "size": len(raw),
                            "platform": {"os": system, "architecture": architecture,
                                         **({"variant": "v7"} if architecture == "arm" else {})}})
        entries.insert(0, {**entries[0], "platform": {"os": "unknown", "architecture": "unknown"},
                           "annotations": {"vnd.docker.reference.type": "attestation-manifest"}})
        document = {"schemaVersion": 2, "mediaType": media_type, "manifests": entries}
        digests["index"] = self.repository.put_manifest(document, tag, media_type)
        return digests

    def platform_of(self, *flags, reference=None, name="out"):
        out = self.local(self.kilnd, f"FROM {reference or self.repository.reference}\nCOPY Dockerfile /x\n", *flags,
                         name=name)
        return (out / "platform").read_text()

    def test_an_index_gives_the_platform_that_is_asked_for(self):
        self.index(OCI_INDEX, OCI_MANIFEST)
        self.assertEqual(self.platform_of(name="a"), "linux/amd64")
        self.assertEqual(self.platform_of("--platform", "linux/arm64", name="b"), "linux/arm64")
        self.assertEqual(self.platform_of("--platform", "linux/arm/v7", name="c"), "linux/arm")

    def test_one_platform_is_an_index_on_demand(self):
        context = self.context({"Dockerfile": "FROM scratch\nCOPY Dockerfile /x\n"})
        self.build(self.kilnd, context, "-t", "one-of-many", "--build-arg", "BUILDKIT_MULTI_PLATFORM=1")
        self.assertIn("index", json.loads(self.kilnd.kiln("inspect", "one-of-many").out)["media_type"])
        self.build(self.kilnd, context, "-t", "one-alone", "--build-arg", "BUILDKIT_MULTI_PLATFORM=0")
        self.assertNotIn("index", json.loads(self.kilnd.kiln("inspect", "one-alone").out)["media_type"])

    def test_a_docker_manifest_list_gives_the_platform_that_is_asked_for(self):
        self.index(DOCKER_INDEX, DOCKER_MANIFEST, docker=True)
        self.assertEqual(self.platform_of(name="a"), "linux/amd64")
        self.assertEqual(self.platform_of("--platform", "linux/arm64", name="b"), "linux/arm64")

    def test_a_platform_that_is_not_there_is_refused_with_those_that_are(self):
        self.index(OCI_INDEX, OCI_MANIFEST)
        context = self.context({"Dockerfile": f"FROM {self.repository.reference}\n"})
        result = self.build(self.kilnd, context, "--platform", "linux/s390x", code=1)
        for word in ("linux/s390x", "linux/amd64", "linux/arm64"):
            self.assertIn(word, result.err)
        self.assertNotIn("unknown/unknown", result.err)

    def test_from_with_a_platform_of_its_own(self):
        self.index(OCI_INDEX, OCI_MANIFEST)
        out = self.local(self.kilnd, f"FROM --platform=linux/arm64 {self.repository.reference} AS other\n"
                                     f"FROM {self.repository.reference}\nCOPY --from=other /platform /other\n")
        self.assertEqual((out / "other").read_text(), "linux/arm64")
        self.assertEqual((out / "platform").read_text(), "linux/amd64")

    def test_two_platforms_are_pushed_as_an_index(self):
        self.index(OCI_INDEX, OCI_MANIFEST)
        name = f"{self.registry.host}/two-platforms"
        context = self.context({"Dockerfile": f"FROM {self.repository.reference}\nCOPY Dockerfile /x\n"})
        self.build(self.kilnd, context, "--platform", "linux/amd64,linux/arm64", "-t", name, "--push")
        document = self.registry.manifest("two-platforms")
        self.assertEqual([(one["platform"]["os"], one["platform"]["architecture"]) for one in document["manifests"]],
                         [("linux", "amd64"), ("linux", "arm64")])
        for architecture in ("amd64", "arm64"):
            layout = self.directory / architecture
            subprocess.run(["skopeo", "copy", "--quiet", "--src-tls-verify=false", "--override-arch", architecture,
                            f"docker://{name}", f"oci:{layout}:it"], check=True, capture_output=True)

    def test_a_docker_schema_2_image_is_a_base(self):
        layer = Layer(tar(entry("docker", data=b"docker")), media_type=DOCKER_LAYER)
        self.repository.put_image([layer], docker=True, config={"Env": ["FROM_BASE=yes"], "Cmd": ["/docker"]})
        name = f"{self.registry.host}/from-docker"
        self.build(self.kilnd, self.context({"Dockerfile": f"FROM {self.repository.reference}\nCOPY Dockerfile /x\n"}),
                   "-t", name, "--push")
        rootfs, config = self.unpack(name)
        self.assertEqual((rootfs / "docker").read_text(), "docker")
        self.assertIn("FROM_BASE=yes", config["config"]["Env"])
        self.assertEqual(config["config"]["Cmd"], ["/docker"])
        # One image, one kind: an OCI manifest names OCI layers.
        manifest = self.registry.manifest("from-docker")
        self.assertEqual(manifest["mediaType"], OCI_MANIFEST)
        self.assertEqual({one["mediaType"] for one in manifest["layers"]}, {OCI_LAYER + "+gzip"})

    def test_layers_of_zstd_and_of_no_compression_are_a_base(self):
        contents = [tar(entry("zstd", data=b"z" * 100_000)), tar(entry("plain", data=b"p" * 1000)),
                    tar(entry("gzip", data=b"g" * 1000))]
        packed = subprocess.run(["zstd", "-c"], input=contents[0], check=True, capture_output=True).stdout
        layers = [Layer(contents[0], packed, OCI_LAYER + "+zstd"), Layer(contents[1], contents[1], OCI_LAYER),
                  Layer(contents[2])]
        self.repository.put_image(layers)
        name = f"{self.registry.host}/mixed"
        context = self.context({"Dockerfile": f"FROM {self.repository.reference}\nCOPY Dockerfile /x\n"})
        out = self.directory / "out"
        self.build(self.kilnd, context, "-t", name, "--push", "-o", out)
        for file, size in (("zstd", 100_000), ("plain", 1000), ("gzip", 1000)):
            self.assertEqual((out / file).stat().st_size, size)
        pushed = self.registry.manifest("mixed")["layers"]
        self.assertEqual([one["digest"] for one in pushed[:3]], [layer.digest for layer in layers])
        self.assertEqual([one["mediaType"] for one in pushed[:3]], [layer.media_type for layer in layers])

    def test_a_digest_pins_the_image_whatever_the_tag_says(self):
        first, _ = self.repository.put_image([Layer(tar(entry("platform", data=b"first")))])
        self.repository.put_image([Layer(tar(entry("platform", data=b"second")))])
        self.assertEqual(self.platform_of(reference=f"{self.repository.reference}@{first}", name="a"), "first")
        self.assertEqual(self.platform_of(reference=f"{self.repository.reference}:latest@{first}", name="b"), "first")
        self.assertEqual(self.platform_of(name="c"), "second")

    def test_a_digest_of_an_index_pins_it(self):
        digests = self.index(OCI_INDEX, OCI_MANIFEST)
        reference = f"{self.repository.reference}@{digests['index']}"
        self.assertEqual(self.platform_of(reference=reference, name="a"), "linux/amd64")
        arm = f"{self.repository.reference}@{digests['linux/arm64']}"
        self.assertEqual(self.platform_of("--platform", "linux/arm64", reference=arm, name="b"), "linux/arm64")

    def test_pull_tag_and_push_keep_the_bytes(self):
        digest, raw = self.repository.put_image([Layer(tar(entry("same", data=b"same")))])
        self.assertEqual(self.kilnd.kiln("pull", self.repository.reference).code, 0)
        target = f"{self.registry.host}/same-bytes"
        self.assertEqual(self.kilnd.kiln("tag", self.repository.reference, target).code, 0)
        self.assertEqual(self.kilnd.kiln("push", target).code, 0)
        request = urllib.request.Request(f"http://{self.registry.host}/v2/same-bytes/manifests/latest",
                                                  headers={"Accept": OCI_MANIFEST})
        with urllib.request.urlopen(request, timeout=20) as answer:
            self.assertEqual(digest_of(answer.read()), digest)

    def test_an_image_that_is_no_image_is_refused_by_name(self):
        chart = Layer(b"x", b"chart", "application/vnd.cncf.helm.chart.content.v1.tar+gzip")
        self.repository.put_image([chart])
        result = self.build(self.kilnd, self.context({"Dockerfile": f"FROM {self.repository.reference}\n"}), code=1)
        self.assertIn("helm.chart", result.err)
        self.assertIn("Dockerfile:1", result.err)


if __name__ == "__main__":
    kilntest.main()
