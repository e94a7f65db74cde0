"""Pull and push against real registries: who may, over what, from where, and how little is sent."""
import subprocess

import kilntest
from crafted import (DOCKER_INDEX, DOCKER_LAYER, DOCKER_MANIFEST, Layer, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Repository,
                     digest_of, entry, tar)
from proxy import Fault, Proxy


class RegistryCase(kilntest.KilnTest):
    def proxied(self, fault=None, upstream=None):
        proxy = Proxy((upstream or self.registry).host, fault)
        self.addCleanup(proxy.stop)
        return proxy

    def own_registry(self, name="own", extra=""):
        registry = kilntest.Registry(self.directory / name, extra=extra)
        self.addCleanup(registry.stop)
        return registry

    def local(self, daemon, dockerfile, *flags, name="out", **options):
        """The root file system of a build as a directory."""
        out = self.directory / name
        self.build(daemon, self.context({"Dockerfile": dockerfile}), "-o", out, *flags, **options)
        return out


class AuthenticationTest(RegistryCase):
    def setUp(self):
        super().setUp()
        passwords = self.directory / "htpasswd"
        passwords.write_bytes(subprocess.run(["htpasswd", "-Bbn", "me", "secret-word"], check=True,
                                             capture_output=True).stdout)
        self.closed = self.own_registry("closed", extra=f"auth:\n  htpasswd: {{realm: test, path: {passwords}}}\n")
        self.kilnd = self.daemon(registries=[self.closed.host])
        self.name = f"{self.closed.host}/app"
        self.files = self.context({"Dockerfile": "FROM scratch\nCOPY Dockerfile /file\n"})

    def login(self, password="secret-word"):
        return self.kilnd.kiln("login", "-u", "me", "--password-stdin", self.closed.host, stdin=password.encode())

    def test_a_push_without_credentials_is_refused_with_what_to_do(self):
        result = self.build(self.kilnd, self.files, "-t", self.name, "--push", code=1)
        self.assertIn("401", result.err)
        self.assertIn(f"kiln login {self.closed.host}", result.err)

    def test_a_pull_without_credentials_is_refused_with_what_to_do(self):
        result = self.build(self.kilnd, self.context({"Dockerfile": f"FROM {self.name}\n"}, "base"), code=1)
        self.assertIn("401", result.err)
        self.assertIn(f"kiln login {self.closed.host}", result.err)

    def test_wrong_credentials_are_refused_and_not_shown(self):
        self.assertEqual(self.login("wrong-word").code, 0)
        result = self.build(self.kilnd, self.files, "-t", self.name, "--push", code=1)
        self.assertIn("401", result.err)
        self.assertNotIn("wrong-word", result.text + self.kilnd.log_text())

    def test_after_a_login_pushes_and_pulls_succeed_and_after_a_logout_they_do_not(self):
        self.assertEqual(self.login().code, 0)
        self.assertTrue((self.kilnd.directory / ".docker/config.json").exists())
        self.build(self.kilnd, self.files, "-t", self.name, "--push")
        base = self.context({"Dockerfile": f"FROM {self.name}\nCOPY Dockerfile /more\n"}, "base")
        other = self.daemon("other", registries=[self.closed.host])
        (other.directory / ".docker").mkdir()
        config = other.directory / ".docker/config.json"
        config.write_text((self.kilnd.directory / ".docker/config.json").read_text())
        self.build(other, base, "-t", f"{self.closed.host}/more", "--push")
        self.assertEqual(other.kiln("pull", self.name).code, 0)
        for daemon in (self.kilnd, other):
            self.assertNotIn("secret-word", daemon.log_text())
            for path in daemon.root.rglob("*"):
                if path.is_file():
                    self.assertNotIn(b"secret-word", path.read_bytes())
        self.assertEqual(self.kilnd.kiln("logout", self.closed.host).code, 0)
        result = self.kilnd.kiln("push", self.name)
        self.assertEqual(result.code, 1, result.text)
        self.assertIn("401", result.err)

    def test_one_user_s_credentials_do_not_serve_another(self):
        self.login()
        self.build(self.kilnd, self.files, "-t", self.name, "--push")
        stranger = self.directory / "stranger"
        stranger.mkdir()
        self.kilnd.kiln("rmi", self.name)
        result = self.kilnd.kiln("pull", self.name, env={"HOME": str(stranger)})
        self.assertEqual(result.code, 1, result.text)
        self.assertIn("401", result.err)

    def test_docker_config_names_another_place_of_the_credentials(self):
        self.login()
        moved = self.directory / "moved"
        (self.kilnd.directory / ".docker").rename(moved)
        self.build(self.kilnd, self.files, "-t", self.name, "--push", env={"DOCKER_CONFIG": str(moved)})

    def test_a_credential_helper_is_asked(self):
        helper = self.directory / "bin/docker-credential-test"
        helper.parent.mkdir()
        helper.write_text("#!/bin/sh\nread server\n"
                          'echo "{\\"ServerURL\\":\\"$server\\",\\"Username\\":\\"me\\",\\"Secret\\":\\"secret-word\\"}"\n')
        helper.chmod(0o755)
        docker = self.kilnd.directory / ".docker"
        docker.mkdir()
        (docker / "config.json").write_text('{"credHelpers": {"%s": "test"}}' % self.closed.host)
        path = f"{helper.parent}:{kilntest.os.environ['PATH']}"
        self.build(self.kilnd, self.files, "-t", self.name, "--push", env={"PATH": path})


