"""COPY --parents and --exclude."""
import kilntest


class ExcludeTest(kilntest.SharedDaemonTest):
    def test_exclude_leaves_out_what_its_patterns_match(self):
        files = {f"tree/{name}": name for name in ("a.txt", "b.md", "sub/c.txt", "sub/d.md", "sub/e/f.txt")}
        made = self.built("FROM scratch\nCOPY --exclude=*.md --exclude=sub/e tree /one\nCOPY --exclude=**/*.txt tree /two\n"
                          "COPY --exclude=sub --exclude=!sub/d.md tree /three\n", files)
        self.assertEqual(made.names("/one"), ["a.txt", "sub"])
        self.assertEqual(made.names("/one/sub"), ["c.txt", "d.md"])
        self.assertEqual(made.names("/two"), ["b.md", "sub"])
        self.assertEqual(made.names("/two/sub"), ["d.md", "e"])
        self.assertEqual((made.names("/three"), made.names("/three/sub")), (["a.txt", "b.md", "sub"], ["d.md"]))

    def test_a_file_that_a_source_names_is_not_excluded(self):
        made = self.built("FROM scratch\nCOPY --exclude=*.md tree/* /d/\n", {"tree/a.md": "", "tree/sub/b.md": "", "tree/sub/c": ""})
        self.assertEqual(made.names("/d"), ["a.md", "c"])

    def test_what_is_excluded_does_not_count(self):
        context = self.context({"Dockerfile": "FROM scratch\nCOPY --exclude=skip tree /t\n", "tree/a": "A", "tree/skip/x": "1"})
        self.build(self.kilnd, context)
        (context / "tree/skip/x").write_text("2")
        self.assertEqual(kilntest.ran(self.build(self.kilnd, context)), [])
        (context / "tree/a").write_text("B")
        self.assertEqual(len(kilntest.ran(self.build(self.kilnd, context))), 1)

    def test_exclude_works_on_stages_too(self):
        made = self.built("FROM busybox AS src\nRUN mkdir -p /d/node_modules /d/src && touch /d/node_modules/x /d/src/y\n"
                          "FROM scratch\nCOPY --from=src --exclude=node_modules /d /d\n")
        self.assertEqual(made.names("/d"), ["src"])


class ParentsTest(kilntest.SharedDaemonTest):
    def test_sources_keep_their_directories(self):
        files = {"a/b/c/file": "F", "a/b/other": "O", "a/b2/c/deep/bar": "B", "top": "T"}
        made = self.built("FROM busybox\nCOPY --parents a/b/c top /1/\nCOPY --parents a/b/./c/file /2\nCOPY --parents a/*/./**/bar /3/\n"
                          "COPY --parents ./a/b/c/. a/b2 /4/\nWORKDIR /w\nCOPY --parents a/b/o* .\nCOPY --parents no*/x /5/\n", files)
        self.assertEqual(made.names("/1"), ["a", "top"])
        self.assertEqual(made.text("/1/a/b/c/file"), "F")
        self.assertEqual(made.names("/1/a/b"), ["c"])
        self.assertEqual(made.names("/2"), ["c"])
        self.assertEqual(made.text("/3/c/deep/bar"), "B")
        self.assertEqual((made.names("/4/a"), made.names("/4/a/b")), (["b", "b2"], ["c"]))
        self.assertEqual(made.names("/w/a/b"), ["other"])
        self.assertEqual(made.names("/5"), [])

    def test_directories_on_the_way_keep_modes_and_owners(self):
        context = self.context({"a/b/f": "F"})
        (context / "a").chmod(0o711)
        made = self.built("FROM busybox AS src\nRUN mkdir -p /x/y && touch /x/y/f && chmod 700 /x && chown 3:4 /x\n"
                          "FROM busybox\nRUN mkdir -p -m 755 /d/a && chown 8:9 /d/a\nCOPY --parents a/b/f /d\nCOPY --parents --from=src /x/y/f /s/\n"
                          "COPY --parents --chown=5 --chmod=750 a/b/f /m/\n")
        self.assertEqual((made.mode("/d/a"), made.owner("/d/a"), made.owner("/d/a/b")), ("0711", "8:9", "0:0"))
        self.assertEqual((made.mode("/s/x"), made.owner("/s/x")), ("0700", "3:4"))
        self.assertEqual([(made.mode(path), made.owner(path)) for path in ("/m", "/m/a", "/m/a/b", "/m/a/b/f")], [("0750", "5:5")] * 4)

    def test_a_missing_path_is_an_error_but_a_wildcard_may_find_nothing(self):
        failed = self.refused("FROM scratch\nCOPY --parents a/nofile /x/\n", {"a/b": ""})
        self.assertIn('"a/nofile": not found', failed.err)
        failed = self.refused("FROM scratch\nCOPY --parents no/./b* /x/\n")
        self.assertIn('"no": not found', failed.err)

    def test_add_has_no_parents(self):
        failed = self.refused("FROM scratch\nADD --parents a /x/\n", {"a": ""})
        self.assertIn("parents", failed.err)


if __name__ == "__main__":
    kilntest.main()
