"""The store's limits: the cap is kept while builds run, and takes nothing that they, images or leases need.

KILN_GC_CAP and KILN_GC_TOTAL (bytes) scale the loop of builds: 1073741824 and 10737418240 are the whole proof.
"""
import json
import os
import subprocess
import threading
import time

import kilntest

MIB = 1 << 20
CAP = int(os.environ.get("KILN_GC_CAP", 64 * MIB))
TOTAL = int(os.environ.get("KILN_GC_TOTAL", 6 * CAP))


def du(path, *flags):
    done = subprocess.run(["du", "-s", "-B1", *flags, str(path)], capture_output=True, text=True)
    return int(done.stdout.split()[0])


class Sampler:
    """How much the root takes while something goes on; what is unfinished counts for itself."""

    def __init__(self, root):
        self.root = root
        self.samples = []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.ended.wait(0.1):
            self.samples.append(du(self.root, f"--exclude={self.root}/tmp"))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    @property
    def most(self):
        return max(self.samples)


class CapTest(kilntest.KilnTest):
    def capped(self, cap):
        return self.daemon(config=f'allow = ["network.host"]\n[gc]\nmax-bytes = {cap}\nmin-free = "0%"\n')

    def random_step(self, mebibytes, salt):
        return f"RUN echo {salt} && dd if=/dev/urandom of=/data bs=1M count={mebibytes} 2>/dev/null\n"

    def settled(self, daemon, cap, base=0):
        kilntest.wait_until(lambda: du(daemon.root) <= cap + base, "the cap is kept when nothing runs")

    def test_a_loop_of_builds_never_goes_over_the_cap_by_more_than_is_in_use(self):
        daemon = self.capped(CAP)
        size = max(1, CAP // MIB // 16)
        count = TOTAL // (size * MIB)
        failed = []

        def build(worker):
            for number in range(worker, count, 3):
                context = self.context({"Dockerfile": "FROM busybox\n" + self.random_step(size, number)},
                                       name=f"context-{worker}")
                result = daemon.kiln("build", "--progress=plain", "-o", "type=image", "-t", f"w{worker}", context)
                if result.code != 0:
                    failed.append(result.text)

        with Sampler(daemon.root) as sampler:
            workers = [threading.Thread(target=build, args=(worker,)) for worker in range(3)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
        self.assertEqual(failed, [], daemon.log_text())
        # In use: three images, each a blob, and of three running builds a snapshot and a blob each.
        in_use = 9 * size * MIB
        print(f"\ncap {CAP}, in use at most {in_use}, sampled {len(sampler.samples)} times, most {sampler.most}, "
              f"made {count * size * MIB * 2}", flush=True)
        self.assertLessEqual(sampler.most, CAP + in_use)
        self.settled(daemon, CAP)

    def test_a_long_build_keeps_what_it_needs_and_nothing_else(self):
        cap = 48 * MIB
        daemon = self.capped(cap)
        with kilntest.gate() as gate:
            long = self.context({"Dockerfile": f"FROM busybox\n{self.random_step(8, 'mine')}RUN sha256sum /data\n"
                                               f"RUN wget -qO- {gate.url}/wait/long\nRUN sha256sum /data\n"}, name="long")
            running = daemon.start_kiln("build", "--network=host", "--allow=network.host", "--progress=plain", str(long))
            self.addCleanup(running.kill)
            kilntest.wait_until(lambda: "long" in gate.arrived, "the long build waits")
            for number in range(12):
                context = self.context({"Dockerfile": "FROM busybox\n" + self.random_step(8, number)})
                self.build(daemon, context)
            self.settled(daemon, cap)
            gate.opened.set()
            out, err = running.communicate(timeout=60)
        self.assertEqual(running.returncode, 0, err.decode() + daemon.log_text())
        sums = {word for line in err.decode().splitlines() if line.endswith(" /data") for word in line.split()
                if len(word) == 64}
        self.assertEqual(len(sums), 1, "the long build's file changed under it")

    def test_what_was_used_longest_ago_goes_first(self):
        daemon = self.capped(96 * MIB)
        steady = self.context({"Dockerfile": "FROM busybox\n" + self.random_step(4, "steady")}, name="steady")
        first = self.context({"Dockerfile": "FROM busybox\n" + self.random_step(4, "first")}, name="first")
        self.build(daemon, first)
        for number in range(14):
            self.build(daemon, steady)
            self.build(daemon, self.context({"Dockerfile": "FROM busybox\n" + self.random_step(6, number)}))
        self.assertEqual(kilntest.ran(self.build(daemon, steady)), [], "what was used all the time is gone")
        self.assertNotEqual(kilntest.ran(self.build(daemon, first)), [], "what was used longest ago is still there")

    def test_images_stay_whole_however_small_the_cap_and_the_daemon_says_so(self):
        cap = 24 * MIB  # the database's log alone may take 16
        daemon = self.capped(cap)
        names = []
        for number in range(3):
            names.append(f"{self.registry.host}/kept:{number}")
            self.build(daemon, self.context({"Dockerfile": "FROM busybox\n" + self.random_step(12, number)}),
                       "-t", names[-1])
        kilntest.wait_until(lambda: "[gc] max-bytes" in daemon.log_text(), "the log says that the cap is not kept")
        self.assertIn("[gc] max-bytes", daemon.kiln("info").out)
        for name in names:
            self.assertEqual(daemon.kiln("push", name).code, 0, daemon.log_text())
        daemon.kiln("rmi", *names)
        self.build(daemon, self.context({"Dockerfile": "FROM busybox\nRUN true\n"}))
        self.settled(daemon, cap)
        self.assertNotIn("[gc] max-bytes", daemon.kiln("info").out)

    def test_cache_mounts_go_when_their_turn_comes(self):
        daemon = self.capped(48 * MIB)
        mount = "RUN --mount=type=cache,target=/c ls /c; dd if=/dev/urandom of=/c/x bs=1M count=12 2>/dev/null; echo "
        self.build(daemon, self.context({"Dockerfile": f"FROM busybox\n{mount}1\n"}))
        mounts = daemon.root / "cache-mounts"
        self.assertEqual(len(list(mounts.iterdir())), 1)
        for number in range(8):
            self.build(daemon, self.context({"Dockerfile": "FROM busybox\n" + self.random_step(4, number)}))
        kilntest.wait_until(lambda: not list(mounts.iterdir()), "the cache mount goes")
        self.build(daemon, self.context({"Dockerfile": f"FROM busybox\n{mount}2\n"}))


class AgeTest(kilntest.KilnTest):
    def test_cache_that_was_not_used_for_max_age_goes_at_start(self):
        daemon = self.daemon(config='[gc]\nmax-age = "1h"\n')
        context = self.context({"Dockerfile": "FROM busybox\nRUN echo old\n"})
        self.build(daemon, context)
        daemon.stop()
        daemon.start()
        self.assertEqual(kilntest.ran(self.build(daemon, context)), [])
        daemon.stop()
        daemon.config.write_text(daemon.config.read_text().replace('"1h"', '"1s"'))
        time.sleep(1.5)
        daemon.start()
        kilntest.wait_until(lambda: not any((daemon.root / "snapshots").iterdir()), "old snapshots go")
        self.assertNotEqual(kilntest.ran(self.build(daemon, context)), [])

    def test_a_wrong_age_is_refused_with_its_line(self):
        config = self.directory / "kilnd.toml"
        config.write_text('[gc]\nmax-age = "soon"\n')
        done = subprocess.run([str(kilntest.BIN / "kilnd"), "--config", str(config), "--show-config"], capture_output=True,
                              text=True)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("kilnd.toml:2: gc.max-age", done.stderr)


class UsageTest(kilntest.SharedDaemonTest):
    def usage(self):
        return json.loads(self.kilnd.kiln("df", "-v", "--json").out)

    def test_df_lists_everything_and_sums_up_to_what_du_says(self):
        mount = "RUN --mount=type=cache,id=my-cache,target=/c dd if=/dev/urandom of=/c/x bs=1M count=2 2>/dev/null\n"
        context = self.context({"Dockerfile": f"FROM busybox\n{mount}RUN seq 100000 > /numbers && ln /numbers /same\n"})
        self.build(self.kilnd, context, "-t", "app")
        usage = self.usage()
        expected = du(self.kilnd.root)
        for part in ("items", "rows"):
            total = sum(one["size_bytes"] for one in usage[part])
            self.assertLess(abs(total - expected), expected / 100, (part, total, expected))
        items = {}
        for item in usage["items"]:
            items.setdefault(item["kind"], []).append(item)
        layer = next(item for item in items["layer"] if "RUN seq" in item["name"])
        self.assertIn("image app:latest", layer["needed_by"])
        self.assertTrue([name for name in layer["needed_by"] if name.startswith("record ") and "RUN seq" in name], layer)
        self.assertRegex(layer["last_used"], r"^20\d\d-")
        self.assertTrue([item for item in items["cache mount"] if item["name"].startswith("my-cache")
                         and item["size_bytes"] > 2 * MIB], items["cache mount"])
        for kind in ("image", "base image", "record", "build", "database"):
            self.assertIn(kind, items)
        text = self.kilnd.kiln("df", "-v").out
        self.assertIn("RUN seq 100000", text)
        self.assertIn("NEEDED BY", text)


class PruneTest(kilntest.SharedDaemonTest):
    def step(self, salt):
        return self.context({"Dockerfile": f"FROM busybox\nRUN dd if=/dev/urandom of=/d bs=1M count=4 && echo {salt}\n"},
                            name=f"context-{salt}")

    def test_prune_keeps_so_many_bytes_of_what_was_used_last(self):
        for salt in ("a", "b", "c"):
            self.build(self.kilnd, self.step(salt), "-o", "type=tar,dest=/dev/null")
        size = du(self.kilnd.root)
        result = self.kilnd.kiln("prune", "-a", "--keep-bytes", str(size - 3 * MIB))
        self.assertEqual(result.code, 0, result.text)
        self.assertEqual(kilntest.ran(self.build(self.kilnd, self.step("c"))), [])
        self.assertNotEqual(kilntest.ran(self.build(self.kilnd, self.step("a"))), [])
        self.assertIn("Freed 0B", self.kilnd.kiln("prune", "-a", "--keep-bytes", "100GB").out)

    def test_prune_takes_only_what_is_older_than_asked(self):
        self.build(self.kilnd, self.step("young"))
        self.assertIn("Removed 0 records", self.kilnd.kiln("prune", "-a", "--older-than", "1h").out)
        time.sleep(1.1)
        self.kilnd.kiln("prune", "-a", "--older-than", "1s")
        self.assertNotEqual(kilntest.ran(self.build(self.kilnd, self.step("young"))), [])

    def test_values_that_are_none_are_refused(self):
        for flags in (["--keep-bytes", "much"], ["--older-than", "yesterday"], ["--older-than", "0d"]):
            result = self.kilnd.kiln("prune", *flags)
            self.assertEqual(result.code, 2, result.text)
            self.assertIn(flags[0], result.err)


if __name__ == "__main__":
    kilntest.main()
