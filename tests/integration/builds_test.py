"""What builds leave: kiln builds, kiln logs, kiln builds show, trace and rm."""
import hashlib
import json
import re
import subprocess
import unittest

from kilntest import KilnTest, SharedDaemonTest, wait_until

BASE = "busybox"
STEPS = {"done", "cached", "failed", "cancelled"}
PHASES = {"resolve", "key", "pull", "unpack", "copy", "run", "diff", "compress", "push", "output"}


def step_number(daemon, text, build="latest"):
    detail = json.loads(daemon.kiln("builds", "show", build, "--json").out)
    return next(step["step"] for step in detail["steps"] if text in step["name"])


class Builds(SharedDaemonTest):
    def run_build(self, dockerfile, *flags, files=None, **options):
        context = self.context({"Dockerfile": dockerfile, **(files or {})})
        return self.build(self.kilnd, context, *flags, **options)

    def newest(self):
        return json.loads(self.kilnd.kiln("builds", "--json").out)[0]

    def test_builds_are_listed_newest_first_with_what_they_were(self):
        self.run_build(f"FROM {BASE} AS one\nRUN true\n", "--target", "one")
        self.run_build(f"FROM {BASE}\nRUN false\n", "-t", "app:1", code=1)
        builds = json.loads(self.kilnd.kiln("builds", "--json").out)
        self.assertEqual([build["started"] for build in builds],
                         sorted((build["started"] for build in builds), reverse=True))
        failed, done = builds[:2]
        self.assertEqual((failed["status"], failed["names"]), ("failed", ["app:1"]))
        self.assertIn("exit code: 1", failed["error"])
        self.assertEqual((done["status"], done["target"]), ("done", "one"))
        self.assertRegex(done["image_digest"], "^sha256:[0-9a-f]{64}$")
        self.assertGreater(done["duration_ns"], 0)
        lines = self.kilnd.kiln("builds").out.splitlines()
        self.assertRegex(lines[0], r"^ID +STATUS +BEGUN +TIME +STEPS +CACHED +NAME$")
        self.assertRegex(lines[1], rf"^{failed['id']} +failed .* app:1$")

    def test_a_build_is_named_by_a_beginning_of_its_id_and_the_newest_by_nothing(self):
        self.run_build(f"FROM {BASE}\nRUN echo named\n")
        build = self.newest()
        shown = json.loads(self.kilnd.kiln("builds", "show", "--json").out)
        for name in (build["id"], build["id"][:8], "latest"):
            self.assertEqual(json.loads(self.kilnd.kiln("builds", "show", "--json", name).out), shown)
        wrong = self.kilnd.kiln("builds", "show", "zz")
        self.assertEqual((wrong.code, wrong.err.strip()), (1, "kiln: build zz: there is none; see `kiln builds`"))

    def test_steps_have_outcomes_and_phases_with_times_and_bytes(self):
        self.run_build(f"FROM {BASE}\nCOPY data /data\nRUN sleep 0.3\n", "-t", self.new_name(), "--push", "--no-cache",
                       files={"data": "x" * 100_000})
        detail = json.loads(self.kilnd.kiln("builds", "show", "--json").out)
        self.assertTrue({step["outcome"] for step in detail["steps"]} <= STEPS)
        of_steps = {phase["phase"] for step in detail["steps"] for phase in step.get("phases", [])}
        self.assertTrue({"copy", "run", "diff", "push"} <= of_steps <= PHASES, of_steps)
        of_build = {phase["phase"] for phase in detail["phases"]}
        self.assertTrue({"resolve", "key"} <= of_build <= PHASES, of_build)
        self.assertIn("compress", of_steps | of_build)
        run = next(step for step in detail["steps"] if "sleep" in step["name"])
        time_of = {phase["phase"]: phase["duration_ns"] for phase in run["phases"]}
        self.assertGreaterEqual(time_of["run"], 300_000_000)
        for step in detail["steps"]:
            for phase in step.get("phases", []):
                self.assertGreaterEqual(phase["start_ns"], step["start_ns"])
                self.assertLessEqual(phase["start_ns"] + phase["duration_ns"],
                                     step["start_ns"] + step["duration_ns"])
        copied = next(step for step in detail["steps"] if "COPY" in step["name"])
        self.assertGreaterEqual({p["phase"]: p for p in copied["phases"]}["diff"]["bytes"], 100_000)
        self.assertIn("sleep 0.3", self.kilnd.kiln("builds", "show").out)

    def test_timings_say_at_the_end_where_the_time_went(self):
        result = self.run_build(f"FROM {BASE}\nRUN sleep 0.2\n", "--timings", "--no-cache")
        self.assertRegex(result.err, r"(?m)^PHASE +TIME +BYTES +RATE +TIMES\n(.*\n)*run +[2-9]\d\dms +1\n")
        self.assertRegex(result.err, r"(?m)^#\d+ +\d+ms +done +\[2/2\] RUN sleep 0.2 +run \d+ms, diff ")
        failed = self.run_build(f"FROM {BASE}\nRUN exit 3\n", "--timings", code=1)
        self.assertRegex(failed.err, r"(?m)^#\d+ +\d+(\.\d+)?ms +failed +\[2/2\] RUN exit 3 ")

    def test_the_trace_loads_and_its_events_nest(self):
        stages = "".join(f"FROM {BASE} AS s{i}\nRUN sleep 0.2; echo {i} > /f{i}\n" for i in range(4))
        copies = "".join(f"COPY --from=s{i} /f{i} /\n" for i in range(4))
        self.run_build(stages + f"FROM {BASE}\n" + copies, "--no-cache")
        file = self.directory / "trace.json"
        self.assertEqual(self.kilnd.kiln("builds", "trace", "-o", file).code, 0)
        events = [event for event in json.loads(file.read_text())["traceEvents"] if event["ph"] == "X"]
        self.assertGreaterEqual(sum(event["cat"] == "step" for event in events), 9)
        self.assertIn("run", {event["name"] for event in events})
        tracks = {}
        for event in events:
            tracks.setdefault(event["tid"], []).append((event["ts"], event["ts"] + event["dur"], event["name"]))
        self.assertGreater(len(tracks), 2, "steps ran side by side")
        for spans in tracks.values():
            open_until = []
            for start, end, name in sorted(spans, key=lambda span: (span[0], -span[1])):
                while open_until and open_until[-1] <= start + 0.0005:
                    open_until.pop()
                if open_until:
                    self.assertLessEqual(end, open_until[-1] + 0.0005, f"{name} ends after what it is in")
                open_until.append(end)

    def test_the_log_is_what_the_client_saw(self):
        def strip(text):  # times differ by what events need on their way
            return re.sub(r"(?m)^(#\d+) \d+\.\d{3} ", r"\1 T ", re.sub(r"\d+\.\ds( done)?$", r"S\1", text, flags=re.M))
        result = self.run_build(f"FROM {BASE}\nRUN echo out; echo err >&2\nRUN echo last words; exit 7\n", code=1)
        self.assertEqual(strip(self.kilnd.kiln("logs").out), strip(result.err))

    def test_a_long_line_and_a_long_log_are_kept_whole(self):
        count = 7_000_000
        self.run_build(f"FROM {BASE}\nRUN head -c 1000000 /dev/zero | tr '\\0' x; echo; echo é\nRUN seq {count}\n", "-q")
        line = self.kilnd.kiln("logs", "--step", step_number(self.kilnd, "head -c")).out
        self.assertEqual(line, "x" * 1_000_000 + "\né\n")
        wanted = hashlib.sha256(b"".join(b"%d\n" % i for i in range(1, count + 1))).hexdigest()
        with self.kilnd.start_kiln("logs", "--step", str(step_number(self.kilnd, "seq"))) as process:
            digest, size = hashlib.sha256(), 0
            while piece := process.stdout.read(1 << 20):
                digest.update(piece)
                size += len(piece)
            self.assertEqual(process.wait(), 0)
        self.assertGreater(size, 50_000_000)
        self.assertEqual(digest.hexdigest(), wanted)

    def test_characters_are_whole_however_output_was_cut(self):
        octal = "303 251 342 202 254 012"
        self.run_build(f"FROM {BASE}\nRUN for b in {octal}; do printf \"\\\\$b\"; sleep 0.05; done\n", "-q")
        self.assertEqual(self.kilnd.kiln("logs", "--step", step_number(self.kilnd, "printf")).out, "é€\n")

    def test_a_removed_build_is_gone_with_its_log(self):
        self.run_build(f"FROM {BASE}\n")
        build = self.newest()["id"]
        directory = self.kilnd.root / "builds" / build
        self.assertTrue((directory / "events.ndjson").exists())
        self.assertRegex(self.kilnd.kiln("builds", "rm", build).out, rf"^Removed: {build} \(.*B\)$")
        self.assertFalse(directory.exists())
        self.assertEqual(self.kilnd.kiln("logs", build).code, 1)
        self.assertEqual(self.kilnd.kiln("builds", "rm", build).code, 1)

    def test_a_secret_is_in_no_history(self):
        secret = self.directory / "secret"
        secret.write_text("correct-horse-battery\n")
        self.run_build(f"FROM {BASE}\nRUN --mount=type=secret,id=s wc -c /run/secrets/s\n", "--secret", f"id=s,src={secret}")
        found = subprocess.run(["grep", "-rl", "correct-horse", str(self.kilnd.root / "builds")], capture_output=True)
        self.assertEqual(found.stdout, b"")

    def test_a_cached_build_of_a_small_project_leaves_little(self):
        context = self.context({"Dockerfile": f"FROM {BASE}\nCOPY . /src\nRUN echo built\n", "a": "1"})
        for _ in range(2):
            self.build(self.kilnd, context, "-q")
        log = self.kilnd.root / "builds" / self.newest()["id"] / "events.ndjson"
        self.assertLess(log.stat().st_size, 8000)


