"""Registries that stall, break off, are overloaded or lie: tried again and right, or a clear error in bounded time."""
import socketserver
import threading
import time

import kilntest
from crafted import Layer, Repository, entry, tar
from proxy import Fault, Proxy


class NetworkTest(kilntest.KilnTest):
    def proxied(self, fault=None, upstream=None):
        proxy = Proxy((upstream or self.registry).host, fault)
        self.addCleanup(proxy.stop)
        return proxy

    def image(self, name, size=3_000_000):
        """A base image in the registry; gives the content of its file."""
        data = bytes(range(256)) * (size // 256)
        layer = Layer(tar(entry("data", data=data)), blob=tar(entry("data", data=data)),
                      media_type="application/vnd.oci.image.layer.v1.tar")
        Repository(self.registry, name).put_image([layer])
        return data, layer

    def pull_through(self, name, fault, code=0, **options):
        proxy = self.proxied(fault)
        data, layer = self.image(name)
        daemon = self.daemon(registries=[proxy.host], **options)
        context = self.context({"Dockerfile": f"FROM {proxy.host}/{name}\nCOPY Dockerfile /x\n"})
        out = self.directory / "out"
        result = self.build(daemon, context, "-o", out, code=code, timeout=90)
        if code == 0:
            self.assertEqual((out / "data").read_bytes(), data)
        return result, proxy, layer, daemon, context

    @staticmethod
    def first(times, fault, method="GET", part="/blobs/"):
        """The fault for the first so many requests of a kind, then none."""
        left = [times]
        lock = threading.Lock()

        def choose(request):
            if request.method != method or part not in request.target:
                return None
            with lock:
                left[0] -= 1
                return fault if left[0] >= 0 else None
        return choose

    def test_a_download_that_is_reset_in_the_middle_is_tried_again(self):
        limits = [100, 1_000_000]  # bytes that get through, of one download after the other

        def fault(request):
            if request.method == "GET" and "/blobs/" in request.target and limits:
                return Fault(reset_after=limits.pop(0))
            return None
        _, proxy, _, _, _ = self.pull_through("reset", fault)
        self.assertGreaterEqual(len(proxy.seen("GET", "/blobs/")), 3)

    def test_a_download_that_is_always_reset_fails_in_bounded_time_and_names_the_blob(self):
        def fault(request):
            if request.method != "GET" or "/blobs/" not in request.target:
                return None
            return Fault(reset_after=50)
        result, proxy, layer, daemon, _ = self.pull_through("always-reset", fault, code=1)
        self.assertLess(result.seconds, 80)
        self.assertIn("tried", result.err)
        self.assertIn(proxy.host, result.err)
        self.assertIn("Dockerfile:1", result.err)
        tmp = daemon.root / "tmp"
        kilntest.wait_until(lambda: {path.name for path in tmp.iterdir()} <= {"runtime"}, "an empty tmp/")
        self.assertFalse((daemon.root / "blobs/sha256" / layer.digest.removeprefix("sha256:")).exists())

    def test_too_many_requests_are_waited_for_as_long_as_the_registry_asks(self):
        fault = self.first(2, Fault(429, {"Retry-After": "1"}, b'{"errors":[{"code":"TOOMANYREQUESTS"}]}'))
        result, proxy, _, _, _ = self.pull_through("overload", fault)
        self.assertGreaterEqual(result.seconds, 2)
        answers = [one.status for one in proxy.seen("GET", "/blobs/")]
        self.assertEqual(answers.count(429), 2)

    def test_too_many_requests_with_a_long_wait_is_an_error_at_once(self):
        fault = self.first(1000, Fault(429, {"Retry-After": "86400"}, b'{"errors":[{"code":"TOOMANYREQUESTS",'
                                                                       b'"message":"come back tomorrow"}]}'))
        result, proxy, _, _, _ = self.pull_through("tomorrow", fault, code=1)
        self.assertLess(result.seconds, 20)
        self.assertIn("429", result.err)
        self.assertIn("come back tomorrow", result.err)
        self.assertEqual(len(proxy.seen("GET", "/blobs/")), 1)

    def test_a_manifest_that_is_refused_for_a_moment_is_asked_for_again(self):
        for status in (500, 502, 503, 504):
            with self.subTest(status=status):
                fault = self.first(1, Fault(status), part="/manifests/")
                proxy = self.proxied(fault)
                self.image(f"moment{status}", 10_000)
                daemon = self.daemon(f"daemon{status}", registries=[proxy.host])
                self.build(daemon, self.context({"Dockerfile": f"FROM {proxy.host}/moment{status}\nCOPY . /x\n"}))
                self.assertEqual([one.status for one in proxy.seen("GET", "/manifests/")], [status, 200])

    def test_a_refusal_that_is_for_good_is_not_tried_again(self):
        for status in (400, 403, 404, 501):
            with self.subTest(status=status):
                fault = self.first(1000, Fault(status, body=b'{"errors":[{"code":"X","message":"for good"}]}'),
                                   part="/manifests/")
                proxy = self.proxied(fault)
                daemon = self.daemon(f"daemon{status}", registries=[proxy.host])
                result = self.build(daemon, self.context({"Dockerfile": f"FROM {proxy.host}/it\nCOPY . /x\n"}), code=1)
                self.assertEqual(len(proxy.seen("GET", "/manifests/")), 1)
                self.assertIn(str(status), result.err)
                self.assertIn("for good", result.err)

    def test_a_registry_that_always_fails_is_given_up(self):
        fault = self.first(1000, Fault(500), part="/manifests/")
        proxy = self.proxied(fault)
        daemon = self.daemon(registries=[proxy.host])
        result = self.build(daemon, self.context({"Dockerfile": f"FROM {proxy.host}/it\nCOPY . /x\n"}), code=1)
        self.assertIn("tried 5 times", result.err)
        self.assertLess(result.seconds, 60)

    def test_answers_that_are_late_are_waited_for(self):
        result, _, _, _, _ = self.pull_through("late", lambda request: Fault(delay=0.4))
        self.assertGreaterEqual(result.seconds, 0.8)

    def test_a_stalled_download_can_be_cancelled_at_once(self):
        proxy = self.proxied(lambda request: Fault(stall_after=1000) if "/blobs/" in request.target else None)
        self.image("stalled")
        daemon = self.daemon(registries=[proxy.host])
        context = self.context({"Dockerfile": f"FROM {proxy.host}/stalled\nCOPY Dockerfile /x\n"})
        client = daemon.start_kiln("build", "--progress=plain", context)
        kilntest.wait_until(lambda: proxy.seen("GET", "/blobs/"), "the download's begin")
        client.terminate()
        begin = time.monotonic()
        client.communicate(timeout=20)
        kilntest.wait_until(lambda: "builds running   0" in daemon.kiln("info").out, "the build's end")
        self.assertLess(time.monotonic() - begin, 15)
        # The stop at the test's end does not wait for the registry either.

    def test_a_stalled_registry_does_not_hold_up_other_builds(self):
        proxy = self.proxied(lambda request: Fault(stall_after=1000) if "/blobs/" in request.target else None)
        self.image("stalled-other")
        daemon = self.daemon(registries=[proxy.host])
        client = daemon.start_kiln("build", self.context(
            {"Dockerfile": f"FROM {proxy.host}/stalled-other\nCOPY Dockerfile /x\n"}, "stalled"))
        kilntest.wait_until(lambda: proxy.seen("GET", "/blobs/"), "the download's begin")
        result = self.build(daemon, self.context({"Dockerfile": "FROM busybox\nRUN true\n"}))
        self.assertLess(result.seconds, 30)
        self.assertIsNone(client.poll())
        client.terminate()
        client.communicate(timeout=20)

    def test_a_mirror_that_fails_is_passed_over(self):
        for name, fault in (("status", Fault(500)), ("reset", Fault(reset_after=10))):
            with self.subTest(fault=name):
                broken = self.proxied(lambda request, fault=fault: fault, self.mirror)
                daemon = self.daemon(f"mirror-{name}", registries=[], mirror=None, config="\n".join([
                    f'[registry."{broken.host}"]', "http = true", f'[registry."{self.mirror.host}"]', "http = true",
                    '[registry."docker.io"]', f'mirrors = ["{broken.host}", "{self.mirror.host}"]']))
                self.build(daemon, self.context({"Dockerfile": "FROM busybox\nCOPY . /x\n"}))
                self.assertTrue(broken.seen("GET", "/manifests/"))

    def push_through(self, fault, code=0):
        proxy = self.proxied(fault)
        daemon = self.daemon(registries=[proxy.host])
        name = f"{self.id().rsplit('.', 1)[1].lower()}"
        context = self.context({"Dockerfile": "FROM scratch\nCOPY data /data\n", "data": b"pushed" * 300_000})
        result = self.build(daemon, context, "-t", f"{proxy.host}/{name}", "--push", code=code, timeout=90)
        if code == 0:
            rootfs, _ = self.unpack(f"{self.registry.host}/{name}")
            self.assertEqual((rootfs / "data").read_bytes(), b"pushed" * 300_000)
        return result, proxy

    def test_an_upload_that_is_refused_for_a_moment_is_sent_again(self):
        for method, part in (("POST", "/uploads"), ("PUT", "/uploads"), ("PUT", "/manifests/"), ("HEAD", "/blobs/")):
            with self.subTest(method=method, part=part):
                self.tearDown()
                self.doCleanups()
                self.setUp()
                _, proxy = self.push_through(self.first(1, Fault(503), method, part))
                self.assertIn(503, [one.status for one in proxy.seen(method, part)])

    def test_an_upload_that_is_refused_for_good_says_the_registry_s_words(self):
        fault = self.first(1000, Fault(413, body=b'{"errors":[{"code":"SIZE_INVALID","message":"too big for us"}]}'),
                           "PUT", "/uploads")
        result, proxy = self.push_through(fault, code=1)
        self.assertIn("too big for us", result.err)
        self.assertIn("413", result.err)
        self.assertIn(proxy.host, result.err)

    def test_a_server_that_does_not_speak_http_is_an_error(self):
        class Noise(socketserver.BaseRequestHandler):
            def handle(self):
                self.request.recv(4096)
                self.request.sendall(b"SSH-2.0-OpenSSH_9.2\r\n" * 3)
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Noise)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            host = f"127.0.0.1:{server.server_address[1]}"
            daemon = self.daemon(registries=[host])
            result = self.build(daemon, self.context({"Dockerfile": f"FROM {host}/it\nCOPY . /x\n"}), code=1)
            self.assertIn(host, result.err)
            self.assertIn("HTTP", result.err)
            self.assertLess(result.seconds, 60)
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


if __name__ == "__main__":
    kilntest.main()
