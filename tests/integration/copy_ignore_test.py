"""COPY and .dockerignore: what of the context there is to copy."""

import kilntest


class IgnoreTest(kilntest.SharedDaemonTest):
    FILES = {"a.txt": "", "b.md": "", "keep.md": "", "sub/c.md": "", "sub/d.txt": "", "sub/deep/e.tmp": "", "x/y/z.tmp": "",
             "node_modules/m": "", "sub/node_modules/n": "", "secret": ""}

    def copied(self, ignore, dockerfile="FROM scratch\nCOPY . /all\n", **more):
        made = self.built(dockerfile, {**self.FILES, ".dockerignore": ignore, **more})
        root = made.path("/all")
        return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}

    def test_patterns_exclude_and_the_last_match_wins(self):
        found = self.copied("# a comment\n*.md\n!keep.md\nsecret\n/sub/d.txt\n")
        self.assertEqual(found & set(self.FILES), set(self.FILES) - {"b.md", "secret", "sub/d.txt"})
        self.assertIn("Dockerfile", found)

    def test_two_stars_cross_directories(self):
        found = self.copied("**/*.tmp\n**/node_modules\n")
        self.assertEqual(found & set(self.FILES), {"a.txt", "b.md", "keep.md", "sub/c.md", "sub/d.txt", "secret"})

    def test_a_file_below_an_excluded_directory_can_come_back(self):
        found = self.copied("*\n!sub/deep\n!a.txt\n")
        self.assertEqual(found, {"sub/deep/e.tmp", "a.txt"})

    def test_the_ignore_file_and_the_dockerfile_can_be_excluded(self):
        found = self.copied(".dockerignore\nDockerfile\n")
        self.assertEqual(found & {".dockerignore", "Dockerfile"}, set())

    def test_the_dockerfiles_own_ignore_file_comes_first(self):
        context = self.context({**self.FILES, ".dockerignore": "a.txt\n", "other.Dockerfile": "FROM scratch\nCOPY . /all\n",
                                "other.Dockerfile.dockerignore": "secret\n"})
        name = self.new_name()
        self.build(self.kilnd, context, "-f", context / "other.Dockerfile", "-t", name, "--push")
        rootfs, _ = self.unpack(name)
        self.assertTrue((rootfs / "all/a.txt").exists())
        self.assertFalse((rootfs / "all/secret").exists())

    def test_an_excluded_source_is_an_error_that_says_so(self):
        failed = self.refused("FROM scratch\nCOPY secret /x\n", {**self.FILES, ".dockerignore": "secret\n"})
        self.assertIn('"secret"', failed.err)
        self.assertIn("ignore", failed.err)

    def test_an_ignored_file_does_not_enter_a_glob(self):
        made = self.built("FROM scratch\nCOPY *.md /all/\n", {**self.FILES, ".dockerignore": "b.md\n"})
        self.assertEqual(made.names("/all"), ["keep.md"])


if __name__ == "__main__":
    kilntest.main()
