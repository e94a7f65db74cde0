"""Many builds of one daemon at once: each is right, nothing is done twice, and memory does not grow with them."""
import concurrent.futures
import hashlib
import json
import pathlib
import random
import time

import kilntest

SAME = """\
FROM busybox AS tool
RUN --mount=type=cache,id=runs,target=/runs sleep 1; echo tool >> /runs/log; echo tool > /tool
FROM busybox
COPY data /data
RUN --mount=type=cache,id=runs,target=/runs echo sum >> /runs/log; sha256sum /data > /sum
COPY --from=tool /tool /tool
"""
OWN = """\
FROM busybox AS tool
RUN --mount=type=cache,id=runs,target=/runs sleep 1; echo tool >> /runs/log; echo tool > /tool
FROM busybox
COPY mine /mine
RUN echo {number} > /number; sha256sum /mine > /sum
COPY --from=tool /tool /tool
"""


def memory_kib(daemon, field):
    """A line of the daemon's /proc/PID/status: VmRSS, VmHWM."""
    for line in pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise AssertionError(f"no {field}")


class ConcurrentTest(kilntest.KilnTest):
    def wait_for(self, clients):
        for name, client in clients.items():
            _, err = client.communicate(timeout=300)
            self.assertEqual(client.returncode, 0, f"{name}: {err.decode()}")

    def test_thirty_two_builds_at_once_are_right_and_run_what_they_share_once(self):
        daemon = self.daemon()
        same = self.context({"Dockerfile": SAME, "data": "the same" * 100_000}, "same")
        clients = {}
        for number in range(16):
            own = self.context({"Dockerfile": OWN.format(number=number), "mine": f"mine {number}\n" * 50_000}, f"own{number}")
            for name, context in ((f"same{number}", same), (f"own{number}", own)):
                clients[name] = daemon.start_kiln("build", "--progress=plain", "-t", f"{self.registry.host}/{name}", "--push",
                                                  context)
        self.wait_for(clients)
        manifests = {json.dumps(self.registry.manifest(f"same{number}")["layers"]) for number in range(16)}
        self.assertEqual(len(manifests), 1)
        digest = hashlib.sha256((same / "data").read_bytes()).hexdigest()
        rootfs, _ = self.unpack(f"{self.registry.host}/same0", "unpacked-same")
        self.assertEqual((rootfs / "sum").read_text().split()[0], digest)
        for number in range(16):
            mine = (self.directory / f"own{number}/mine").read_bytes()
            rootfs, _ = self.unpack(f"{self.registry.host}/own{number}", f"unpacked-own{number}")
            self.assertEqual((rootfs / "number").read_text(), f"{number}\n")
            self.assertEqual((rootfs / "sum").read_text().split()[0], hashlib.sha256(mine).hexdigest())
            self.assertEqual((rootfs / "tool").read_text(), "tool\n")
        log = self.context({"Dockerfile": "FROM busybox\nRUN --mount=type=cache,id=runs,target=/runs sort /runs/log\n"}, "log")
        result = self.build(daemon, log)
        self.assertEqual(kilntest.output_of(result, "sort /runs/log"), ["sum", "tool"])
        peak = memory_kib(daemon, "VmHWM")
        print(f"peak {peak} KiB", flush=True)
        self.assertLess(peak, 200 * 1024)

    def test_a_layer_is_packed_while_later_steps_run(self):
        daemon = self.daemon(config='allow = ["network.host"]\n')
        with kilntest.gate() as gate:
            context = self.context({"data": random.Random(1).randbytes(2_000_000),
                                    "Dockerfile": f"FROM busybox\nCOPY data /data\nRUN wget -qO- {gate.url}/wait/held\n"})
            client = daemon.start_kiln("build", "--progress=plain", "--allow=network.host", "--network=host", "-t", "it", context)
            kilntest.wait_until(lambda: "held" in gate.arrived, "the second step")
            kilntest.wait_until(lambda: [path for path in kilntest.blob_files(daemon.root) if path.stat().st_size > 1_990_000],
                                "a blob of the first step's layer")
            self.assertIsNone(client.poll())
            gate.opened.set()
            _, err = client.communicate(timeout=60)
            self.assertEqual(client.returncode, 0, err.decode())

    def test_a_build_that_fails_leaves_nothing_of_what_it_packed(self):
        daemon = self.daemon()
        context = self.context({"data": random.Random(1).randbytes(50_000_000),
                                "Dockerfile": "FROM busybox\nCOPY data /data\nRUN false\n"})
        self.build(daemon, context, "-t", "it", code=1)
        tmp = daemon.root / "tmp"
        kilntest.wait_until(lambda: {path.name for path in tmp.iterdir()} <= {"runtime"}, f"an empty {tmp}")

    def test_stages_that_do_not_need_each_other_run_side_by_side(self):
        daemon = self.daemon()
        stages = [f"FROM busybox AS s{i}\nRUN sleep 2; echo {i} > /out{i}\n" for i in range(8)]
        copies = [f"COPY --from=s{i} /out{i} /\n" for i in range(8)]
        context = self.context({"Dockerfile": "".join(stages) + "FROM busybox\n" + "".join(copies)})
        self.build(daemon, self.context({"Dockerfile": "FROM busybox\nRUN true\n"}, "warm"))
        result = self.build(daemon, context)
        self.assertLess(result.seconds, 8 * 2)  # one after another takes 16 s; how fast it is, a benchmark says

    def test_a_build_of_many_steps_does_not_hold_up_another(self):
        daemon = self.daemon(config="[run]\nmax-parallelism = 2\n")
        stages = [f"FROM busybox AS s{i}\nRUN sleep 1; echo {i} > /out{i}\n" for i in range(20)]
        copies = [f"COPY --from=s{i} /out{i} /\n" for i in range(20)]
        big = self.context({"Dockerfile": "".join(stages) + "FROM busybox\n" + "".join(copies)}, "big")
        small = self.context({"Dockerfile": "FROM busybox\nRUN echo small\n"}, "small")
        client = daemon.start_kiln("build", "--progress=plain", big)
        for line in client.stderr:
            if b"sleep 1" in line:
                break
        time.sleep(0.2)
        self.build(daemon, small)
        self.assertIsNone(client.poll(), "the big build was over before the small one: this shows nothing")
        client.communicate(timeout=120)
        self.assertEqual(client.returncode, 0)


