"""kiln build --explain: why each step was not taken from the cache, one pair of builds a reason."""
import json
import os
import re
import shutil
import unittest

from kilntest import SharedDaemonTest

BASE = "busybox"


class Explain(SharedDaemonTest):
    def setUp(self):
        super().setUp()
        type(self).number += 1
        self.mark = f"mark{self.number}"  # no test finds another's records

    def reasons(self, dockerfile, *flags, files=None, **options):
        """What the build says of each step that was not cached: the step without its place → lines."""
        context = self.context({"Dockerfile": dockerfile.replace("MARK", self.mark), **(files or {})})
        result = self.build(self.kilnd, context, "--explain", *flags, **options)
        names = dict(re.findall(r"(?m)^#(\d+) \[[^\]]*\d/\d+\] (.*)$", result.err))
        found = {}
        for number, line in re.findall(r"(?m)^#(\d+) not cached: (.*)$", result.err):
            found.setdefault(names[number].replace(self.mark, "MARK"), []).append(line.replace(self.mark, "MARK"))
        return found

    def test_a_step_that_was_never_built(self):
        text = f"FROM {BASE} AS MARK\nRUN echo MARK\nFROM MARK\n"  # a stage of its own: nothing else was at this place
        self.assertEqual(self.reasons(text), {"RUN echo MARK": ["never built here"]})
        self.assertEqual(self.reasons(text), {})

    def test_files_of_the_context(self):
        text = f"FROM {BASE}\nWORKDIR /MARK\nCOPY . .\nRUN echo MARK\n"
        files = {"same": "1", "changed": "1", "mode": "1", "gone": "1", "dir/inner": "1"}
        self.reasons(text, files=files)
        context = self.directory / "context"
        os.chmod(context / "mode", 0o755)
        (context / "gone").unlink()
        (context / "changed").write_text("2")
        os.symlink("same", context / "link")
        self.assertEqual(self.reasons(text), {
            "COPY . .": ["changed: content changed", "gone: removed", "link: added", "mode: mode changed: 644 -> 755"],
            "RUN echo MARK": ["step [3/4] COPY . . was rebuilt"]})
        self.assertEqual(self.reasons(text), {})
        (context / "link").unlink()
        os.symlink("changed", context / "link")
        self.assertEqual(self.reasons(text)["COPY . ."], ["link: link changed: same -> changed"])

    def test_of_many_files_ten_are_named_and_the_others_counted(self):
        text = f"FROM {BASE}\nCOPY src /MARK\n"
        self.reasons(text, files={f"src/{i:02}": "1" for i in range(30)})
        found = self.reasons(text, files={f"src/{i:02}": "2" for i in range(30)})
        self.assertEqual(found["COPY src /MARK"], [f"src/{i:02}: content changed" for i in range(10)] + ["and 20 more"])

    def test_an_argument(self):
        text = f"FROM {BASE}\nARG VERSION=1\nARG API_TOKEN=a\nRUN echo MARK\n"
        self.reasons(text)
        self.assertEqual(self.reasons(text, "--build-arg", "VERSION=2")["RUN echo MARK"], ['variable VERSION: "1" -> "2"'])
        self.assertEqual(self.reasons(text, "--build-arg", "API_TOKEN=xyzzy")["RUN echo MARK"], ["variable API_TOKEN changed"])

    def test_a_variable_that_is_new_or_gone(self):
        self.reasons(f"FROM {BASE}\nENV ONE=1\nRUN echo MARK\n")
        self.assertEqual(self.reasons(f"FROM {BASE}\nENV TWO=2\nRUN echo MARK\n")["RUN echo MARK"],
                         ['variable TWO added: "2"', "variable ONE removed"])

    def test_a_command_that_was_edited(self):
        self.reasons(f"FROM {BASE}\nRUN echo MARK one\n")
        self.assertEqual(self.reasons(f"FROM {BASE}\nRUN echo MARK two\n")["RUN echo MARK two"],
                         ['command: "echo MARK one" -> "echo MARK two"'])

    def test_an_option_of_a_copy(self):
        self.reasons(f"FROM {BASE}\nCOPY a /MARK\n", files={"a": "1"})
        found = self.reasons(f"FROM {BASE}\nCOPY --chmod=755 a /MARK\n")
        self.assertEqual(found["COPY --chmod=755 a /MARK"], ['--chmod: "" -> "755"'])

    def test_the_base_image(self):
        name = self.new_name()
        base = self.context({"Dockerfile": f"FROM {BASE}\nRUN echo one > /one\n"}, "base")
        self.build(self.kilnd, base, "-t", name)
        text = f"FROM {name}\nRUN echo MARK\nRUN echo MARK again\n"
        self.reasons(text)
        (base / "Dockerfile").write_text(f"FROM {BASE}\nRUN echo two > /two\n")
        self.build(self.kilnd, base, "-t", name)
        found = self.reasons(text)
        digest = "sha256:[0-9a-f]{12}"
        self.assertRegex(found["RUN echo MARK"][0], rf"^base image {re.escape(name)}(:latest)?: {digest} -> {digest}$")
        self.assertEqual(found["RUN echo MARK again"], ["step [2/3] RUN echo MARK was rebuilt"])

    def test_layers_that_are_gone(self):
        text = f"FROM {BASE}\nRUN echo MARK > /gone\n"
        self.reasons(text, "-o", f"type=local,dest={self.directory / 'out'}")
        newest = max((self.kilnd.root / "snapshots").glob("[0-9]*"), key=lambda path: int(path.name.split(".")[0]))
        self.assertTrue((newest / "gone").exists())
        shutil.rmtree(newest)
        found = self.reasons(text, "-o", f"type=local,dest={self.directory / 'out'}")
        self.assertEqual(found, {"RUN echo MARK > /gone": ["its record's layers are gone"]})

    def test_no_cache(self):
        text = f"FROM {BASE}\nRUN echo MARK\n"
        self.reasons(text)
        self.assertEqual(self.reasons(text, "--no-cache"), {"RUN echo MARK": ["--no-cache"]})

    def test_a_rebuilt_stage(self):
        text = f"FROM {BASE} AS make\nCOPY a /a\nRUN cat /a > /MARK\nFROM {BASE}\nCOPY --from=make /MARK /MARK\n"
        self.reasons(text, files={"a": "1"})
        found = self.reasons(text, files={"a": "2"})
        self.assertEqual(found["COPY a /a"], ["a: content changed"])
        self.assertEqual(found["COPY --from=make /MARK /MARK"], ["step [make 3/3] RUN cat /a > /MARK was rebuilt"])

    def test_it_is_recorded_without_being_asked_for_and_told_later(self):
        text = f"FROM {BASE}\nCOPY a /{self.mark}\nRUN echo {self.mark}\n"
        self.build(self.kilnd, self.context({"Dockerfile": text, "a": "1"}), "-q")
        context = self.context({"Dockerfile": text, "a": "2"})
        shown = self.build(self.kilnd, context, "-t", "a:1")
        self.assertNotIn("not cached", shown.err)
        told = self.kilnd.kiln("builds", "explain").out
        self.assertRegex(told, r"(?m)^#\d+ \[2/3\] COPY a /MARK\n   not cached: a: content changed\n"
                         r"#\d+ \[3/3\] RUN echo MARK\n   not cached: step \[2/3\] COPY a /MARK was rebuilt\n".replace(
                             "MARK", self.mark))
        rows = json.loads(self.kilnd.kiln("builds", "explain", "--json").out)
        self.assertEqual(rows[0]["differences"], [{"kind": "file", "name": "a", "change": "content"}])
        self.build(self.kilnd, context, "-q")
        self.assertEqual(self.kilnd.kiln("builds", "explain").out, "every step was cached\n")

    def test_events_have_it(self):
        context = self.context({"Dockerfile": f"FROM {BASE} AS {self.mark}\nRUN echo {self.mark}\nFROM {self.mark}\n"})
        result = self.kilnd.kiln("build", "--progress=json", context)
        events = [json.loads(line) for line in result.out.splitlines()]
        self.assertEqual([event["reason"] for event in events if event["event"] == "step_explained"], ["first"])

    def test_what_was_kept_for_it_goes_with_the_cache(self):
        self.reasons(f"FROM {BASE}\nCOPY a /MARK\n", files={"a": self.mark})
        lists = self.kilnd.root / "file-lists"
        self.assertGreater(len(list(lists.iterdir())), 0)
        self.assertEqual(self.kilnd.kiln("prune", "--all").code, 0)
        self.assertEqual(list(lists.iterdir()), [])


if __name__ == "__main__":
    unittest.main()