class TlsTest(RegistryCase):
    def setUp(self):
        super().setUp()
        def openssl(*words):
            subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=self.directory)
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
                "-subj", "/CN=kiln test authority")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr",
                "-subj", "/CN=registry")
        (self.directory / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out",
                "server.pem", "-days", "2", "-extfile", "names")
        self.secure = self.own_registry(
            "secure", extra=f"  tls:\n    certificate: {self.directory}/server.pem\n    key: {self.directory}/server.key\n")
        self.files = self.context({"Dockerfile": "FROM scratch\nCOPY Dockerfile /file\n"})
        self.name = f"{self.secure.host}/app"

    def pushed(self, config, code=0):
        daemon = self.daemon(registries=[], mirror=None, config=config)
        return self.build(daemon, self.files, "-t", self.name, "--push", code=code), daemon

    def test_an_unknown_authority_is_refused_with_what_to_do(self):
        result, _ = self.pushed(f'[registry."{self.secure.host}"]\n', code=1)
        self.assertIn("certificate", result.err)
        self.assertIn(self.secure.host, result.err)
        self.assertIn("ca = ", result.err)

    def test_a_named_authority_is_trusted(self):
        _, daemon = self.pushed(f'[registry."{self.secure.host}"]\nca = ["{self.directory}/ca.pem"]\n')
        daemon.kiln("rmi", self.name)
        daemon.kiln("prune", "--all")
        self.assertEqual(daemon.kiln("pull", self.name).code, 0)

    def test_an_insecure_registry_is_not_verified(self):
        self.pushed(f'[registry."{self.secure.host}"]\ninsecure = true\n')

    def test_an_authority_that_cannot_be_read_is_named(self):
        result, _ = self.pushed(f'[registry."{self.secure.host}"]\nca = ["/no/such/ca.pem"]\n', code=1)
        self.assertIn("/no/such/ca.pem", result.err)

    def test_plain_http_spoken_to_tls_is_an_error(self):
        result, _ = self.pushed(f'[registry."{self.secure.host}"]\nhttp = true\n', code=1)
        self.assertIn(self.secure.host, result.err)

    def test_tls_spoken_to_plain_http_says_how_to_allow_it(self):
        self.name = f"{self.registry.host}/plain-http"
        result, _ = self.pushed(f'[registry."{self.registry.host}"]\n', code=1)
        self.assertIn("http = true", result.err)


