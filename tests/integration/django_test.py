"""The wish that Kiln began with: a Django project's six instructions, built, pushed, run, reached on port 8000."""
import json
import os
import shutil
import socket
import subprocess
import sys
import unittest

import kilntest
from kilntest import ran, steps


def port_is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


class Django(kilntest.KilnTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for port in (5050, 8000):
            if not port_is_free(port):
                raise unittest.SkipTest(f"port {port}, which the example needs, is taken on this machine")
        cls.index = subprocess.Popen(
            [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory",
             str(kilntest.FIXTURES / "wheels"), "5050"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cls.addClassCleanup(cls.index.wait)
        cls.addClassCleanup(cls.index.terminate)
        kilntest.wait_until(lambda: not port_is_free(5050), "the package index")
        # One built image for all tests: pip takes its time.
        cls.project = cls.class_directory / "project"
        shutil.copytree(kilntest.SOURCE / "examples" / "django", cls.project)
        cls.shared = kilntest.Daemon(cls.class_directory / "shared", registries=[cls.registry.host],
                                     mirror=cls.mirror.host)
        cls.addClassCleanup(cls.shared.stop)
        cls.name = f"{cls.registry.host}/django:latest"
        cls.first = cls.shared.kiln("build", "--progress=plain", "--network=host", "-t", cls.name, "--push", cls.project)
        if cls.first.code != 0:
            raise AssertionError(cls.first.text)

    def rebuild(self, *flags):
        result = self.shared.kiln("build", "--progress=plain", "--network=host", "-t", self.name, *flags, self.project)
        self.assertEqual(result.code, 0, result.text)
        return result

    def test_each_instruction_is_a_layer_with_the_history_that_buildkit_writes(self):
        manifest = self.registry.manifest("django")
        self.assertEqual(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json")
        inspected = self.shared.kiln("inspect", self.name)
        config = json.loads(inspected.out)["config"]
        new = [entry for entry in config["history"] if entry.get("comment") == "buildkit.dockerfile.v0"]
        self.assertEqual([entry["created_by"] for entry in new], [
            "WORKDIR /app",
            "COPY requirements.txt requirements.txt # buildkit",
            "RUN /bin/sh -c pip3 install -r requirements.txt # buildkit",
            "COPY . . # buildkit",
            'CMD ["python3" "manage.py" "runserver" "0.0.0.0:8000"]'])
        self.assertEqual([entry.get("empty_layer", False) for entry in new], [False, False, False, False, True])
        self.assertEqual(len(manifest["layers"]), len(config["rootfs"]["diff_ids"]))

    def test_other_tools_take_the_image_and_it_answers_on_port_8000(self):
        inspected = subprocess.run(["skopeo", "inspect", "--tls-verify=false", f"docker://{self.name}"],
                                   check=True, capture_output=True).stdout
        self.assertEqual(len(json.loads(inspected)["Layers"]), len(self.registry.manifest("django")["layers"]))
        rootfs, config = self.unpack(self.name)
        self.assertEqual(config["config"]["WorkingDir"], "/app")
        bundle = rootfs.parent
        for runtime in ("crun", "runc"):
            with self.subTest(runtime=runtime):
                self.run_and_fetch(runtime, bundle)

    def run_and_fetch(self, runtime, bundle):
        path = bundle / "config.json"
        spec = json.loads(path.read_text())
        spec["process"]["terminal"] = False
        spec["linux"]["namespaces"] = [one for one in spec["linux"]["namespaces"] if one["type"] != "network"]
        spec["linux"].pop("resources", None)  # device rules need a limit raised that a sandboxed root may not raise
        path.write_text(json.dumps(spec))
        state = self.directory / f"{runtime}-state"
        # crun refuses a hybrid cgroup layout: it is shown version 2 alone, in a mount namespace of its own.
        script = ('[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] || mount -t cgroup2 cgroup2 /sys/fs/cgroup; '
                  f'exec {runtime} --root {state} run --bundle {bundle} kiln-test-{runtime}-{os.getpid()}')
        with open(self.directory / f"{runtime}.log", "wb") as log:
            container = subprocess.Popen(["unshare", "-m", "sh", "-c", script], stdout=log, stderr=log)
        try:
            kilntest.wait_until(lambda: kilntest.answers("http://127.0.0.1:8000/"), f"Django in {runtime}", 60)
            with kilntest.urllib.request.urlopen("http://127.0.0.1:8000/", timeout=10) as page:
                self.assertEqual(page.status, 200)
                self.assertIn("Hello from Kiln", page.read().decode())
        finally:
            subprocess.run([runtime, "--root", str(state), "kill", f"kiln-test-{runtime}-{os.getpid()}", "KILL"],
                           capture_output=True, check=False)
            container.terminate()
            container.wait(20)
        kilntest.wait_until(lambda: port_is_free(8000), "port 8000 to be free again")

    def test_the_same_build_again_runs_nothing_and_gives_the_same_image(self):
        again = self.rebuild()
        self.assertEqual(ran(again), [])
        quiet = self.shared.kiln("build", "-q", "--network=host", "-t", self.name, self.project)
        self.assertEqual(quiet.out.strip(), json.loads(self.shared.kiln("inspect", self.name).out)["digest"])
        self.assertEqual(quiet.err, "")

    def test_touched_files_run_nothing(self):
        for path in self.project.rglob("*"):
            os.utime(path)
        self.assertEqual(ran(self.rebuild()), [])

    def test_one_changed_source_file_runs_only_the_last_copy(self):
        view = self.project / "hello" / "views.py"
        before = view.read_text()
        self.addCleanup(view.write_text, before)
        view.write_text(before + "\n# changed\n")
        self.assertEqual(ran(self.rebuild()), ["COPY . ."])

    def test_changed_requirements_run_pip_again(self):
        requirements = self.project / "requirements.txt"
        before = requirements.read_text()
        self.addCleanup(requirements.write_text, before)
        requirements.write_text(before + "sqlparse\n")
        self.assertEqual(ran(self.rebuild()), ["COPY . .", "COPY requirements.txt requirements.txt",
                                               "RUN pip3 install -r requirements.txt"])

    def test_a_cached_build_needs_no_registry(self):
        alone = kilntest.Registry(self.directory / "alone", storage=kilntest.FIXTURES / "registry")
        daemon = self.daemon(mirror=alone.host)
        context = self.context({"Dockerfile": "FROM busybox\nWORKDIR /app\nCOPY . .\nRUN true\n", "a": "a"})
        self.build(daemon, context, "-t", "offline")
        alone.stop()
        again = self.build(daemon, context, "-t", "offline")
        self.assertEqual(ran(again), [])
        self.assertEqual(set(steps(again).values()), {"CACHED", "DONE"})

    def test_two_empty_roots_give_equal_layers(self):
        context = self.context({
            "Dockerfile": "FROM busybox\nWORKDIR /app/deep\nCOPY a a\nCOPY . .\nCOPY --chown=5:6 --chmod=700 b /c/\n",
            "a": "a", "b": "b", "d/e": "e"})
        digests = []
        for name in ("one", "two"):
            daemon = self.daemon(name)
            self.build(daemon, context, "-t", f"{self.registry.host}/{name}", "--push")
            digests.append([layer["digest"] for layer in self.registry.manifest(name)["layers"]])
        self.assertEqual(digests[0], digests[1])
        self.assertEqual(len(digests[0]), 5)


if __name__ == "__main__":
    kilntest.main()
