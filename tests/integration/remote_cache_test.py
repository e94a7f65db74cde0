"""Caches of other machines: --cache-to on one daemon, --cache-from on another, and nothing between but a registry."""
import json
import shutil
import subprocess
import threading
import urllib.request

import kilntest
from proxy import Fault, Proxy

STAGES = """FROM busybox AS maker
COPY source /source
RUN mkdir /out && cp /source /out/made && head -c 100000 /dev/urandom > /junk
FROM busybox
WORKDIR /app
COPY --from=maker /out/made /app/made
RUN echo two > /app/two
RUN true
COPY --link source /linked
"""


def ran(result):
    """The instructions that were executed; an image that was only looked at is none."""
    return [name for name in kilntest.ran(result) if not name.startswith("FROM ")]


class RemoteCacheCase(kilntest.KilnTest):
    number = 0

    def setUp(self):
        super().setUp()
        type(self).number += 1
        self.ref = f"{self.registry.host}/{type(self).__name__.lower()}{self.number}:cache"
        self.files = self.context({"Dockerfile": STAGES, "source": "one\n"})

    def export(self, daemon, *flags, context=None, ref=None, mode="max", **options):
        return self.build(daemon, context or self.files, f"--cache-to=type=registry,ref={ref or self.ref},mode={mode}",
                          *flags, **options)

    def take(self, daemon, *flags, context=None, ref=None, **options):
        return self.build(daemon, context or self.files, f"--cache-from=type=registry,ref={ref or self.ref}", *flags,
                          **options)

    def tags(self, registry=None):
        repository = self.ref.split("/", 1)[1].split(":")[0]
        with urllib.request.urlopen(f"http://{(registry or self.registry).host}/v2/{repository}/tags/list") as answer:
            return json.load(answer)["tags"]

    def proxied(self, fault=None, upstream=None):
        proxy = Proxy((upstream or self.registry).host, fault)
        self.addCleanup(proxy.stop)
        return proxy

    def two(self, **options):
        return self.daemon("first", **options), self.daemon("second", **options)


