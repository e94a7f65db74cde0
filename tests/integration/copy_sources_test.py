"""COPY: what a source names, and what arrives of it."""
import os

import kilntest


class SourcesTest(kilntest.SharedDaemonTest):
    def test_a_directory_gives_its_contents_not_itself(self):
        made = self.built("FROM scratch\nCOPY dir /into\nCOPY dir/ /into2/\nCOPY . /all\n",
                          {"dir/a": "A", "dir/sub/b": "B", "dir/.hidden": "H"})
        self.assertEqual(made.names("/into"), [".hidden", "a", "sub"])
        self.assertEqual(made.names("/into2"), [".hidden", "a", "sub"])
        self.assertEqual(made.text("/into/sub/b"), "B")
        self.assertEqual(made.names("/all"), ["Dockerfile", "dir"])

    def test_several_sources_go_into_a_directory(self):
        made = self.built("FROM scratch\nCOPY a dir b /into/\n", {"a": "A", "b": "B", "dir/c": "C"})
        self.assertEqual(made.names("/into"), ["a", "b", "c"])

    def test_several_sources_without_a_trailing_slash_go_into_a_directory_too(self):
        made = self.built("FROM busybox\nWORKDIR /into\nCOPY a b .\n", {"a": "A", "b": "B"})
        self.assertEqual(made.names("/into"), ["a", "b"])

    def test_globs_select_as_the_reference_says(self):
        made = self.built(
            "FROM scratch\nCOPY *.txt /star/\nCOPY fil?.bin /mark/\nCOPY [ab]*.c /set/\nCOPY s*/*.h /deep/\n"
            "COPY nothing* /none/\nCOPY [[]x] /odd/\nCOPY dir* /dirs/\n",
            {"one.txt": "1", "two.txt": "2", "sub/three.txt": "3", "file.bin": "b", "files.bin": "bs", "a.c": "",
             "b1.c": "", "c.c": "", "sub/x.h": "", "src/y.h": "", "src/deeper/z.h": "", "[x]": "odd",
             "dir1/p": "p", "dir2/q": "q"})
        self.assertEqual(made.names("/star"), ["one.txt", "two.txt"])
        self.assertEqual(made.names("/mark"), ["file.bin"])
        self.assertEqual(made.names("/set"), ["a.c", "b1.c"])
        self.assertEqual(made.names("/deep"), ["x.h", "y.h"])
        self.assertEqual(made.names("/odd"), ["[x]"])
        self.assertEqual(made.names("/dirs"), ["p", "q"])

    def test_a_source_link_is_followed_and_links_below_it_are_kept(self):
        context = self.context({"real/file": "R", "target": "T"})
        (context / "link").symlink_to("target")
        (context / "dirlink").symlink_to("real")
        (context / "real/inner").symlink_to("../target")
        (context / "real/dangling").symlink_to("/nowhere")
        (context / "real/up").symlink_to("../../../../etc")
        made = self.built("FROM scratch\nCOPY link /file\nCOPY dirlink /dir\nCOPY dirlink/file /through\n"
                          "COPY link /kept/\n")
        self.assertFalse(made.path("/file").is_symlink())
        self.assertEqual(made.text("/file"), "T")
        self.assertEqual(made.text("/kept/link"), "T")
        self.assertEqual(made.text("/through"), "R")
        self.assertEqual(os.readlink(made.path("/dir/inner")), "../target")
        self.assertEqual(os.readlink(made.path("/dir/dangling")), "/nowhere")
        self.assertEqual(os.readlink(made.path("/dir/up")), "../../../../etc")

    def test_nothing_outside_the_context_can_be_named(self):
        secret = self.directory / "secret"
        secret.write_text("outside")
        context = self.context({"in/file": "inside", "secret-dir": None})
        (context / "absolute").symlink_to("/etc/passwd")
        (context / "climbing").symlink_to("../secret")
        for source in ("../secret", "/../secret", "in/../../secret", "absolute", "climbing"):
            with self.subTest(source):
                failed = self.refused(f"FROM scratch\nCOPY {source} /x\n")
                self.assertIn("not found", failed.err)
                self.assertNotIn("outside", failed.text)
        made = self.built("FROM scratch\nCOPY ../in/../../in/file /x\nCOPY /in/file /y\n")
        self.assertEqual(made.text("/x") + made.text("/y"), "insideinside")

    def test_a_missing_source_is_named_with_its_line(self):
        failed = self.refused("FROM scratch\nCOPY there /x\nCOPY not-there /y\n", {"there": ""})
        self.assertIn('"not-there"', failed.err)
        self.assertIn("Dockerfile:3", failed.err)
        self.assertIn("COPY not-there /y", failed.err)
        self.assertRegex(failed.text, r"#\d+ \[2/2\] COPY not-there /y\n#\d+ ERROR")
        self.assertNotIn("load build context", failed.text)

    def test_a_missing_source_may_be_called_nearly_so(self):
        failed = self.refused("FROM scratch\nCOPY src/requirement.txt /\n", {"src/requirements.txt": ""})
        self.assertIn('did you mean "src/requirements.txt"?', failed.err)
        failed = self.refused("FROM scratch\nCOPY scr/*.txt /\n", {"src/a.txt": ""})
        self.assertIn('"scr": not found', failed.err)
        self.assertIn('did you mean "src"?', failed.err)

    def test_a_directory_and_everything_are_two_sources(self):
        made = self.built("FROM scratch\nCOPY dir . /into/\n", {"dir/a": "A"})
        self.assertEqual(made.names("/into"), ["Dockerfile", "a", "dir"])

    def test_wildcards_do_not_go_through_links_but_sources_do(self):
        context = self.context({"real/a.h": "A", "other/b.c": "B"})
        (context / "rlink").symlink_to("real")
        (context / "other/link.c").symlink_to("b.c")
        made = self.built("FROM scratch\nCOPY r*/*.h /1/\nCOPY rlink/*.h /2/\nCOPY other/l* /3/\n")
        self.assertEqual((made.names("/1"), made.names("/2"), made.names("/3")), (["a.h"], ["a.h"], ["link.c"]))
        self.assertEqual(made.text("/3/link.c"), "B")

    def test_an_empty_or_dotted_destination_is_a_directory(self):
        made = self.built("FROM busybox\nENV E=\nCOPY f $E\nWORKDIR /w\nCOPY f $E\nCOPY f /dot/.\nCOPY f /etc/../up/\n", {"f": "F"})
        for path in ("/f", "/w/f", "/dot/f", "/up/f"):
            self.assertEqual(made.text(path), "F", path)

    def test_names_with_blanks_quotes_letters_and_newlines_survive(self):
        names = ["with blank", "tab\tname", "grüße-世界", 'quo"te', "back\\slash", "new\nline", "-dash", "$dollar"]
        files = {f"all/{name}": name for name in names}
        files["with blank"] = "single"
        made = self.built('FROM scratch\nCOPY all /all\nCOPY ["with blank", "/a path/of blanks/"]\n'
                          'COPY ["all/new\\nline", "/n\\nl"]\nCOPY ["all/grüße-世界", "/ü"]\n', files)
        self.assertEqual(made.names("/all"), sorted(names))
        for name in names:
            self.assertEqual(made.path("/all").joinpath(name).read_text(), name)
        self.assertEqual(made.text("/a path/of blanks/with blank"), "single")
        self.assertEqual(made.text("/n\nl"), "new\nline")
        self.assertEqual(made.text("/ü"), "grüße-世界")

    def test_a_name_that_is_not_utf8_survives(self):
        context = self.context({"all/plain": "P"})
        odd = os.fsencode(context / "all") + b"/latin-\xe9"
        with open(odd, "w", encoding="ascii") as file:
            file.write("L")
        made = self.built("FROM scratch\nCOPY all /all\n")
        with open(os.fsencode(made.path("/all")) + b"/latin-\xe9", encoding="ascii") as file:
            self.assertEqual(file.read(), "L")

    def test_a_path_over_the_limits_of_old_tars_survives(self):
        deep = "/".join(["d" * 200] * 4) + "/" + "f" * 200
        made = self.built("FROM scratch\nCOPY long /long\n", {f"long/{deep}": "deep"})
        self.assertEqual(made.text(f"/long/{deep}"), "deep")

    def test_empty_directories_and_empty_files_are_copied(self):
        made = self.built("FROM scratch\nCOPY tree /tree\n", {"tree/empty/inside": None, "tree/file": ""})
        self.assertEqual(made.names("/tree"), ["empty", "file"])
        self.assertEqual(made.names("/tree/empty"), ["inside"])
        self.assertEqual(made.stat("/tree/file").st_size, 0)

    def test_a_step_that_copies_nothing_changes_nothing(self):
        made = self.built("FROM busybox\nCOPY no-such-* /etc/\n")
        self.assertEqual(self.layer(made.reference), {})

    def test_here_documents_become_files(self):
        made = self.built("FROM busybox\nARG WHO=you\nCOPY <<one <<-\"two\" /docs/\nhello $WHO\none\n\t\traw $WHO\n\ttwo\n"
                          "COPY --chmod=755 --chown=3:4 <<EOF /bin/tool\n#!/bin/sh\necho \\$0\nEOF\n"
                          "COPY <<motd /etc\nwelcome\nmotd\nRUN /bin/tool > /ran\n")
        self.assertEqual(made.text("/docs/one"), "hello you\n")
        self.assertEqual(made.text("/docs/two"), "raw $WHO\n")
        self.assertEqual(made.mode("/docs/one"), "0644")
        self.assertEqual(made.text("/bin/tool"), "#!/bin/sh\necho $0\n")
        self.assertEqual((made.mode("/bin/tool"), made.owner("/bin/tool")), ("0755", "3:4"))
        self.assertEqual(made.text("/etc/motd"), "welcome\n")
        self.assertEqual(made.text("/ran"), "/bin/tool\n")


class RightsTest(kilntest.KilnTest):
    def test_a_context_is_read_with_the_callers_rights(self):
        daemon = self.daemon()
        daemon.socket.chmod(0o666)
        context = self.context({"Dockerfile": "FROM scratch\nCOPY open /x\n", "open": "O", "private": "P"})
        (context / "private").chmod(0o600)
        for name in ("Dockerfile", "open"):
            os.chown(context / name, 0, 0)
            (context / name).chmod(0o644)
        nobody = 65534
        self.build(daemon, context, user=nobody)
        (context / "Dockerfile").write_text("FROM scratch\nCOPY private /x\n")
        failed = self.build(daemon, context, user=nobody, code=1)
        self.assertIn("private", failed.err)
        self.assertIn("ermission denied", failed.err)


if __name__ == "__main__":
    kilntest.main()
