"""Copying a large tree again, of which little changed: what is written, and that nobody can tell."""
import os
import pathlib
import shutil
import subprocess
import unittest

from kilntest import KilnTest, output_of, ran

FILES = 300


def age(root):
    """Times from long ago, the same in each run."""
    for directory, names, files in os.walk(root, topdown=False):
        for name in files + names:
            os.utime(os.path.join(directory, name), ns=(0, 1_600_000_000_123_456_789), follow_symlinks=False)


def tree(context):
    """A context with one of everything that a copy keeps."""
    source = context / "src"
    for number in range(FILES):
        path = source / f"d{number % 7}" / f"e{number % 3}" / f"file {number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number}\n" * (number * 7 % 500))
        path.chmod(0o644 if number % 5 else 0o751)
    (source / "d0/link").symlink_to("e0/file 0")
    (source / "d1/empty").mkdir()
    os.link(source / "d2/e0/file 9", source / "d2/second name")
    os.link(source / "d2/e0/file 9", source / "a third")
    os.setxattr(source / "d3/e0/file 3", "user.note", b"first")
    os.setxattr(source / "d4", "user.of-a-directory", b"x")
    age(source)


def rewrite(source):
    (source / "d5/e2/file 5").write_text("changed\n")
    (source / "d5/e2/file 5").chmod(0o600)


def add(source):
    (source / "d6/new").write_text("new\n")
    (source / "d6/new directory").mkdir()
    (source / "d6/new directory/in it").write_text("x\n")
    os.utime(source / "d0", (5, 5))


def links(source):
    (source / "d0/link").unlink()
    (source / "d0/link").symlink_to("e0/file 21")
    os.link(source / "d1/e1/file 1", source / "d1/second name")
    (source / "a third").write_text("written through all of its names\n")


def attributes(source):
    os.setxattr(source / "d3/e0/file 3", "user.note", b"second")
    (source / "d1/empty").chmod(0o700)
    (source / "d1/e1").chmod(0o711)
    os.utime(source / "d3/e1/file 10", (77, 77))


def rename(source):
    (source / "d0/e0/file 0").rename(source / "d0/renamed")


def remove(source):
    (source / "d2/second name").unlink()
    shutil.rmtree(source / "d6/new directory")
    (source / "d3/e1/file 10").unlink()
    shutil.rmtree(source / "d1/empty")


def change_kinds(source):
    os.removexattr(source / "d4", "user.of-a-directory")
    (source / "d0/link").unlink()
    (source / "d0/link").mkdir()
    (source / "d0/link/now a directory").write_text("x")
    shutil.rmtree(source / "d4/e0")
    (source / "d4/e0").write_text("now a file")


CHANGES = [rewrite, add, links, attributes, rename, remove, change_kinds]