class RegistryCacheTest(RemoteCacheCase):
    def test_a_second_machine_executes_nothing_and_makes_the_same_image(self):
        first, second = self.two()
        name = f"{self.registry.host}/same{self.number}"
        self.export(first, "-t", name, "--push", f"--metadata-file={self.directory}/first.json")
        result = self.take(second, "-t", name + ":second", "--push", f"--metadata-file={self.directory}/second.json")
        self.assertEqual(ran(result), [])
        self.assertIn("importing cache from", result.err)
        self.assertIn("imported from " + self.ref, result.err)
        made = [json.loads((self.directory / f"{one}.json").read_text())["containerimage.digest"]
                for one in ("first", "second")]
        self.assertEqual(made[0], made[1])
        rootfs, _ = self.unpack(name + ":second")
        self.assertEqual((rootfs / "app/made").read_text(), "one\n")
        self.assertEqual((rootfs / "linked").read_text(), "one\n")

    def test_a_step_runs_on_layers_that_only_the_cache_has(self):
        first, second = self.two()
        self.export(first)
        more = self.context({"Dockerfile": STAGES + "RUN cat /app/made /app/two > /app/three\n", "source": "one\n"}, "more")
        out = self.directory / "out"
        result = self.take(second, "-o", out, context=more)
        self.assertEqual(len(ran(result)), 1, result.err)
        self.assertEqual((out / "app/three").read_text(), "one\ntwo\n")

    def test_mode_min_has_the_images_steps_and_mode_max_all(self):
        changed = self.context({"Dockerfile": STAGES.replace("/app/made", "/app/other"), "source": "one\n"}, "changed")
        first, second, third = *self.two(), self.daemon("third")
        self.export(first, mode="min")
        self.assertEqual(len(ran(self.take(second, context=changed))), 5)  # the other stage is not in the image
        self.export(first, ref=self.ref + "-max")
        self.assertEqual(len(ran(self.take(third, context=changed, ref=self.ref + "-max"))), 3)

    def test_an_equal_rebuilt_stage_is_found_by_its_content(self):
        first, second = self.two()
        self.export(first)
        noisy = self.context({"Dockerfile": STAGES.replace("/junk", "/rubbish"), "source": "one\n"}, "noisy")
        result = self.take(second, context=noisy)
        self.assertEqual(len(ran(result)), 1, result.err)
        self.assertIn("/rubbish", ran(result)[0])

    def test_two_machines_that_export_at_once_lose_nothing(self):
        daemons = self.two()
        contexts = [self.context({"Dockerfile": f"FROM busybox\nRUN echo {i} > /{i}\n"}, f"context{i}") for i in range(2)]
        threads = [threading.Thread(target=self.export, args=(daemon,), kwargs={"context": context})
                   for daemon, context in zip(daemons, contexts)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        third = self.daemon("third")
        for context in contexts:
            self.assertEqual(ran(self.take(third, context=context)), [])

    def test_many_exports_are_merged_and_all_of_them_found(self):
        first, second = self.two()
        for i in range(27):
            context = self.context({"Dockerfile": f"FROM scratch\nCOPY file /{i}\n", "file": "x"}, "many")
            self.export(first, context=context)
        shards = [tag for tag in self.tags() if ".k1-" in tag]
        self.assertLess(len(shards), 6, shards)
        for i in (0, 13, 26):
            context = self.context({"Dockerfile": f"FROM scratch\nCOPY file /{i}\n", "file": "x"}, "many")
            self.assertEqual(ran(self.take(second, context=context)), [])

    def test_what_a_cache_has_is_not_sent_again(self):
        proxy = self.proxied()
        first = self.daemon(registries=[proxy.host, self.registry.host])
        ref = self.ref.replace(self.registry.host, proxy.host)
        self.export(first, ref=ref)
        self.assertTrue(proxy.seen("PUT"))
        proxy.clear()
        self.export(first, ref=ref)
        self.assertEqual([one for one in proxy.seen() if one.method in ("PUT", "POST", "PATCH")], [])
        self.assertLess(len(proxy.seen()), 6, proxy.seen())
        proxy.clear()
        more = self.context({"Dockerfile": STAGES + "RUN echo more > /more\n", "source": "one\n"}, "more")
        self.export(first, ref=ref, context=more)
        self.assertEqual(len(proxy.seen("POST", "/blobs/uploads/")), 2, proxy.seen())  # the layer and the records

    def test_base_images_layers_are_not_sent(self):
        proxy = self.proxied()
        first = self.daemon(registries=[proxy.host, self.registry.host])
        context = self.context({"Dockerfile": "FROM busybox\nRUN echo small > /small\n"}, "based")
        self.export(first, ref=self.ref.replace(self.registry.host, proxy.host), context=context)
        self.assertLess(sum(one.sent_bytes for one in proxy.seen()), 20_000, proxy.seen())

    def test_an_import_fetches_only_what_is_used(self):
        first = self.daemon("first")
        self.export(first)
        proxy = self.proxied()
        second = self.daemon("second", registries=[proxy.host])
        changed = self.context({"Dockerfile": STAGES.replace("echo two", "cat /app/made; echo 2"), "source": "one\n"}, "changed")
        result = self.take(second, "-o", "type=local,dest=" + str(self.directory / "out"), context=changed,
                           ref=self.ref.replace(self.registry.host, proxy.host))
        self.assertEqual(len(ran(result)), 2, result.err)
        layers = sum(one.status == 200 for one in proxy.seen("GET", "/blobs/"))
        # The records' document, WORKDIR's layer, the first COPY's and the linked one's: the other stage's are not asked for.
        self.assertLessEqual(layers, 4, proxy.seen())

    def test_the_local_cache_is_asked_first(self):
        proxy = self.proxied()
        first = self.daemon(registries=[proxy.host, self.registry.host])
        ref = self.ref.replace(self.registry.host, proxy.host)
        self.export(first, ref=ref)
        proxy.clear()
        self.assertEqual(ran(self.take(first, ref=ref)), [])
        self.assertEqual(proxy.seen(), [])

    def test_other_tools_can_read_what_was_written(self):
        self.export(self.daemon("first"))
        for tag in self.tags():
            repository = self.ref.rsplit(":", 1)[0]
            done = subprocess.run(["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{repository}:{tag}"],
                                  capture_output=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(b"schemaVersion", done.stdout)

    def test_two_platforms_are_found_each_by_its_own_records(self):
        context = self.context({"Dockerfile": "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /arch\n", "amd64": "a", "arm64": "b"},
                               "both")
        first, second = self.two()
        platforms = "--platform=linux/amd64,linux/arm64"
        self.export(first, platforms, context=context)
        self.assertEqual(ran(self.take(second, platforms, context=context)), [])


class FaultsTest(RemoteCacheCase):
    def assert_built_with_a_warning(self, result, words):
        self.assertIn(words, result.err)
        self.assertIn("building without it", result.err)
        self.assertEqual(len(ran(result)), 7, result.err)

    def test_a_cache_that_is_not_there_yet_is_done_without(self):
        self.assert_built_with_a_warning(self.take(self.daemon()), "there is none yet")

    def test_a_registry_that_is_down_is_done_without(self):
        dead = f"127.0.0.1:{kilntest.free_port()}"
        result = self.take(self.daemon(registries=[dead]), ref=f"{dead}/cache")
        self.assert_built_with_a_warning(result, dead)
        self.assertLess(result.seconds, 20)

    def test_garbage_is_done_without(self):
        for body in (b"{", b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{}]}',
                     b"\x00" * 5_000_000):
            proxy = self.proxied(lambda request, body=body: Fault(status=200, body=body, headers={
                "Content-Type": "application/vnd.oci.image.index.v1+json"}) if "/manifests/" in request.target else None)
            daemon = self.daemon(f"daemon-{len(body)}", registries=[proxy.host])
            self.assert_built_with_a_warning(self.take(daemon, ref=f"{proxy.host}/x"), proxy.host)

    def test_an_image_without_a_cache_is_done_without(self):
        daemon = self.daemon()
        plain = f"{self.registry.host}/plain{self.number}"
        self.build(daemon, self.context({"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"}, "plain"), "-t", plain, "--push")
        self.assert_built_with_a_warning(self.take(daemon, ref=plain), "carries no cache")

    def test_layers_that_are_gone_are_made_again(self):
        first = self.daemon("first")
        self.export(first)
        lost = self.proxied(lambda request: Fault(status=404) if self.is_layer(request) else None)
        second = self.daemon("second", registries=[lost.host])
        out = self.directory / "out"
        result = self.take(second, "-o", out, ref=self.ref.replace(self.registry.host, lost.host))
        self.assertIn("cannot be had", result.err)
        self.assertEqual((out / "app/two").read_text(), "two\n")

    def test_layers_that_go_after_they_were_imported_are_made_again(self):
        first = self.daemon("first")
        self.export(first)
        gone = False
        proxy = self.proxied(lambda request: Fault(status=404) if gone and self.is_layer(request) else None)
        second = self.daemon("second", registries=[proxy.host])
        self.take(second, "-o", "type=tar,dest=/dev/null", "--target=maker", ref=self.ref.replace(self.registry.host, proxy.host))
        more = self.context({"Dockerfile": STAGES, "source": "one\n"}, "more")
        gone = True
        out = self.directory / "out"
        self.build(second, more, "-o", out)
        self.assertEqual((out / "app/two").read_text(), "two\n")

    def is_layer(self, request):
        return request.method == "GET" and "/blobs/" in request.target and self.is_large_or_binary(request)

    def is_large_or_binary(self, request):
        with urllib.request.urlopen(f"http://{self.registry.host}{request.target}") as answer:
            return not answer.read(1) == b"{"

    def test_credentials_that_are_missing_are_a_warning_for_a_reader_and_an_error_for_a_writer(self):
        passwords = self.directory / "htpasswd"
        passwords.write_bytes(subprocess.run(["htpasswd", "-Bbn", "me", "word"], check=True, capture_output=True).stdout)
        closed = kilntest.Registry(self.directory / "closed", extra=f"auth:\n  htpasswd: {{realm: test, path: {passwords}}}\n")
        self.addCleanup(closed.stop)
        daemon = self.daemon(registries=[closed.host])
        ref = f"{closed.host}/cache"
        self.assert_built_with_a_warning(self.take(daemon, ref=ref), "401")
        refused = self.export(daemon, ref=ref, code=1)
        self.assertIn("exporting cache to", refused.err)
        self.assertIn(f"kiln login {closed.host}", refused.err)
        lenient = self.build(daemon, self.files, f"--cache-to=type=registry,ref={ref},ignore-error=true")
        self.assertIn("401", lenient.err)
        self.assertEqual(daemon.kiln("login", "-u", "me", "--password-stdin", closed.host, stdin=b"word").code, 0)
        self.export(daemon, ref=ref)
        second = self.daemon("second", registries=[closed.host])
        self.assertEqual(second.kiln("login", "-u", "me", "--password-stdin", closed.host, stdin=b"word").code, 0)
        self.assertEqual(ran(self.take(second, ref=ref)), [])

    def test_an_index_that_the_registry_refuses_fails_the_export(self):
        proxy = self.proxied(lambda request: Fault(status=400, body=b"no indexes here")
                             if request.method == "PUT" and request.target.endswith("/manifests/cache") else None)
        daemon = self.daemon(registries=[proxy.host])
        result = self.export(daemon, ref=self.ref.replace(self.registry.host, proxy.host), code=1)
        self.assertIn("no indexes here", result.err)

    def test_an_image_is_never_overwritten_by_a_cache(self):
        daemon = self.daemon()
        name = f"{self.registry.host}/app{self.number}:1"
        result = self.build(daemon, self.files, "-t", name, "--push", f"--cache-to={name}", code=1)
        self.assertIn("there is an image of that name", result.err)

    def test_what_cannot_be_done_is_refused_by_name(self):
        daemon = self.daemon()
        for flag, words in (("--cache-to=type=gha", "type=gha: not supported"),
                            ("--cache-to=type=registry,ref=a,compression=estargz", "compression=estargz"),
                            ("--cache-to=type=inline,mode=max", "mode=max"),
                            ("--cache-to=type=registry,ref=a,colour=red", '"colour"'),
                            ("--cache-from=type=registry", "ref=")):
            self.assertIn(words, self.build(daemon, self.files, flag, code=1).err)
        self.assertIn("type=", self.build(daemon, self.files, "--cache-to=ref=a", code=2).err)


