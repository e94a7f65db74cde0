"""A file of the context that is another one than before is noticed, whatever it looks like."""
import hashlib
import mmap
import os
import subprocess
import sys
import tarfile
import unittest

from kilntest import KilnTest

TIME = 1_600_000_000_000_000_000

# Writes versions of one size over and over: a byte repeated, so that any mixture shows.
WRITER = """
import sys
path, size = sys.argv[1], int(sys.argv[2])
with open(path, "r+b", buffering=0) as file:
    print("begun", flush=True)
    version = 0
    while True:
        version += 1
        file.seek(0)
        file.write(bytes([version % 251]) * size)
"""

# Keeps a file mapped; each line of input changes a byte through the mapping.
MAPPER = """
import mmap, sys
with open(sys.argv[1], "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
    memory[0:1] = b"a"
    print("mapped", flush=True)
    for line in sys.stdin:
        memory[0:1] = line.strip().encode()
        print("written", flush=True)
"""


class ReplacedFilesTest(KilnTest):
    def setUp(self):
        super().setUp()
        self.kilnd = self.daemon()
        self.root = self.context({"Dockerfile": "FROM scratch\nCOPY data /data\n",
                                  "data/file": "first"})
        self.file = self.root / "data/file"
        os.utime(self.file, ns=(TIME, TIME))
        self.assertEqual(self.seen(), ["first"])
        self.build(self.kilnd, self.root)

    def seen(self, root=None):
        """The file in the image."""
        directory = self.directory / "out"
        subprocess.run(["rm", "-rf", directory], check=True)
        self.build(self.kilnd, root or self.root, "-o", f"type=local,dest={directory}")
        return [(directory / "data/file").read_text()]

    def test_another_file_renamed_over_it(self):
        other = self.root / "data/other"
        other.write_text("other")
        subprocess.run(["touch", "-r", self.file, other], check=True)
        other.rename(self.file)
        self.assertEqual(self.seen(), ["other"])

    def test_other_bytes_in_the_same_file_with_its_old_time(self):
        self.file.write_text("other")
        os.utime(self.file, ns=(TIME, TIME))
        self.assertEqual(self.seen(), ["other"])

    def test_other_bytes_within_the_same_second(self):
        for number in range(20):
            text = f"no {number:02}"
            self.file.write_text(text)
            self.assertEqual(self.seen(), [text])

    def test_another_checkout_on_the_same_path(self):
        other = self.context({"data/file": "other", "Dockerfile": (self.root / "Dockerfile").read_text()}, "other")
        subprocess.run(["touch", "-r", self.file, other / "data/file"], check=True)
        subprocess.run(["mount", "--bind", other, self.root], check=True)
        try:
            self.assertEqual(self.seen(), ["other"])
        finally:
            subprocess.run(["umount", self.root], check=True)
        self.assertEqual(self.seen(), ["first"])

    def test_a_file_system_that_uses_the_same_inode_numbers_again(self):
        for text in ("third", "forth"):
            subprocess.run(["mount", "-t", "tmpfs", "none", self.root / "data"], check=True)
            try:
                self.file.write_text(text)
                os.utime(self.file, ns=(TIME, TIME))
                self.assertEqual(self.seen(), [text])
            finally:
                subprocess.run(["umount", self.root / "data"], check=True)

    def test_a_mode_or_an_attribute_that_changed(self):
        self.file.chmod(0o755)
        os.utime(self.file, ns=(TIME, TIME))
        self.seen()
        self.assertEqual((self.directory / "out/data/file").stat().st_mode & 0o777, 0o755)

    def test_a_write_through_memory(self):
        with self.file.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
            memory[0:5] = b"other"
        os.utime(self.file, ns=(TIME, TIME))
        self.assertEqual(self.seen(), ["other"])

    def test_writes_through_a_mapping_that_stays(self):
        with subprocess.Popen([sys.executable, "-c", MAPPER, self.file], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True) as mapper:
            try:
                self.assertEqual(mapper.stdout.readline(), "mapped\n")
                self.assertEqual(self.seen(), ["airst"])
                for letter in "bcd":
                    mapper.stdin.write(letter + "\n")
                    mapper.stdin.flush()
                    self.assertEqual(mapper.stdout.readline(), "written\n")
                    self.assertEqual(self.seen(), [letter + "irst"])
            finally:
                mapper.stdin.close()
                mapper.wait(timeout=20)

    def test_a_file_that_is_written_all_the_time_is_whole_or_the_build_says_so(self):
        size = 3_000_000
        self.file.write_bytes(b"\0" * size)
        writer = subprocess.Popen([sys.executable, "-c", WRITER, self.file, str(size)], stdout=subprocess.PIPE)
        outcomes = []
        try:
            writer.stdout.readline()
            for number in range(8):
                archive = self.directory / f"{number}.tar"
                result = self.kilnd.kiln("build", "--progress=plain", "-o", f"type=tar,dest={archive}", self.root)
                outcomes.append(result.code)
                if result.code != 0:
                    self.assertIn('"data/file" changed while the build was reading it', result.text)
        finally:
            writer.kill()
            writer.communicate()
        self.assertTrue(set(outcomes) <= {0, 1}, outcomes)
        # What was recorded on the way is under the digest of what it is: the next build is right.
        archive = self.directory / "last.tar"
        self.build(self.kilnd, self.root, "-o", f"type=tar,dest={archive}")
        with tarfile.open(archive) as tar:
            arrived = tar.extractfile("data/file").read()
        self.assertEqual(hashlib.sha256(arrived).hexdigest(), hashlib.sha256(self.file.read_bytes()).hexdigest())


if __name__ == "__main__":
    unittest.main()
