"""A copy that no step looks at is packed from where its files are: its layer is that of a copy that was written."""
import os
import pathlib
import socket
import unittest

from kilntest import SharedDaemonTest, output_of

BASE = ("FROM busybox AS base\nRUN mkdir -p /app/there /app/plain && echo old > /app/there/file && "
        "echo old > /app/plain/replaced && ln -s there /app/link && chmod 711 /app/there && "
        "touch -d @1500000000 /app/there /app/plain /app\n")


def tree(context):
    """One of everything that a context may hold."""
    source = context / "src"
    for number in range(60):
        path = source / f"d{number % 4}" / f"file {number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number}\n" * (number * 7 % 500))
        path.chmod(0o644 if number % 5 else 0o4751)
    (source / ("long" * 40)).write_text("a name that needs a header of its own\n")
    (source / "caf\u00e9 \u2603").write_text("utf-8\n")
    (source / "d0/link").symlink_to("file 0")
    (source / "empty").mkdir()
    (source / "nothing").write_text("")
    os.mkfifo(source / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(source / "socket"))
    os.link(source / "d1/file 1", source / "d1/second name")
    os.setxattr(source / "d2/file 2", "user.note", b"kept")
    (source / "there").mkdir()
    (source / "there/file").write_text("new\n")
    (source / "there/.hidden").write_text("new\n")
    (source / "plain").mkdir(mode=0o750)
    (source / "plain/replaced").write_text("new\n")
    (context / "other").mkdir()
    (context / "other/nothing").write_text("no longer empty\n")
    (context / "other/zz").write_text("last\n")
    (context / "other/d3").mkdir()
    (context / "other/d3/file 3").write_text("of the other\n")
    for directory, names, files in os.walk(context, topdown=False):
        for name in files + names:
            os.utime(os.path.join(directory, name), ns=(0, 1_600_000_000_123_456_789), follow_symlinks=False)


class PackedCopyTest(SharedDaemonTest):
    def layers(self, dockerfile, *flags):
        name = self.new_name()
        (self.made / "Dockerfile").write_text(dockerfile)
        self.build(self.kilnd, self.made, "-t", name, "--push", *flags)
        manifest = self.registry.manifest(name.split("/", 1)[1])
        return [layer["digest"] for layer in manifest["layers"]]

    def setUp(self):
        super().setUp()
        self.made = self.context({})
        tree(self.made)

    def count_snapshots(self):
        return len([name for name in os.listdir(pathlib.Path(self.kilnd.root) / "snapshots") if name.isdigit()])

    def assert_same(self, copy, base=BASE + "FROM base\n", first="WORKDIR /warm\n"):
        """The layer that the copy gives as the last step, and the one that it gives when a step looks at it. `first`
        makes what the copy needs."""
        self.layers(base + first)
        before = self.count_snapshots()
        packed = self.layers(base + copy)
        self.assertEqual(self.count_snapshots(), before, "files were written")
        written = self.layers(base + copy + "WORKDIR /other\n", "--no-cache")
        self.assertEqual(packed[-1], written[-2])

    def test_a_tree_beside_what_is_there(self):
        self.assert_same("COPY src /app/\n")

    def test_a_tree_in_a_directory_that_is_new(self):
        self.assert_same("COPY src /new/place\n")

    def test_a_tree_in_the_root(self):
        self.assert_same("COPY src /\n")

    def test_a_tree_on_nothing_with_owner_and_mode(self):
        self.assert_same("COPY --chown=7:8 --chmod=u=rwX,go=rX src /app/\n", base="FROM scratch\n")

    def test_a_later_source_replaces_files_of_an_earlier_one(self):
        self.assert_same("COPY src other /app/\n")

    def test_single_files(self):
        self.assert_same("COPY other/zz /app/link/renamed\n")
        self.assert_same("COPY other/zz other/nothing /app/plain/\n")

    def test_a_linked_copy(self):
        self.assert_same("COPY --link src /app/\n")

    def test_parents_and_exclusions(self):
        self.assert_same("COPY --parents --exclude=**/file\\ 4* src/d? src/there /app/\n")

    def test_a_copy_from_a_stage_and_from_an_image(self):
        stage = "FROM busybox AS made\nCOPY src /made\nRUN rm /made/fifo && ln '/made/d0/file 4' /made/again\n"
        self.assert_same("COPY --from=made /made /app/\n", base=stage + BASE + "FROM base\n",
                         first="COPY --from=made /made/d0 /warm\n")
        self.assert_same("COPY --from=busybox /bin /app/bin\n")

    def test_an_archive_is_unpacked(self):
        os.system(f"tar -C '{self.made}/src' -czf '{self.made}/it.tar.gz' d0 d1 there")
        self.assert_same("ADD it.tar.gz /app/\n")

    def test_a_later_build_can_look_at_it(self):
        self.layers("FROM busybox\nCOPY src /app/\n")
        (self.made / "Dockerfile").write_text(
            "FROM busybox\nCOPY src /app/\nRUN cat /app/there/file; stat -c '%a %Y' '/app/d0/file 0'; cat /app/d0/link | wc -c; "
            "stat -c %h '/app/d1/second name'\n")
        result = self.build(self.kilnd, self.made)
        self.assertIn("CACHED", result.text)
        self.assertEqual([line.strip() for line in output_of(result, "cat")], ["new", "4751 1600000000", "0", "2"])

    def test_what_is_in_the_way_is_told_as_ever(self):
        (self.made / "file").mkdir()
        (self.made / "way").mkdir()
        (self.made / "way/nothing").mkdir()
        for copy, text in (("COPY src/nothing /app/there2/\nCOPY src/nothing /bin\nCOPY src /app/there2/nothing\n",
                            "not a directory in the image"),
                           ("COPY src way /app/\n", '"nothing" is not a directory in the image'),
                           ("COPY src /x/\nCOPY other/zz /x/d0/../d1/../empty/../\nCOPY way other /x/y/\n",
                            "cannot replace the directory")):
            (self.made / "Dockerfile").write_text("FROM busybox\n" + copy)
            self.assertIn(text, self.build(self.kilnd, self.made, code=1).text, copy)


if __name__ == "__main__":
    unittest.main()