class IncrementalCopyTest(KilnTest):
    def layers(self, daemon, context, name, *flags):
        """The digests of an image's layers as they were pushed."""
        reference = f"{self.registry.host}/{name}"
        self.build(daemon, context, "-t", reference, "--push", *flags)
        return [layer["digest"] for layer in self.registry.manifest(name)["layers"]]

    def snapshots(self, daemon):
        """Of each layer the number of files in its own directory, the newest last."""
        root = pathlib.Path(daemon.root) / "snapshots"
        numbers = sorted(int(name) for name in os.listdir(root) if name.isdigit())
        return [sum(len(files) for _, _, files in os.walk(root / str(number))) for number in numbers]

    def follow_changes(self, dockerfile):
        """Builds after each change, from nothing, and packed; returns how many files each build wrote."""
        # The last step looks at the copy's result: without it nothing would be written at all.
        context = self.context({"Dockerfile": dockerfile + "WORKDIR /other\n", "packed.Dockerfile": dockerfile})
        tree(context)
        daemon = self.daemon()
        self.layers(daemon, context, "again")
        written = []
        for number, change in enumerate(CHANGES):
            change(context / "src")
            before = self.snapshots(daemon)
            again = self.layers(daemon, context, "again")
            written.append(sum(self.snapshots(daemon)[len(before):]))
            fresh = self.daemon(f"fresh{number}")
            packed = self.layers(fresh, context, "packed", "-f", context / "packed.Dockerfile")
            self.assertEqual(again, self.layers(fresh, context, "fresh", "--no-cache"), change.__name__)
            self.assertEqual(again[:-1], packed, change.__name__)
            self._stop(fresh)
        return written

    def test_layers_are_those_of_a_copy_from_nothing_and_only_changes_are_written(self):
        written = self.follow_changes("FROM busybox\nCOPY src /usr/local/app\n")
        for count in written[:4]:
            self.assertLess(count, FILES / 4, written)

    def test_layers_on_nothing_are_those_of_a_copy_from_nothing_too(self):
        written = self.follow_changes("FROM scratch\nCOPY --chown=7:8 --chmod=u=rwX,go=rX src /app/\n")
        self.assertLess(written[0], FILES / 4, written)

    def test_a_linked_copy_hides_nothing_of_the_layers_below_it(self):
        context = self.context({"Dockerfile": "FROM busybox AS base\nRUN mkdir -p /app/d6 && echo below > /app/d6/new\n"
                                              "FROM base\nCOPY --link src /app\nRUN cat /app/d6/new; ls /app/d0\n"})
        tree(context)
        daemon = self.daemon()
        self.build(daemon, context)
        (context / "src/d6/new").write_text("above\n")
        self.assertIn("above", output_of(self.build(daemon, context), "cat"))
        (context / "src/d6/new").unlink()
        rewrite(context / "src")
        self.assertIn("below", output_of(self.build(daemon, context), "cat"))

    def test_a_step_sees_the_tree_as_it_was_copied_with_the_links_that_it_has(self):
        context = self.context({"Dockerfile": "FROM busybox\nCOPY src /app\n"
                                              "RUN find /app -type f -exec stat -c '%h %n' {} + | grep -v '^1 ' | sort; "
                                              "find /app | wc -l; cat '/app/d5/e2/file 5'; echo more >> '/app/d2/e0/file 30'; "
                                              "tail -n 1 '/app/d2/e0/file 30'; stat -c %h '/app/d5/e2/file 5'\n"})
        tree(context)
        daemon = self.daemon()
        self.build(daemon, context)
        rewrite(context / "src")
        result = output_of(self.build(daemon, context), "find")
        names = sum(len(directories) + len(files) for _, directories, files in os.walk(context / "src")) + 1
        self.assertEqual([line.strip() for line in result],
                         ["3 /app/a third", "3 /app/d2/e0/file 9", "3 /app/d2/second name", str(names), "changed",
                          "more", "1"])

    def test_pruning_keeps_what_a_kept_difference_lies_on(self):
        context = self.context({"Dockerfile": "FROM busybox\nCOPY src /app\nRUN cat '/app/d5/e2/file 5' '/app/d1/e1/file 1'\n"})
        tree(context)
        daemon = self.daemon()
        name = f"{self.registry.host}/pruned"
        self.build(daemon, context, "-t", name)
        rewrite(context / "src")
        self.build(daemon, context, "-t", name)
        self.assertEqual(daemon.kiln("prune").code, 0)
        again = self.build(daemon, context, "-t", name)
        self.assertEqual(ran(again), [], again.text)
        with (context / "Dockerfile").open("a") as dockerfile:
            dockerfile.write("RUN cat '/app/d5/e2/file 5' '/app/d3/e0/file 3' && find /app -type f | wc -l\n")
        output = output_of(self.build(daemon, context, "-t", name), "find")
        self.assertIn("changed", output)
        self.assertIn(str(FILES + 2), output)
        shutil.rmtree(context)
        self.assertEqual(daemon.kiln("rmi", name).code, 0)
        self.assertEqual(daemon.kiln("prune", "--all").code, 0)
        self.assertEqual(self.snapshots(daemon), [])

    def test_a_damaged_earlier_blob_does_not_reach_the_new_one(self):
        context = self.context({"Dockerfile": "FROM scratch\nCOPY src /app\n"})
        tree(context)
        (context / "src/large").write_bytes(os.urandom(6_000_000))
        daemon = self.daemon()
        first = self.layers(daemon, context, "again")
        blob = pathlib.Path(daemon.root) / "blobs/sha256" / first[0].removeprefix("sha256:")
        with blob.open("r+b") as file:
            for place in range(5000, blob.stat().st_size, 200_000):
                file.seek(place)
                file.write(b"damaged")
        rewrite(context / "src")
        again = self.layers(daemon, context, "again")
        self.assertEqual(again, self.layers(self.daemon("fresh"), context, "fresh"))


if __name__ == "__main__":
    unittest.main()
