"""The daemon dies at any moment: what it promised is there, what it had not finished is gone."""
import hashlib
import os
import pathlib
import random
import signal
import subprocess
import time

import kilntest
from layout import layers_of

KILLS = int(os.environ.get("KILN_KILLS", "30"))

# Builds of different kinds with equal results: a pull, stages side by side, copies, mounts, commands with a process
# that is left behind, and big enough layers to be in the middle of something wherever the kill comes.
DOCKERFILES = ["""\
FROM busybox AS one
RUN sleep 1000 & cat /etc/passwd > /first; echo {mark} >> /first
COPY data /data
FROM busybox AS two
COPY data/large /large
RUN sha256sum /large > /sum; mkdir /many; for i in $(seq 50); do echo {mark} > /many/$i; done
FROM one
COPY --from=two /sum /many /out/
RUN echo {mark} > /last; rm /data/gone
""", """\
FROM busybox AS seed
COPY data/large /seed/large
FROM busybox AS two
RUN --mount=type=cache,target=/cache,sharing=locked --mount=type=bind,from=seed,source=/seed,target=/seed \\
    cp /seed/large /cache/large && sha256sum /cache/large > /sum && mkdir /many && \\
    for i in $(seq 50); do echo {mark} > /many/$i; done
FROM busybox
RUN --mount=type=tmpfs,target=/scratch <<EOF
  echo {mark} > /scratch/mark
  cat /etc/passwd /scratch/mark > /first
EOF
COPY --link data /data
COPY --from=two /sum /many /out/
RUN echo {mark} > /last; rm /data/gone
""", """\
FROM busybox AS two
ADD data/archive.tar /from/
RUN mv /from/large /large; sha256sum /large > /sum; mkdir /many; for i in $(seq 50); do echo {mark} > /many/$i; done
FROM busybox
COPY --chown=1:2 data /data
COPY --from=two /sum /many /out/
RUN cat /etc/passwd > /first; echo {mark} >> /first; echo {mark} > /last; rm /data/gone
"""]


