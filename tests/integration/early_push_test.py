"""A layer that is packed for a push is sent meanwhile; where that fails it is sent afterwards."""
import os
import unittest

import kilntest
from proxy import Fault, Proxy


class EarlyPushTest(kilntest.KilnTest):
    def setUp(self):
        super().setUp()
        self.data = os.urandom(24_000_000)
        self.source = self.context({"Dockerfile": "FROM busybox\nCOPY data /data\n", "data": self.data})

    def pushed(self, fault=None, daemon="daemon"):
        """The layer's digest and the proxy that it went through."""
        proxy = Proxy(self.registry.host, fault)
        self.addCleanup(proxy.stop)
        name = self.id().rsplit(".", 1)[1].lower()
        kilnd = self.daemon(daemon, registries=[proxy.host])
        self.build(kilnd, self.source, "-t", f"{proxy.host}/{name}", "--push")
        rootfs, _ = self.unpack(f"{self.registry.host}/{name}", f"unpacked-{daemon}")
        self.assertEqual((rootfs / "data").read_bytes(), self.data)
        digest = self.registry.manifest(name)["layers"][-1]["digest"]
        return digest.removeprefix("sha256:"), proxy

    def test_the_layer_is_sent_once_and_in_one_piece(self):
        digest, proxy = self.pushed()
        patches = proxy.seen("PATCH")
        self.assertEqual([one.status for one in patches], [202])
        self.assertGreater(patches[0].sent_bytes, len(self.data))
        self.assertEqual([one.sent_bytes for one in proxy.seen("PUT", digest)], [0])

    def test_what_the_registry_has_is_not_stored_again(self):
        digest, _ = self.pushed()
        again, proxy = self.pushed(daemon="another")
        self.assertEqual(digest, again)
        self.assertEqual(proxy.seen("PUT", digest), [])

    def test_a_registry_that_refuses_gets_it_afterwards(self):
        for number, status in enumerate((404, 405, 500)):
            digest, proxy = self.pushed(lambda request: Fault(status) if request.method == "PATCH" else None,
                                        daemon=f"daemon{number}")
            self.assertEqual(len(proxy.seen("PATCH")), 1)
            if number == 0:
                self.assertGreater(proxy.seen("PUT", digest)[0].sent_bytes, len(self.data))

    def test_a_build_that_fails_meanwhile_leaves_nothing(self):
        blocked = os.path.join(self.source, "data")
        with open(blocked, "ab") as out:
            out.truncate(400_000_000)
        kilnd = self.daemon()
        client = kilnd.start_kiln("build", "-t", f"{self.registry.host}/x", "--push", self.source)
        kilntest.wait_until(lambda: any(path.name.startswith("blob.") for path in (kilnd.root / "tmp").iterdir()),
                            "the blob is begun")
        client.terminate()
        client.wait(30)
        kilntest.wait_until(lambda: {path.name for path in (kilnd.root / "tmp").iterdir()} <= {"runtime"},
                            "an empty tmp/")


if __name__ == "__main__":
    unittest.main()