class InlineCacheTest(RemoteCacheCase):
    def test_an_image_carries_the_records_of_its_own_layers(self):
        first, second, third = *self.two(), self.daemon("third")
        for daemon, flags in ((second, ["--cache-to=type=inline"]), (third, ["--build-arg=BUILDKIT_INLINE_CACHE=1"])):
            name = f"{self.registry.host}/inline{self.number}{daemon.directory.name}"
            self.build(first, self.files, "-t", name, "--push", *flags)
            self.assertEqual(ran(self.take(daemon, ref=name)), [])

    def test_a_base_images_cache_is_not_taken_over(self):
        daemon = self.daemon()
        name = f"{self.registry.host}/base{self.number}"
        self.build(daemon, self.files, "-t", name, "--push", "--cache-to=type=inline")
        child = self.context({"Dockerfile": f"FROM {name}\nLABEL a=b\n"}, "child")
        self.build(daemon, child, "-t", name + ":child", "--push")
        manifest = self.registry.manifest(name.split("/", 1)[1], "child")
        repository = name.split("/", 1)[1]
        with urllib.request.urlopen(f"http://{self.registry.host}/v2/{repository}/blobs/{manifest['config']['digest']}") as answer:
            self.assertNotIn("kiln.cache.v1", json.load(answer))


