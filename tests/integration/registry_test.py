"""Pull and push against real registries: who may, over what, from where, and how little is sent."""
import os
import subprocess

import kilntest
from crafted import Layer, Repository, entry, tar
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
        path = f"{helper.parent}:{os.environ['PATH']}"
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
        openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-out", "server.pem", "-days", "2", "-extfile", "names")
        self.secure = self.own_registry(
            "secure", extra=f"  tls: {{certificate: {self.directory}/server.pem, key: {self.directory}/server.key}}\n")
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
        sent = [one for one in proxy.seen("PUT", "/blobs/uploads/") if base.digest.split(":")[1] in one.target]
        self.assertEqual(sent, [])
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


if __name__ == "__main__":
    kilntest.main()