class MemoryTest(kilntest.KilnTest):
    SMALL = "FROM busybox\nCOPY file /file\nRUN echo {number} > /number\n"

    def run_builds(self, daemon, numbers):
        def build(number):
            context = self.context({"Dockerfile": self.SMALL.format(number=number), "file": f"{number}"}, f"small{number}")
            done = daemon.kiln("build", "-q", "-t", "small", context)
            self.assertEqual(done.code, 0, done.text)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(build, numbers))

    def settled_kib(self, daemon):
        """Resident memory once nothing is under way."""
        kilntest.wait_until(lambda: "builds running   0" in daemon.kiln("info").out, "an end of all builds")
        time.sleep(2)
        return memory_kib(daemon, "VmRSS")

    def test_a_thousand_builds_later_the_daemon_is_no_larger(self):
        daemon = self.daemon()
        self.run_builds(daemon, range(100))
        first = self.settled_kib(daemon)
        self.run_builds(daemon, range(100, 1100))
        last = self.settled_kib(daemon)
        peak = memory_kib(daemon, "VmHWM")
        print(f"resident after 100 builds {first} KiB, after 1,100 {last} KiB, peak {peak} KiB", flush=True)
        self.assertLess(last, first * 1.1)
        self.assertLess(peak, 200 * 1024)


if __name__ == "__main__":
    kilntest.main()
