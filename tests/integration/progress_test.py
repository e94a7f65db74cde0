"""How progress is shown, and the daemon that `kiln` starts by itself."""
import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios

import kilntest

SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
COLUMNS = 60


class Terminal:
    """A command in a terminal of its own, and all that it wrote there."""

    def __init__(self, command, environment):
        self.screen = ""
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 12, COLUMNS, 0, 0))

        def take_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment,
                                        preexec_fn=take_terminal)
        os.close(slave)

    def read_until(self, text=None):
        """Reads until `text` is there, or to the end."""
        while text is None or text not in self.screen:
            try:
                piece = os.read(self.master, 65536)
            except OSError:  # the other side is closed
                piece = b""
            if not piece:
                break
            self.screen += piece.decode(errors="replace")
        return self.screen

    def end(self):
        self.read_until()
        os.close(self.master)
        return self.process.wait(60)


class ProgressTest(kilntest.SharedDaemonTest):
    DOCKERFILE = "FROM busybox\nENV OF=%s\nRUN echo first line; echo on stderr >&2\nCOPY f /f\n"

    def in_terminal(self, *arguments, **environment):
        terminal = Terminal([str(kilntest.BIN / "kiln"), *map(str, arguments)],
                            self.kilnd.environment(**{"TERM": "xterm", **environment}))
        self.addCleanup(lambda: terminal.process.poll() is None and terminal.process.kill())
        return terminal

    def make(self, dockerfile=DOCKERFILE):
        return self.context({"Dockerfile": dockerfile.replace("%s", self.id()), "f": "F"})

    def test_plain_progress_has_numbered_steps_with_their_output_and_end(self):
        result = self.build(self.kilnd, self.make())
        self.assertEqual(result.out, "")
        self.assertNotIn("\x1b", result.err)
        number = re.search(r"^#(\d+) \[2/3\] RUN echo first line; echo on stderr >&2$", result.err, re.M).group(1)
        for text in ("first line", "on stderr"):
            self.assertRegex(result.err, rf"(?m)^#{number} \d+\.\d{{3}} {text}$")
        self.assertRegex(result.err, rf"(?m)^#{number} DONE \d+\.\d+s$")
        self.assertRegex(result.err, r"(?m)^image sha256:[0-9a-f]{64}$")
        again = self.build(self.kilnd, self.directory / "context")
        self.assertRegex(again.err, r"(?m)^#\d+ CACHED$")
        self.assertEqual(kilntest.ran(again), [])

    def test_output_that_is_no_terminal_gets_plain_progress(self):
        result = self.kilnd.kiln("build", self.make(), env={"TERM": "xterm"})
        self.assertRegex(result.err, r"(?m)^#\d+ DONE")

    def events(self, *arguments, code=0):
        result = self.kilnd.kiln("build", "--progress=json", *arguments)
        self.assertEqual(result.code, code, result.text)
        return [json.loads(line) for line in result.out.splitlines()], result.err

    def test_json_progress_is_a_line_an_event_and_ends_with_finished(self):
        events, err = self.events("-t", "json-progress", self.make())
        self.assertEqual(err, "")
        self.assertEqual([event["event"] for event in events].count("finished"), 1)
        last = events[-1]
        self.assertEqual((last["event"], last["names"]), ("finished", ["json-progress:latest"]))
        self.assertRegex(last["image_digest"], r"^sha256:[0-9a-f]{64}$")
        self.check_order(events)
        logs = "".join(event["text"] for event in events if event["event"] == "step_log" and event.get("stream", 1) == 1)
        self.assertEqual(logs, "first line\n")

    def check_order(self, events):
        """Each step starts once, before all else of it, and ends once, after all else; a phase of no step is the build's."""
        running, over = set(), set()
        for event in events:
            step = event.get("step")
            if event["event"] == "step_phase" and step is None:
                continue
            if event["event"] == "step_started":
                self.assertNotIn(step, running | over)
                running.add(step)
            elif event["event"].startswith("step_"):
                self.assertIn(step, running, event)
                if event["event"] == "step_ended":
                    running.remove(step)
                    over.add(step)
        self.assertEqual(running, set())

    def test_json_progress_of_a_failure_ends_with_failed(self):
        events, err = self.events(self.make("FROM busybox\nRUN echo why; exit 5\n"), code=1)
        last = events[-1]
        self.assertEqual((last["event"], last["code"], last["exit_code"], last["log_tail"]), ("failed", "step_failed", 5, ["why"]))
        self.assertIn("Dockerfile:2", last["message"])
        self.assertIn("Dockerfile:2", err)
        self.check_order(events)

    def test_a_terminal_is_left_in_order_and_shows_what_was_cached(self):
        context = self.make()
        first = self.in_terminal("build", context)
        self.assertEqual(first.end(), 0, first.screen)
        self.check_screen(first.screen)
        self.assertNotIn("CACHED [2/3] RUN", first.screen)
        second = self.in_terminal("build", "-t", "terminal", context)
        self.assertEqual(second.end(), 0, second.screen)
        self.check_screen(second.screen)
        self.assertIn("CACHED [2/3] RUN", SEQUENCE.sub("", second.screen))
        for text in ("FINISHED", "image sha256:", "named terminal:latest"):
            self.assertIn(text, second.screen)

    def check_screen(self, screen):
        self.assertGreater(screen.count(SHOW), 0)
        self.assertGreater(screen.rfind(SHOW), screen.rfind(HIDE), "the cursor is hidden at the end")
        self.assertTrue(SEQUENCE.sub("", screen).endswith("\n"))
        for line in SEQUENCE.sub("", screen).replace("\r", "\n").splitlines():
            if line.startswith((" =>", "[+] Building")) and "FINISHED" not in line:
                self.assertLess(len(line), COLUMNS, line)

    def test_a_failure_in_a_terminal_shows_the_last_lines_and_the_place(self):
        terminal = self.in_terminal("build", self.make("FROM busybox\nRUN echo the reason; exit 5\n"))
        self.assertEqual(terminal.end(), 1)
        for text in ("ERROR", "the reason", "exit code: 5", "Dockerfile:2"):
            self.assertIn(text, terminal.screen)
        self.check_screen(terminal.screen)

    def test_control_c_in_a_terminal_leaves_it_in_order(self):
        marker = f"sleep 8{os.getpid()}"
        terminal = self.in_terminal("build", self.make(f"FROM busybox\nRUN echo ready; {marker}\n"))
        terminal.read_until("=> ready")
        os.write(terminal.master, b"\x03")
        self.assertEqual(terminal.end(), 128 + signal.SIGINT)
        self.check_screen(terminal.screen)
        kilntest.wait_until(lambda: not kilntest.processes(marker), "the end of the command")

    def test_a_terminal_without_abilities_gets_plain_progress(self):
        terminal = self.in_terminal("build", self.make(), TERM="dumb")
        self.assertEqual(terminal.end(), 0)
        self.assertNotIn("\x1b", terminal.screen)
        self.assertRegex(terminal.screen, r"(?m)^#\d+ DONE")

    def test_colours_can_be_switched_off(self):
        terminal = self.in_terminal("build", self.make(), NO_COLOR="1")
        self.assertEqual(terminal.end(), 0)
        self.assertEqual([code for code in SEQUENCE.findall(terminal.screen) if code.endswith("m")], [])

    def test_what_a_command_prints_cannot_take_over_the_terminal(self):
        context = self.make("FROM busybox\nRUN printf '\\033]0;title\\007\\033[2Jcleared\\033[10;10H\\n'; sleep 1; exit 1\n")
        terminal = self.in_terminal("build", context)
        self.assertEqual(terminal.end(), 1)
        for hostile in ("\x1b]0;", "\x1b[2J", "\x1b[10;10H"):
            self.assertNotIn(hostile, terminal.screen)
        self.assertIn("cleared", terminal.screen)

    def test_an_unknown_mode_is_misuse(self):
        self.assertEqual(self.kilnd.kiln("build", "--progress=fancy", self.make()).code, 2)


