"""Questions about a Dockerfile, and warnings about it."""
import json

import kilntest


class CheckTest(kilntest.SharedDaemonTest):
    def ask(self, dockerfile, *flags, files=None, code=0):
        context = self.context({"Dockerfile": dockerfile, **(files or {})})
        result = self.kilnd.kiln("build", *flags, context)
        self.assertEqual(result.code, code, result.text)
        return result

    def test_check_finds_nothing_in_a_good_dockerfile(self):
        result = self.ask("FROM busybox\nCMD [\"true\"]\n", "--check")
        self.assertEqual(result.out, "Check complete, no warnings found.\n")
        self.assertEqual(result.err, "")

    def test_check_looks_at_all_stages_and_executes_nothing(self):
        dockerfile = "FROM busybox AS a\nRUN exit 9\nCMD x\nFROM busybox\nENV A $nothing\n"
        result = self.ask(dockerfile, "--check", code=1)
        self.assertIn("Check complete, 3 warnings have been found!", result.out)
        for text in ("WARNING: JSONArgsRecommended - https://docs.docker.com/go/dockerfile/rule/json-args-recommended/",
                     "   3 | >>> CMD x", "WARNING: UndefinedVar", "WARNING: LegacyKeyValueFormat"):
            self.assertIn(text, result.out)
        found = json.loads(self.ask(dockerfile, "--call=check,format=json", code=1).out)
        self.assertEqual([warning["ruleName"] for warning in found["warnings"]],
                         ["JSONArgsRecommended", "UndefinedVar", "LegacyKeyValueFormat"])
        self.ask(dockerfile, "--call=check,ignorestatus=true")
        self.assertNotIn("UndefinedVar", self.ask(dockerfile, "--check", "--target=a", code=1).out)

    def test_check_tells_mistakes(self):
        result = self.ask("FROM busybox AS A\nRUNN x\n", "--check", code=1)
        self.assertIn("WARNING: StageNameCasing", result.out)
        self.assertIn('Dockerfile:2:1: unknown instruction "RUNN"; did you mean RUN?', result.out)
        found = json.loads(self.ask("FROM busybox\nCOPY --from=2 a b\n", "--call=check,format=json", code=1).out)
        self.assertEqual(found["buildError"]["location"]["ranges"][0]["start"]["line"], 2)

    def test_outline_lists_what_a_target_takes(self):
        dockerfile = ("# TAG of the base\nARG TAG=latest\n# app is the program\nFROM busybox:${TAG} AS app\n"
                      "# MODE of work\nARG MODE=fast\nARG TARGETARCH\nFROM scratch\nARG OTHER\n")
        result = self.ask(dockerfile, "--call=outline", "--target=app", "--build-arg=MODE=slow")
        self.assertEqual(result.out,
                         "TARGET:      app\nDESCRIPTION: is the program\n\n"
                         "BUILD ARG   VALUE    DESCRIPTION\nTAG         latest   of the base\n"
                         "MODE        slow     of work\n\n")
        outline = json.loads(self.ask(dockerfile, "--call=outline,format=json").out)
        self.assertEqual([argument["name"] for argument in outline["args"]], ["OTHER"])
        failed = self.ask("FROM busybox\nCOPY --from=2 a b\n", "--call=outline", code=1)
        self.assertIn("Dockerfile:2", failed.err)

    def test_targets_are_the_stages(self):
        result = self.ask("# base of all\nFROM busybox AS base\n# test runs the tests\nFROM base AS test\nFROM base\n",
                          "--call", "targets")
        self.assertEqual(result.out, "TARGET      DESCRIPTION\nbase        of all\n"
                                     "test        runs the tests\n(default)\n")

    def test_a_question_leaves_no_build_and_no_image_behind(self):
        daemon = self.daemon()
        context = self.context({"Dockerfile": "FROM busybox\n"})
        self.assertEqual(daemon.kiln("build", "-t", "asked", "--check", context).code, 0)
        self.assertNotIn("asked", daemon.kiln("images").out)

    def test_a_build_shows_its_warnings_last_and_once(self):
        context = self.context({"Dockerfile": "FROM busybox\nCMD x\n"})
        metadata = self.directory / "metadata.json"
        result = self.build(self.kilnd, context, "--metadata-file", metadata)
        self.assertTrue(result.err.endswith(
            "1 warning found:\n"
            f"WARNING: {context}/Dockerfile:2:1: JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended "
            "behavior related to OS signals\n    1 | FROM busybox\n>>> 2 | CMD x\n      | ^\n"), result.err)
        warning, = json.loads(metadata.read_text())["buildx.build.warnings"]
        self.assertEqual(warning["range"], [{"start": {"line": 2}, "end": {"line": 2}}])
        events = [json.loads(line) for line in
                  self.kilnd.kiln("build", "--progress=json", context).out.splitlines()]
        told = [event for event in events if event["event"] == "warning"]
        self.assertEqual([(event["rule"], event["first_line"]) for event in told], [("JSONArgsRecommended", 2)])

    def test_a_failed_build_shows_its_warnings_too(self):
        failed = self.refused("FROM busybox AS Big\nRUNN x\n")
        self.assertIn("StageNameCasing", failed.err)
        self.assertLess(failed.err.index("StageNameCasing"), failed.err.index("ERROR:"))
        failed = self.refused("# check=error=true\nFROM busybox\nCMD x\n")
        self.assertIn("lint violation found for rules: JSONArgsRecommended", failed.err)


if __name__ == "__main__":
    kilntest.main()
