"""Build contexts made to break out or to hang the daemon: nothing of outside is read, and everything ends."""
import os
import shutil
import socket
import subprocess
import threading

import kilntest
from canaries import CanaryTest, SECRET


class HostileContextTest(CanaryTest):
    def built(self, dockerfile, context, code=0):
        (context / "Dockerfile").write_text(dockerfile)
        out = self.directory / "out"
        shutil.rmtree(out, ignore_errors=True)
        return self.build(self.kilnd, context, "-o", out, code=code, timeout=60), out

    def test_a_link_in_the_context_that_points_outside_reads_nothing_there(self):
        context = self.context({"Dockerfile": ""})
        (context / "link").symlink_to(self.canary / "file")
        (context / "up").symlink_to("../../canary/file")
        (context / "dir").symlink_to(self.canary)
        (context / "root").symlink_to("/")
        for source in ("link", "up", "dir/file", "dir", "root/etc/passwd", "d*", "li*"):
            with self.subTest(source=source):
                (context / "Dockerfile").write_text(f"FROM scratch\nCOPY {source} /it/\n")
                out = self.directory / "out"
                shutil.rmtree(out, ignore_errors=True)
                result = self.kilnd.kiln("build", "-o", out, context)
                self.assertIn(result.code, (0, 1), result.text)
                if out.exists():
                    for path in out.rglob("*"):
                        if path.is_file() and not path.is_symlink():
                            self.assertNotIn(SECRET, path.read_text(errors="replace"))
                            self.assertNotIn("root:", path.read_text(errors="replace"))

    def test_a_source_that_climbs_out_of_the_context_stays_inside(self):
        context = self.context({"Dockerfile": "", "etc/passwd": "mine"})
        _, out = self.built("FROM scratch\nCOPY ../../../../../../etc/passwd /it\n", context)
        self.assertEqual((out / "it").read_text(), "mine")
        result, _ = self.built("FROM scratch\nCOPY ../canary/file /it\n", context, code=1)
        self.assertIn("canary/file", result.err)

    def test_a_dockerignore_that_is_a_link_to_outside_is_not_read(self):
        context = self.context({"Dockerfile": "", "file": "f"})
        (context / ".dockerignore").symlink_to(self.canary / "file")
        (context / "Dockerfile").write_text("FROM scratch\nCOPY file /\n")
        result = self.kilnd.kiln("build", context)
        self.assertNotIn(SECRET, result.text)
        self.assertIn(result.code, (0, 1))

    def test_a_fifo_in_the_context_does_not_hang(self):
        context = self.context({"Dockerfile": "", "file": "f"})
        os.mkfifo(context / "pipe")
        result, out = self.built("FROM scratch\nCOPY . /it\n", context)
        self.assertLess(result.seconds, 50)
        self.assertEqual((out / "it/file").read_text(), "f")
        direct = self.kilnd.kiln("build", "--progress=plain", self.pipe_context(), timeout=50)
        self.assertIn(direct.code, (0, 1), direct.text)

    def pipe_context(self):
        context = self.context({"Dockerfile": "FROM scratch\nCOPY pipe /it\nADD pipe /other\n"}, "pipes")
        os.mkfifo(context / "pipe")
        return context

    def test_a_fifo_as_the_dockerfile_or_its_ignore_file_does_not_hang(self):
        context = self.context({"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"})
        os.mkfifo(context / ".dockerignore")
        result = self.kilnd.kiln("build", "--progress=plain", context, timeout=50)
        self.assertIn(".dockerignore", result.text)
        self.assertEqual(result.code, 1, result.text)

    def test_a_socket_in_the_context_becomes_an_empty_file(self):
        context = self.context({"Dockerfile": "", "file": "f"})
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(context / "socket"))
            _, out = self.built("FROM scratch\nCOPY . /it\n", context)
        self.assertEqual(sorted(os.listdir(out / "it")), ["Dockerfile", "file", "socket"])
        self.assertTrue((out / "it/socket").is_file())
        self.assertEqual((out / "it/socket").read_bytes(), b"")

    def test_a_file_that_becomes_a_link_while_it_is_copied_shows_nothing_of_outside(self):
        context = self.context({"Dockerfile": ""})
        for number in range(200):
            (context / f"file{number}").write_text("honest" * 200)
        over = threading.Event()

        def swap():
            number = 0
            while not over.is_set():
                path = context / f"file{number % 200}"
                temporary = context / "Dockerfile.swap"
                temporary.symlink_to(self.canary / "file")
                os.replace(temporary, path)
                over.wait(0.001)
                temporary.write_text("honest" * 200)
                os.replace(temporary, path)
                number += 7
        swapper = threading.Thread(target=swap)
        swapper.start()
        try:
            for turn in range(8):
                (context / "Dockerfile").write_text(f"FROM scratch\n# {turn}\nCOPY file* /it/\n")
                out = self.directory / f"out{turn}"
                result = self.kilnd.kiln("build", "--progress=plain", "--no-cache", "-o", out, context, timeout=60)
                self.assertIn(result.code, (0, 1), result.text)
                self.assertNotIn("internal", result.err.replace("[internal]", ""))
                for path in out.rglob("*") if out.exists() else ():
                    if not path.is_symlink() and path.is_file():
                        self.assertNotIn(SECRET, path.read_text())
        finally:
            over.set()
            swapper.join()

    def test_a_directory_that_becomes_a_link_while_it_is_copied_shows_nothing_of_outside(self):
        context = self.context({"Dockerfile": "", "dir/inner": "honest", "dir/file": "honest"})
        over = threading.Event()

        def swap():
            while not over.is_set():
                os.rename(context / "dir", context / "Dockerfile.dir")
                (context / "dir").symlink_to(self.canary)
                over.wait(0.002)
                (context / "dir").unlink()
                os.rename(context / "Dockerfile.dir", context / "dir")
                over.wait(0.002)
        swapper = threading.Thread(target=swap)
        swapper.start()
        try:
            for turn in range(8):
                (context / "Dockerfile").write_text(f"FROM scratch\n# {turn}\nCOPY dir /it/\n")
                out = self.directory / f"out{turn}"
                self.kilnd.kiln("build", "--no-cache", "-o", out, context, timeout=60)
                for path in out.rglob("*") if out.exists() else ():
                    if not path.is_symlink() and path.is_file():
                        self.assertNotIn(SECRET, path.read_text())
        finally:
            over.set()
            swapper.join()

    def test_five_thousand_entries_of_one_directory_are_all_there(self):
        context = self.context({"Dockerfile": ""})
        many = context / "many"
        many.mkdir()
        for number in range(5000):
            (many / f"entry-{number}").write_bytes(b"%d" % number)
        result, out = self.built("FROM scratch\nCOPY many /many/\n", context)
        self.assertEqual(len(os.listdir(out / "many")), 5000)
        self.assertEqual((out / "many/entry-4999").read_bytes(), b"4999")
        self.assertLess(result.seconds, 50)

    def test_a_path_near_the_limit_is_copied_and_one_beyond_it_does_not_crash(self):
        context = self.context({"Dockerfile": ""})
        deep = os.open(context, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for _ in range(19):  # 19 × 201 bytes
                os.mkdir("d" * 200, dir_fd=deep)
                below = os.open("d" * 200, os.O_RDONLY | os.O_DIRECTORY, dir_fd=deep)
                os.close(deep)
                deep = below
            os.close(os.open("leaf", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=deep))
        finally:
            os.close(deep)
        (context / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
        name = f"{self.registry.host}/deep"
        result = self.kilnd.kiln("build", "--progress=plain", "-t", name, "--push", context, timeout=60)
        self.assertEqual(result.code, 0, result.text[-3000:])
        subprocess.run(["rm", "-rf", str(context)], check=True)

    def test_names_that_are_not_utf_8_survive(self):
        context = self.context({"Dockerfile": ""})
        odd = [b"latin-\xe9", b"\xff\xfe", b"new\nline", b"tab\t", b"esc\x1b[31m", b"quote'\"\\", b" space ", b"-dash"]
        for name in odd:
            with open(os.path.join(os.fsencode(context), name), "wb") as file:
                file.write(name)
        (context / "Dockerfile").write_text("FROM scratch\nCOPY . /it/\n")
        name = f"{self.registry.host}/odd"
        result = self.build(self.kilnd, context, "-t", name, "--push", "-o", self.directory / "out")
        self.assertNotIn("\x1b[31m", result.text)
        for place in (self.directory / "out/it", self.unpack(name)[0] / "it"):
            found = {entry for entry in os.listdir(os.fsencode(place)) if entry != b"Dockerfile"}
            self.assertEqual(found, set(odd))
        with open(os.fsencode(self.directory / "out/it") + b"/\xff\xfe", "rb") as file:
            self.assertEqual(file.read(), b"\xff\xfe")

    def test_control_characters_of_a_dockerfile_or_a_registry_do_not_reach_the_terminal_raw(self):
        result = self.build(self.kilnd, self.context({"Dockerfile": "FROM busybox\n\x1b[2JRUNN x\n"}), code=1)
        self.assertIn("Dockerfile:2", result.err)


if __name__ == "__main__":
    kilntest.main()