class AutostartTest(kilntest.KilnTest):
    """In a mount namespace with fresh /run and /var/lib: nothing of the machine is touched."""

    def script(self, text):
        kiln = kilntest.BIN / "kiln"
        environment = {name: value for name, value in os.environ.items() if name not in ("KILN_HOST", "XDG_RUNTIME_DIR")}
        hide = "for d in /run /var/lib /etc/kiln; do test ! -d $d || mount -t tmpfs kiln-test $d; done\n"
        done = subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-e", "-c", hide + text, "sh", str(kiln)],
                              env=environment, capture_output=True, text=True, cwd=self.directory, timeout=120)
        for process in re.findall(r"\(process (\d+)\)", done.stderr):
            self.addCleanup(self.stop, int(process))
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def stop(self, process):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGTERM)
        kilntest.wait_until(lambda: not os.path.exists(f"/proc/{process}"), "the end of the started kilnd", 60)

    def test_a_build_starts_a_daemon_that_the_next_command_uses(self):
        self.context({"Dockerfile": "FROM scratch\nCOPY f /f\n", "f": "F"})
        before = [os.path.exists(path) for path in ("/run/kiln", "/var/lib/kiln")]
        done = self.script('"$1" build --progress=plain -t own:1 context; "$1" images -q; "$1" version\n'
                           'test -d /var/lib/kiln/blobs; test -S /run/kiln/kiln.sock\n')
        self.assertEqual(done.stderr.count("started"), 1, done.stderr)
        self.assertIn("kilnd.log", done.stderr)
        self.assertRegex(done.stdout, r"^sha256:[0-9a-f]{64}\n")
        self.assertIn("unix:///run/kiln/kiln.sock", done.stdout)
        self.assertEqual([os.path.exists(path) for path in ("/run/kiln", "/var/lib/kiln")], before)

    def test_commands_at_the_same_time_start_one_daemon(self):
        done = self.script('for i in 1 2 3 4; do "$1" images > /dev/null & pids="$pids $!"; done\nfor p in $pids; do wait $p; done\n')
        self.assertEqual(done.stderr.count("started"), 1, done.stderr)

    def test_a_daemon_that_is_named_is_not_started(self):
        for arguments in (["--host", f"unix://{self.directory}/none.sock", "images"],
                          ["images", f"--host=unix://{self.directory}/none.sock"]):
            done = subprocess.run([str(kilntest.BIN / "kiln"), *arguments], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertIn("none.sock", done.stderr)
            self.assertFalse((self.directory / "none.sock").exists())

    def test_a_daemon_that_cannot_start_says_why(self):
        done = self.script('mount -o remount,ro /var/lib\nif "$1" images; then exit 1; else test $? -eq 3; fi\n')
        self.assertIn("/var/lib/kiln", done.stderr)


if __name__ == "__main__":
    kilntest.main()