class MirrorTest(RegistryCase):
    def config(self, *mirrors):
        lines = []
        for mirror in mirrors:
            lines += [f'[registry."{mirror}"]', "http = true"]
        return "\n".join([*lines, '[registry."docker.io"]',
                          "mirrors = [" + ", ".join(f'"{mirror}"' for mirror in mirrors) + "]"])

    def test_a_mirror_that_is_down_is_passed_over(self):
        down = f"127.0.0.1:{kilntest.free_port()}"
        daemon = self.daemon(registries=[], mirror=None, config=self.config(down, self.mirror.host))
        result = self.build(daemon, self.context({"Dockerfile": "FROM busybox\nCOPY . /x\n"}))
        self.assertLess(result.seconds, 30)

    def test_a_mirror_without_the_image_is_passed_over(self):
        daemon = self.daemon(registries=[], mirror=None, config=self.config(self.registry.host, self.mirror.host))
        self.build(daemon, self.context({"Dockerfile": "FROM busybox\nCOPY . /x\n"}))

    def test_when_nobody_has_it_the_message_lists_everyone(self):
        down = f"127.0.0.1:{kilntest.free_port()}"
        daemon = self.daemon(registries=[], mirror=None, config=self.config(down, self.registry.host))
        result = self.build(daemon, self.context({"Dockerfile": "FROM nobody-has-this\n"}), code=1)
        for word in (down, "refused", self.registry.host, "404", "docker.io", "nobody-has-this"):
            self.assertIn(word, result.err)

    def test_a_mirror_with_a_path_is_asked_beneath_it(self):
        Repository(self.registry, "cache/library/tiny").put_image([Layer(tar(entry("tiny", data=b"tiny")))])
        daemon = self.daemon(registries=[self.registry.host], mirror=None,
                             config=f'[registry."docker.io"]\nmirrors = ["{self.registry.host}/cache"]')
        out = self.local(daemon, "FROM tiny\nCOPY . /x\n")
        self.assertEqual((out / "tiny").read_text(), "tiny")

    def test_nothing_is_pushed_to_a_mirror(self):
        proxy = self.proxied(upstream=self.mirror)
        daemon = self.daemon(registries=[], mirror=None, config=self.config(proxy.host))
        result = self.build(daemon, self.context({"Dockerfile": "FROM busybox\nCOPY . /x\n"}), "-t", "mine/app",
                            "--push", code=1)
        self.assertIn("docker.io", result.err)
        self.assertEqual([one for one in proxy.requests if one.method not in ("GET", "HEAD")], [])


class TransferTest(RegistryCase):
    def test_what_the_registry_has_is_not_sent_again(self):
        proxy = self.proxied()
        daemon = self.daemon(registries=[proxy.host])
        dockerfile = "FROM busybox\nCOPY one /one\n"
        context = self.context({"Dockerfile": dockerfile, "one": "1", "two": "2"})
        self.build(daemon, context, "-t", f"{proxy.host}/again", "--push")
        self.assertEqual(len(proxy.seen("PUT", "/blobs/uploads/")), 3)  # two layers, a configuration
        proxy.clear()
        (context / "Dockerfile").write_text(dockerfile + "COPY two /two\n")
        self.build(daemon, context, "-t", f"{proxy.host}/again", "--push")
        self.assertEqual(len(proxy.seen("PUT", "/blobs/uploads/")), 2)  # a layer, a configuration
        self.assertGreaterEqual(len([one for one in proxy.seen("HEAD", "/blobs/") if one.status == 200]), 2)
        proxy.clear()
        self.build(daemon, context, "-t", f"{proxy.host}/again", "--push")
        self.assertEqual(proxy.seen("POST"), [])
        self.assertEqual([one.target.split("/")[-2] for one in proxy.seen("PUT")], ["manifests"])
        self.assertEqual(sum(one.sent_bytes for one in proxy.seen("HEAD")), 0)

    def test_layers_of_a_base_from_the_same_registry_are_mounted_not_sent(self):
        base = Layer(tar(entry("base", data=b"base" * 50_000)))
        Repository(self.registry, "mount/base").put_image([base])
        proxy = self.proxied()
        daemon = self.daemon(registries=[proxy.host])
        self.build(daemon, self.context({"Dockerfile": f"FROM {proxy.host}/mount/base\nCOPY . /x\n"}), "-t",
                   f"{proxy.host}/mount/app", "--push")
        mounts = [one for one in proxy.seen("POST") if "mount=" in one.target]
        self.assertEqual([one.status for one in mounts], [201])
        self.assertIn("from=mount%2Fbase", mounts[0].target.replace("from=mount/base", "from=mount%2Fbase"))
        self.assertEqual([one for one in proxy.seen("PUT", "/blobs/uploads/") if base.digest.split(":")[1] in one.target],
                         [])
        rootfs, _ = self.unpack(f"{self.registry.host}/mount/app")
        self.assertEqual((rootfs / "base").read_bytes(), b"base" * 50_000)

    def test_at_most_four_blobs_are_on_their_way_at_once(self):
        layers = [Layer(tar(entry(f"file{number}", data=b"x" * number))) for number in range(12)]
        Repository(self.registry, "many").put_image(layers)
        proxy = self.proxied(lambda request: Fault(delay=0.3) if "/blobs/" in request.target else None)
        daemon = self.daemon(registries=[proxy.host])
        context = self.context({"Dockerfile": f"FROM {proxy.host}/many\nCOPY . /x\n"})
        self.build(daemon, context, "-t", f"{proxy.host}/many-out", "--push")
        self.assertEqual(len({one.target for one in proxy.seen("GET", "/blobs/")}), 13)
        self.assertEqual(proxy.most_at_once("GET", "/blobs/"), 4)
        self.assertLessEqual(proxy.most_at_once("POST", "/blobs/"), 4)

    def test_each_blob_is_fetched_once_for_builds_at_the_same_time(self):
        layers = [Layer(tar(entry(f"once{number}", data=b"y" * number))) for number in range(3)]
        Repository(self.registry, "once").put_image(layers)
        proxy = self.proxied(lambda request: Fault(delay=0.3) if "/blobs/" in request.target else None)
        daemon = self.daemon(registries=[proxy.host])
        clients = [daemon.start_kiln("build", self.context(
            {"Dockerfile": f"FROM {proxy.host}/once\nENV A={number}\nCOPY . /x\n"}, f"c{number}"))
            for number in range(4)]
        for client in clients:
            _, err = client.communicate(timeout=60)
            self.assertEqual(client.returncode, 0, err.decode())
        fetched = [one.target for one in proxy.seen("GET", "/blobs/")]
        for layer in layers:
            self.assertEqual(sum(layer.digest in target for target in fetched), 1)

    def test_a_cached_build_needs_no_registry(self):
        own = self.own_registry()
        Repository(own, "base").put_image([Layer(tar(entry("base", data=b"base")))])
        daemon = self.daemon(registries=[own.host])
        context = self.context({"Dockerfile": f"FROM {own.host}/base:latest AS one\nFROM busybox\n"
                                              "RUN echo hello > /file\nCOPY --from=one /base /base\n"})
        first = self.build(daemon, context, "-t", "it")
        own.process.terminate()
        own.process.wait(20)
        daemon.stop()
        daemon.start()
        second = self.build(daemon, context, "-t", "it")
        ends = kilntest.steps(second)
        self.assertEqual({end for name, end in ends.items() if name.startswith("[") and "[internal]" not in name},
                         {"CACHED"}, second.err)
        self.assertEqual(first.err.splitlines()[-2:], second.err.splitlines()[-2:])
        refused = self.build(daemon, context, "--pull", code=1)
        self.assertIn("refused", refused.err)

    def test_pull_looks_for_a_newer_base(self):
        own = self.own_registry()
        repository = Repository(own, "moving")
        repository.put_image([Layer(tar(entry("version", data=b"1")))])
        daemon = self.daemon(registries=[own.host])
        dockerfile = f"FROM {own.host}/moving\nCOPY Dockerfile /x\n"
        self.assertEqual((self.local(daemon, dockerfile, name="1") / "version").read_text(), "1")
        repository.put_image([Layer(tar(entry("version", data=b"2")))])
        self.assertEqual((self.local(daemon, dockerfile, name="2") / "version").read_text(), "1")
        self.assertEqual((self.local(daemon, dockerfile, "--pull", name="3") / "version").read_text(), "2")