class LocalCacheTest(RemoteCacheCase):
    def setUp(self):
        super().setUp()
        self.folder = self.directory / "cache"

    def to_folder(self, daemon, context=None, mode="max", **options):
        return self.build(daemon, context or self.files, f"--cache-to=type=local,dest={self.folder},mode={mode}", **options)

    def from_folder(self, daemon, *flags, context=None, **options):
        return self.build(daemon, context or self.files, f"--cache-from=type=local,src={self.folder}", *flags, **options)

    def test_a_second_machine_executes_nothing(self):
        first, second = self.two()
        self.to_folder(first)
        out = self.directory / "out"
        self.assertEqual(ran(self.from_folder(second, "-o", out)), [])
        self.assertEqual((out / "app/made").read_text(), "one\n")

    def test_exports_add_to_what_is_there_also_at_once(self):
        daemons = self.two()
        contexts = [self.context({"Dockerfile": f"FROM busybox\nRUN echo {i} > /{i}\n"}, f"context{i}") for i in range(2)]
        threads = [threading.Thread(target=self.to_folder, args=(daemon, context)) for daemon, context in zip(daemons, contexts)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        third = self.daemon("third")
        for context in contexts:
            self.assertEqual(ran(self.from_folder(third, context=context)), [])
        self.assertEqual([path.name for path in self.folder.rglob(".kiln-*")], [])

    def test_it_is_a_layout_that_other_tools_list(self):
        self.to_folder(self.daemon())
        listed = subprocess.run(["umoci", "ls", "--layout", str(self.folder)], capture_output=True, check=True).stdout
        self.assertEqual(listed.split(), [b"latest"])
        subprocess.run(["skopeo", "inspect", "--raw", f"oci:{self.folder}:latest"], capture_output=True, check=True)

    def test_files_are_the_clients(self):
        daemon = self.daemon()
        daemon.socket.chmod(0o666)
        daemon.directory.chmod(0o777)
        self.folder.mkdir()
        shutil.chown(self.folder, 1234, 1234)
        self.to_folder(daemon, user=1234)
        self.assertEqual({path.lstat().st_uid for path in self.folder.rglob("*")}, {1234})
        closed = self.folder / "index.json"
        shutil.chown(closed, 0, 0)
        closed.chmod(0o600)
        second = self.daemon("second")
        second.socket.chmod(0o666)
        second.directory.chmod(0o777)
        self.assertIn("building without it", self.from_folder(second, user=1234).err)

    def test_a_directory_that_is_missing_or_damaged_is_done_without(self):
        first = self.daemon("first")
        self.assertIn("there is none yet", self.from_folder(first).err)
        self.to_folder(first)
        for blob in (self.folder / "blobs/sha256").iterdir():
            if not blob.read_bytes().startswith(b"{"):
                blob.write_bytes(b"x" * blob.stat().st_size)
        second = self.daemon("second")
        self.assertEqual(len(ran(self.from_folder(second, "-o", self.directory / "out"))), 7)
        (self.folder / "index.json").write_text("{")
        self.assertIn("building without it", self.from_folder(self.daemon("third")).err)


if __name__ == "__main__":
    kilntest.main()