class KillTest(kilntest.KilnTest):
    def copy_out(self, reference, name):
        """What another tool makes of a pushed image; it verifies every digest."""
        layout = self.directory / name
        done = subprocess.run(["skopeo", "copy", "--quiet", "--src-tls-verify=false", f"docker://{reference}",
                               f"oci:{layout}:it"], capture_output=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return layout

    def check_result(self, reference, mark, large, name):
        tree = layers_of(self.copy_out(reference, name))
        self.assertEqual(tree["last"].decode(), mark + "\n")
        self.assertTrue(tree["first"].decode().endswith(mark + "\n"))
        self.assertEqual(tree["data/large"], large)
        self.assertNotIn("data/gone", tree)
        self.assertEqual(tree["out/sum"].decode().split()[0], hashlib.sha256(large).hexdigest())
        self.assertEqual(sorted(path for path in tree if path.startswith("out/") and path != "out/sum"),
                         sorted(f"out/{i}" for i in range(1, 51)))

    def check_images(self, daemon, turn):
        """Every image that is listed is whole: it can be pushed, and another tool verifies it."""
        rows = daemon.kiln("images").out.splitlines()[1:]
        for number, row in enumerate(rows):
            listed = row.split()[0]
            target = f"{self.registry.host}/verify{turn}-{number}"
            if listed.startswith(("<", "@", "sha256:")):  # without a name
                listed = row.split()[1]
            self.assertEqual(daemon.kiln("tag", listed, target).code, 0, row)
            pushed = daemon.kiln("push", "--progress=plain", target)
            self.assertEqual(pushed.code, 0, pushed.text + daemon.log_text())
            layers_of(self.copy_out(target, f"verify{turn}-{number}"))
            for name in (target, listed):  # once is enough
                self.assertEqual(daemon.kiln("rmi", name).code, 0)
        return len(rows)

    def check_clean(self, daemon):
        """After a start: nothing of the last life is left."""
        tmp = daemon.root / "tmp"
        kilntest.wait_until(lambda: {path.name for path in tmp.iterdir()} <= {"runtime"},
                            f"an empty {tmp}; it has {list(tmp.iterdir())}")
        kilntest.wait_until(lambda: not kilntest.strays(daemon), f"no strays; there are {kilntest.strays(daemon)}")
        self.assertEqual(kilntest.step_cgroups(daemon), [])
        for folder in ("bundles", "networks"):
            path = tmp / "runtime" / folder
            self.assertEqual(list(path.iterdir()) if path.exists() else [], [])

    def test_a_kill_at_any_moment_loses_nothing_that_was_promised(self):
        seed = int(os.environ.get("KILN_SEED", random.SystemRandom().randrange(1 << 32)))
        print(f"seed {seed} (KILN_SEED)", flush=True)
        chance = random.Random(seed)
        daemon = self.daemon()
        large = random.Random(1).randbytes(3 << 20)
        context = self.context({"data/large": large, "data/gone": "x", "data/small": "s"})
        subprocess.run(["tar", "-cf", "archive.tar", "large"], cwd=context / "data", check=True)
        full = None
        verified = 0
        for turn in range(KILLS + 1):
            mark = f"mark-{seed}-{turn}"
            (context / "Dockerfile").write_text(chance.choice(DOCKERFILES).format(mark=mark))
            name = f"{self.registry.host}/turn{turn}"
            if chance.random() < 0.4:  # so that the base image is pulled again
                for row in daemon.kiln("images").out.splitlines()[1:]:
                    daemon.kiln("rmi", row.split()[0])
                daemon.kiln("prune", "--all")
            words = ["build", "--progress=plain", "-t", name, "--push", "-o",
                     f"type=oci,dest={self.directory}/out{turn}.tar", context]
            if full is None:  # the first is left alone: how long it takes here
                result = daemon.kiln(*words)
                self.assertEqual(result.code, 0, result.text)
                full = result.seconds
                self.check_result(name, mark, large, f"turn{turn}")
                continue
            client = daemon.start_kiln(*words)
            beside = daemon.start_kiln(*chance.choice((("prune",), ("pull", "busybox"), ("df",), ("images",))))
            time.sleep(chance.random() * full * 1.1)
            with self.subTest(turn=turn, seed=seed):
                daemon.kill()
                _, err = client.communicate(timeout=20)
                beside.communicate(timeout=20)
                # Lost connection, or it was over before.
                self.assertIn(client.returncode, (0, 3), err.decode())
                kilntest.wait_until(lambda: not kilntest.strays(daemon),
                                    f"an end of what the daemon had started: {kilntest.strays(daemon)}")
                daemon.start()
                self.check_clean(daemon)
                if client.returncode == 0:
                    self.check_result(name, mark, large, f"killed{turn}")
                if turn % 5 == 0:
                    verified += self.check_images(daemon, turn)
                if turn % 3 == 0:
                    self.build(daemon, context, "-t", name, "--push")
                    self.check_result(name, mark, large, f"turn{turn}")
        self.build(daemon, context, "-t", name, "--push")
        self.check_result(name, mark, large, "last")
        verified += self.check_images(daemon, KILLS + 1)
        self.assertGreater(verified, 0)

    def test_a_killed_client_stops_its_build_and_nothing_else(self):
        daemon = self.daemon()
        slow = self.context({"Dockerfile": "FROM busybox\nRUN echo started; sleep 600\n"}, "slow")
        other = self.context({"Dockerfile": "FROM busybox\nRUN sleep 2; echo other > /other\n"}, "other")
        client = daemon.start_kiln("build", "--progress=plain", slow)
        for line in client.stderr:
            if line.rstrip().endswith(b" started"):
                break
        second = daemon.start_kiln("build", "-t", "other", other)
        client.kill()
        client.communicate()
        kilntest.wait_until(lambda: not sleeping("600"), "an end of the step of a client that was killed")
        second.communicate(timeout=60)
        self.assertEqual(second.returncode, 0)
        self.assertIn("builds running   0", daemon.kiln("info").out)

    def test_two_builds_share_a_step_and_one_client_dies(self):
        daemon = self.daemon()
        context = self.context({"Dockerfile": "FROM busybox\nRUN echo started; sleep 3; echo ok > /ok\n"})
        first = daemon.start_kiln("build", "--progress=plain", context)
        for line in first.stderr:
            if line.rstrip().endswith(b" started"):
                break
        second = daemon.start_kiln("build", "--progress=plain", "-t", "it", context)
        time.sleep(0.5)
        first.kill()
        first.communicate()
        _, err = second.communicate(timeout=60)
        self.assertEqual(second.returncode, 0, err.decode())
        name = f"{self.registry.host}/shared"
        daemon.kiln("tag", "it", name)
        self.assertEqual(daemon.kiln("push", name).code, 0)
        self.assertEqual(layers_of(self.copy_out(name, "shared"))["ok"], b"ok\n")

    def test_a_terminated_daemon_ends_its_builds_and_itself_well(self):
        daemon = self.daemon()
        context = self.context({"Dockerfile": "FROM busybox\nRUN echo started; sleep 599\n"})
        client = daemon.start_kiln("build", "--progress=plain", context)
        for line in client.stderr:
            if line.rstrip().endswith(b" started"):
                break
        daemon.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        daemon.process.send_signal(signal.SIGTERM)  # once more: it does not wait for the grace to pass
        client.communicate(timeout=30)
        self.assertIn(client.returncode, (1, 3))
        self.assertEqual(daemon.process.wait(30), 0, daemon.log_text())
        self.assertEqual(kilntest.strays(daemon), [])
        self.assertEqual(kilntest.leftovers(daemon), [])
        self.assertFalse(sleeping("599"))
        daemon.start()
        self.check_clean(daemon)

    def test_a_terminated_daemon_lets_a_build_finish(self):
        daemon = self.daemon()
        context = self.context({"Dockerfile": "FROM busybox\nRUN echo started; sleep 2; echo done > /done\n"})
        client = daemon.start_kiln("build", "--progress=plain", "-t", "finished", context)
        for line in client.stderr:
            if line.rstrip().endswith(b" started"):
                break
        daemon.process.send_signal(signal.SIGTERM)
        _, err = client.communicate(timeout=30)
        self.assertEqual(client.returncode, 0, err.decode())
        self.assertEqual(daemon.process.wait(30), 0, daemon.log_text())
        daemon.start()
        self.assertIn("finished", daemon.kiln("images").out)


def sleeping(seconds):
    """True when somebody sleeps for so long: a step's process that was left behind."""
    words = f"sleep\0{seconds}\0".encode()
    for process in pathlib.Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "cmdline").read_bytes() == words:
                return True
        except OSError:
            continue
    return False


if __name__ == "__main__":
    kilntest.main()