class ImageKindsTest(RegistryCase):
    def setUp(self):
        super().setUp()
        self.kilnd = self.daemon()
        self.repository = Repository(self.registry, self.id().rsplit(".", 1)[1].lower())

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

    def test_a_docker_manifest_list_gives_the_platform_that_is_asked_for(self):
        self.index(DOCKER_INDEX, DOCKER_MANIFEST, docker=True)
        self.assertEqual(self.platform_of(name="a"), "linux/amd64")
        self.assertEqual(self.platform_of("--platform", "linux/arm64", name="b"), "linux/arm64")

    def test_a_platform_that_is_not_there_is_refused_with_those_that_are(self):
        self.index(OCI_INDEX, OCI_MANIFEST)
        result = self.build(self.kilnd, self.context({"Dockerfile": f"FROM {self.repository.reference}\n"}), "--platform",
                            "linux/s390x", code=1)
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
        request = kilntest.urllib.request.Request(f"http://{self.registry.host}/v2/same-bytes/manifests/latest",
                                                  headers={"Accept": OCI_MANIFEST})
        with kilntest.urllib.request.urlopen(request, timeout=20) as answer:
            self.assertEqual(digest_of(answer.read()), digest)

    def test_an_image_that_is_no_image_is_refused_by_name(self):
        chart = Layer(b"x", b"chart", "application/vnd.cncf.helm.chart.content.v1.tar+gzip")
        self.repository.put_image([chart])
        result = self.build(self.kilnd, self.context({"Dockerfile": f"FROM {self.repository.reference}\n"}), code=1)
        self.assertIn("helm.chart", result.err)
        self.assertIn("Dockerfile:1", result.err)


if __name__ == "__main__":
    kilntest.main()
