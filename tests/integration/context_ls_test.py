"""kiln context ls: what a build sees of its context, and which line of the ignore file decides."""
import io
import json
import os
import tarfile

import kilntest


class ContextLsTest(kilntest.SharedDaemonTest):
    def listing(self, *arguments, code=0, **options):
        result = self.kilnd.kiln("context", "ls", *arguments, **options)
        self.assertEqual(result.code, code, result.text + "\n" + self.kilnd.log_text())
        return result

    def entries(self, *arguments, **options):
        lines = [json.loads(line) for line in self.listing("--json", *arguments, **options).out.splitlines()]
        return {line["path"]: line for line in lines[:-1]}, lines[-1]

    def test_it_shows_what_a_build_would_copy(self):
        context = self.context({"Dockerfile": "FROM scratch\nCOPY . /it/\n", ".dockerignore": "*.log\n!keep.log\nnode_modules\n",
                                "a": "12345", "b.log": "x", "keep.log": "yy", "node_modules/m/i.js": "z", "d/e": "1"})
        (context / "link").symlink_to("a")
        entries, total = self.entries(context)
        kept = {path for path, entry in entries.items() if entry["kept"]}
        built = self.built((context / "Dockerfile").read_text())
        found = {str(path.relative_to(built.path("it"))) for path in built.path("it").rglob("*")}
        self.assertEqual(kept, found)
        self.assertEqual(total, {"files": 6, "left_out": 2,
                                 "size_bytes": sum((context / name).stat().st_size for name in
                                                   ("Dockerfile", ".dockerignore", "a", "keep.log", "d/e"))})
        self.assertEqual(entries["a"], {"path": "a", "kept": True, "type": "file", "mode": "0644", "size_bytes": 5})
        self.assertEqual(entries["link"]["type"], "link")
        self.assertEqual(entries["node_modules"], {"path": "node_modules", "kept": False, "type": "directory", "whole": True,
                                                   "pattern": "node_modules", "place": ".dockerignore:3"})
        self.assertNotIn("node_modules/m", entries)
        self.assertEqual(entries["keep.log"]["place"], ".dockerignore:2")
        self.assertEqual(entries["b.log"]["pattern"], "*.log")

    def test_people_see_sizes_and_the_total(self):
        context = self.context({"a": "12345", ".dockerignore": "b\n", "b": ""})
        out = self.listing(context).out
        self.assertIn("5B  a\n", out.replace(" B", "B"))
        self.assertNotIn("  b\n", out)
        self.assertTrue(out.splitlines()[-1].startswith("2 files, "), out)
        self.assertIn("left out: 1 (--why shows them)", out)

    def test_why_names_the_line_that_decides(self):
        context = self.context({".dockerignore": "# comment\n\n*\n!src/**/*.py\n", "src/a/x.py": "", "src/a/y.c": "", "top": "",
                                "other/z": ""})
        out = self.listing("--why", context).out
        text = "\n".join(" ".join(line.split()) for line in out.splitlines())
        self.assertIn("+ src/a/x.py (.dockerignore:4: !src/**/*.py)", text.replace(" 0B", "").replace("+ 0 B", "+"))
        self.assertIn("- src/a/y.c (.dockerignore:3: *)", text)
        self.assertIn("+ src/ (kept for what is below it; .dockerignore:3: *)", text)
        self.assertIn("- other/ (.dockerignore:3: *, and all below it)", text)

    def test_the_ignore_file_of_the_dockerfile_goes_first(self):
        context = self.context({".dockerignore": "a\n", "b.Dockerfile": "", "b.Dockerfile.dockerignore": "b\n", "a": "", "b": "",
                                "Dockerfile.dockerignore": "c\n", "c": ""})
        entries, _ = self.entries("-f", context / "b.Dockerfile", context)
        self.assertTrue(entries["a"]["kept"])
        self.assertEqual(entries["b"]["place"], f"{context}/b.Dockerfile.dockerignore:1")
        entries, _ = self.entries(context)
        self.assertTrue(entries["a"]["kept"])
        self.assertFalse(entries["c"]["kept"])

    def test_an_archive_on_stdin_is_listed_whole(self):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for name in (".dockerignore", "a"):
                info = tarfile.TarInfo(name)
                info.size = 2
                tar.addfile(info, io.BytesIO(b"a\n"))
        entries, _ = self.entries("-", stdin=buffer.getvalue())
        self.assertEqual({path: entry["kept"] for path, entry in entries.items()}, {".dockerignore": True, "a": True})

    def test_ten_thousand_paths_come_whole(self):
        context = self.context({})
        for number in range(10_000):
            (context / f"a-file-of-which-there-are-many-{number}").touch()
        _, total = self.entries(context)
        self.assertEqual(total["files"], 10_000)

    def test_names_cannot_write_to_the_terminal(self):
        context = self.context({})
        with open(os.fsencode(context) + b"/esc\x1b[31m\nline", "w"):
            pass
        out = self.listing(context).out
        self.assertNotIn("\x1b", out)
        self.assertEqual(len(out.splitlines()), 2)

    def test_mistakes_are_told(self):
        self.assertIn("No such file", self.listing(self.directory / "nowhere", code=1).err)
        context = self.context({".dockerignore": "ok\n!\n"})
        self.assertIn('.dockerignore:2: "!" negates nothing', self.listing(context, code=1).err)
        result = self.kilnd.kiln("context", "rm", context)
        self.assertEqual(result.code, 2)
        self.assertIn("kiln context ls CONTEXT", result.err)


if __name__ == "__main__":
    kilntest.main()