class Running(KilnTest):
    def start_build(self, daemon, command):
        context = self.context({"Dockerfile": f"FROM {BASE}\nRUN {command}\n"})
        process = daemon.start_kiln("build", "--progress=plain", str(context))
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        return process

    def test_a_running_build_is_listed_and_followed_to_its_end(self):
        daemon = self.daemon()
        process = self.start_build(daemon, "echo first; sleep 2; echo second")
        wait_until(lambda: "first" in daemon.kiln("logs").out, "the step says something", 60)
        self.assertEqual(json.loads(daemon.kiln("builds", "--json").out)[0]["status"], "running")
        shown = json.loads(daemon.kiln("builds", "show", "--json").out)
        self.assertIn("running", [step["outcome"] for step in shown["steps"]])
        busy = daemon.kiln("builds", "rm", "latest")
        self.assertIn("it is running; stop it first", busy.err)
        followed = daemon.kiln("logs", "-f", "latest").out
        self.assertEqual(process.wait(), 0)
        self.assertRegex(followed, r"(?s)first\n.*second\n.*DONE .*image sha256:")

    def test_a_build_whose_daemon_was_killed_is_interrupted_and_its_log_can_be_read(self):
        daemon = self.daemon()
        process = self.start_build(daemon, "echo before the end; sleep 600")
        wait_until(lambda: "before the end" in daemon.kiln("logs").out, "the step says something", 60)
        daemon.kill()
        self.assertEqual(process.wait(20), 3)
        daemon.start()
        build = json.loads(daemon.kiln("builds", "--json").out)[0]
        self.assertEqual((build["status"], build["error"]), ("interrupted", "the daemon stopped while the build ran"))
        self.assertIn("before the end", daemon.kiln("logs", build["id"]).out)
        shown = json.loads(daemon.kiln("builds", "show", "--json").out)
        self.assertEqual(shown["steps"][-1]["outcome"], "interrupted")
        self.assertGreater(shown["build"]["duration_ns"], 0)

    def test_a_cancelled_build_says_so(self):
        daemon = self.daemon()
        process = self.start_build(daemon, "echo started; sleep 600")
        wait_until(lambda: "started" in daemon.kiln("logs").out, "the step says something", 60)
        process.terminate()
        process.wait(20)
        wait_until(lambda: json.loads(daemon.kiln("builds", "--json").out)[0]["status"] == "cancelled", "cancelled")
        shown = json.loads(daemon.kiln("builds", "show", "--json").out)
        self.assertEqual(shown["steps"][-1]["outcome"], "cancelled")


if __name__ == "__main__":
    unittest.main()
