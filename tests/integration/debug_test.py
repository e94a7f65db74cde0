"""What a failed step leaves is kept for a while, and `kiln debug` works in it: a shell in a terminal, or a command."""
import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import kilntest
from kilntest import BIN

FAILING = """FROM busybox
ENV COLOUR=blue
ARG FLAVOUR=salt
RUN echo worker:x:1000:1000::/project:/bin/sh >>/etc/passwd && mkdir /project && chown 1000 /project && echo below >/project/below
USER worker
WORKDIR /project
RUN --mount=type=cache,id=c,target=/cache,uid=1000 --mount=type=bind,source=shown,target=/shown \
    --mount=type=tmpfs,target=/scratch --mount=type=secret,id=token,target=/tmp/token \
    --network=none sh -c 'echo left >made; rm below; echo warm >/cache/warm; exit 7'
"""


def set_size(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class Terminal:
    """kiln on a terminal of its own."""

    def __init__(self, daemon, *arguments, rows=24, columns=80):
        self.master, slave = pty.openpty()
        set_size(slave, rows, columns)
        self.before = termios.tcgetattr(slave)
        self.process = subprocess.Popen([str(BIN / "kiln"), *map(str, arguments)], stdin=slave, stdout=slave, stderr=slave,
                                        env=daemon.environment(TERM="xterm-kiln"), start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.slave = slave
        self.text = ""

    def send(self, text):
        os.write(self.master, text.encode())

    def read(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            with contextlib.suppress(OSError):
                self.text += os.read(self.master, 65536).decode(errors="replace")

    def expect(self, pattern, seconds=30):
        end = time.monotonic() + seconds
        while not re.search(pattern, self.text):
            if time.monotonic() > end or self.process.poll() is not None and not select.select([self.master], [], [], 0)[0]:
                raise AssertionError(f"no {pattern!r} in {self.text!r}")
            self.read(0.2)
        found = re.search(pattern, self.text)
        self.text = self.text[found.end():]
        return found

    def ask(self, command):
        """What a command prints in the shell."""
        self.send(f"echo 'a''a'; {command}; echo 'z''z'\r")
        return self.expect(r"\naa\r\n((?:.|\n)*?)zz\r\n").group(1).replace("\r", "").strip()

    def wait(self, seconds=30):
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.1)
        self.read(0.1)
        return self.process.wait(1)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        for fd in (self.master, self.slave):
            os.close(fd)


class DebugTest(kilntest.KilnTest):
    def terminal(self, daemon, *arguments, **options):
        terminal = Terminal(daemon, *arguments, **options)
        self.addCleanup(terminal.close)
        return terminal

    def failed(self, daemon, dockerfile=FAILING, *flags, **options):
        """A failed build's id, from its message."""
        context = self.context({"Dockerfile": dockerfile, "shown/file": "shown\n"})
        result = self.build(daemon, context, "--secret", "id=token,src=/etc/hostname", *flags, code=1, **options)
        return re.search(r"For 1 h, `kiln debug ([0-9a-f]+)` opens a shell in it", result.err).group(1)

    def idle(self, daemon):
        kilntest.wait_until(lambda: kilntest.step_cgroups(daemon) == [] and kilntest.strays(daemon) == [] and
                            list((daemon.root / "tmp").iterdir()) == [], "nothing left of the session")

    def test_a_command_sees_what_the_step_saw(self):
        daemon = self.daemon()
        build = self.failed(daemon)
        script = ("pwd; id -un; cat made; ls; cat /cache/warm; cat /shown/file; echo $COLOUR $FLAVOUR; ip -o link | wc -l; "
                  "grep -c ' /scratch tmpfs' /proc/mounts; ls /tmp; cat; exit 3")
        result = daemon.kiln("debug", build[:6], "--", "sh", "-c", script, stdin=b"typed\n")
        self.assertEqual(result.code, 3, result.text)
        self.assertEqual(result.out.splitlines(), ["/project", "worker", "left", "made", "warm", "shown", "blue salt", "1", "1",
                                                   "typed"])
        self.assertIn("the step's secret token is not there: pass it again with --secret id=token", result.err)
        again = daemon.kiln("debug", "--secret", "id=token,src=/etc/hostname", "--", "sh", "-c", "ls -l /tmp/token; echo e >&2")
        self.assertEqual((again.code, again.err), (0, "e\n"), again.text)
        self.assertIn("/tmp/token", again.out)
        self.idle(daemon)

    def test_sessions_do_not_see_each_other_and_the_failed_step_stays(self):
        daemon = self.daemon()
        self.failed(daemon)
        for _ in range(2):
            result = daemon.kiln("debug", stdin=b"ls; rm made; echo x >new; ls\n")
            self.assertEqual(result.out.split(), ["made", "new"], result.text)
        one = subprocess.Popen([BIN / "kiln", "debug"], env=daemon.environment(), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        one.stdin.write(b"echo mine >mine; echo ready\n")
        one.stdin.flush()
        self.assertEqual(one.stdout.readline(), b"ready\n")
        self.assertEqual(daemon.kiln("debug", "--", "ls").out.split(), ["made"])
        out, err = one.communicate(b"cat mine; exit 4\n", timeout=30)
        self.assertEqual((out, one.returncode), (b"mine\n", 4), err)
        self.idle(daemon)

    def test_a_shell_in_a_terminal(self):
        daemon = self.daemon()
        build = self.failed(daemon)
        terminal = self.terminal(daemon, "debug", build, rows=33, columns=121)
        terminal.expect(f"kiln: build {build}: .*exit code 7.*\r\n")
        terminal.expect("changes are dropped when the shell ends")
        self.assertEqual(terminal.ask("tty"), "/dev/pts/0")
        self.assertEqual(terminal.ask("stty size; echo $TERM $PWD $COLOUR; cat made"), "33 121\nxterm-kiln /project blue\nleft")
        set_size(terminal.master, 50, 132)
        kilntest.wait_until(lambda: terminal.ask("stty size") == "50 132", "the new size")
        # ^C ends the command and not the session; job control works.
        terminal.send("sleep 1000\r")
        kilntest.wait_until(lambda: kilntest.processes("sleep 1000"), "the sleeper")
        terminal.send("\x03")
        terminal.send("echo code=$?\r")
        terminal.expect("\ncode=130\r")
        terminal.send("exit 9\r")
        self.assertEqual(terminal.wait(), 9)
        self.assertEqual(termios.tcgetattr(terminal.slave), terminal.before, "the terminal is as it was")
        self.idle(daemon)

    def test_a_command_in_a_terminal(self):
        daemon = self.daemon()
        build = self.failed(daemon)
        terminal = self.terminal(daemon, "debug", build, "--", "sh", "-c", "test -t 0 && test -t 2 && echo on a terminal; exit 5")
        terminal.expect("on a terminal\r\n")
        self.assertEqual(terminal.wait(), 5)
        # Of a program that is not there the message arrives, and the code of a shell.
        missing = self.terminal(daemon, "debug", build, "--", "no-such-program")
        missing.expect("no-such-program.*not found")
        self.assertEqual(missing.wait(), 127, missing.text)
        self.idle(daemon)

    def test_a_terminal_of_runc(self):
        daemon = self.daemon(config='[run]\nruntime = "runc"\n')
        terminal = self.terminal(daemon, "debug", self.failed(daemon))
        terminal.expect("changes are dropped when the shell ends")
        self.assertEqual(terminal.ask("tty; pwd; cat made"), "/dev/pts/0\n/project\nleft")
        terminal.send("exit 6\r")
        self.assertEqual(terminal.wait(), 6)
        self.idle(daemon)

    def test_a_client_that_dies_takes_all_with_it(self):
        daemon = self.daemon()
        build = self.failed(daemon)
        for end in (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(end):
                terminal = self.terminal(daemon, "debug", build)
                # Nothing that the shell started survives, whatever it ignores.
                terminal.ask("trap '' HUP TERM; setsid sleep 987 & setsid sleep 987 & true")
                kilntest.wait_until(lambda: len(kilntest.processes("sleep 987")) >= 2, "the sleepers")
                terminal.process.send_signal(end)
                terminal.wait()
                self.idle(daemon)
                self.assertEqual(kilntest.processes("sleep 987"), [])
        piped = subprocess.Popen([BIN / "kiln", "debug", build, "--", "sleep", "988"], env=daemon.environment(),
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        kilntest.wait_until(lambda: len(kilntest.processes("sleep 988")) > 1, "the sleeper")
        piped.kill()
        piped.communicate()
        self.idle(daemon)

    def test_a_daemon_that_is_killed_leaves_nothing(self):
        daemon = self.daemon()
        build = self.failed(daemon)
        terminal = self.terminal(daemon, "debug", build)
        terminal.ask("sleep 989 & true")
        daemon.kill()
        self.assertEqual(terminal.wait(), 3)
        kilntest.wait_until(lambda: kilntest.processes("sleep 989") == [], "the end of the session")
        daemon.start()
        self.assertEqual(list((daemon.root / "failed").iterdir()), [])
        result = daemon.kiln("debug", build)
        self.assertEqual(result.code, 1)
        self.assertIn(f"build {build}: no failed step of it is kept", result.err)

    def test_large_input_and_output_pass_whole(self):
        daemon = self.daemon()
        self.failed(daemon)
        data = os.urandom(3_000_000)
        done = subprocess.run([BIN / "kiln", "debug", "--", "cat"], env=daemon.environment(), input=data, capture_output=True,
                              timeout=60)
        self.assertEqual((done.returncode, done.stdout == data), (0, True), done.stderr)

    def test_kept_steps_are_counted_pruned_and_limited(self):
        daemon = self.daemon(config="[debug]\nkeep-steps = 2\n")
        failing = "FROM busybox\nARG N\nRUN dd if=/dev/urandom of=/big bs=1M count=3 2>/dev/null; exit 1\n"
        builds = [self.failed(daemon, failing, "--build-arg", f"N={n}") for n in range(3)]
        kilntest.wait_until(lambda: len(list((daemon.root / "failed").iterdir())) == 2, "the oldest's end")
        self.assertEqual(daemon.kiln("debug", builds[0], "--", "true").code, 1)
        self.assertEqual(daemon.kiln("debug", builds[1], "--", "test", "-s", "/big").code, 0)
        row = next(line for line in daemon.kiln("df").out.splitlines() if line.startswith("failed steps"))
        self.assertRegex(row, r"failed steps +2 +6\.\d+MB +6\.\d+MB")
        # One that is in use stays until its user ends.
        user = subprocess.Popen([BIN / "kiln", "debug", builds[2], "--", "sh", "-c", "echo up; cat; ls /big"],
                                env=daemon.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.assertEqual(user.stdout.readline(), b"up\n")
        self.assertRegex(daemon.kiln("prune").out, r"Freed \d+(\.\d+)?MB")
        out, _ = user.communicate(timeout=30)
        self.assertEqual(out, b"/big\n")
        kilntest.wait_until(lambda: list((daemon.root / "failed").iterdir()) == [], "the removal")
        self.assertIn("no failed step is kept", daemon.kiln("debug", "--", "true").err)

    def test_a_kept_step_is_gone_when_its_time_is_over(self):
        daemon = self.daemon(config="[debug]\nkeep-seconds = 2\n")
        context = self.context({"Dockerfile": "FROM busybox\nRUN exit 1\n"})
        result = self.build(daemon, context, code=1)
        self.assertIn("For 2 s, `kiln debug", result.err)
        self.assertEqual(daemon.kiln("debug", "--", "true").code, 0)
        kilntest.wait_until(lambda: list((daemon.root / "failed").iterdir()) == [], "its end", 10)
        never = self.daemon("never", config="[debug]\nkeep-seconds = 0\n")
        self.assertNotIn("kiln debug", self.build(never, context, code=1).err)

    def test_builds_that_wait_for_one_step_can_both_be_debugged(self):
        daemon = self.daemon(config='allow = ["network.host"]')
        with kilntest.gate() as gate:
            context = self.context({"Dockerfile": f"FROM busybox\nRUN wget -qO- {gate.url}/wait/a; echo x >/made; exit 1\n"})
            builds = [daemon.start_kiln("build", "--network=host", "--allow=network.host", context) for _ in range(2)]
            kilntest.wait_until(lambda: "a" in gate.arrived, "the step")
            time.sleep(0.5)
            gate.opened.set()
            errors = [build.communicate(timeout=60)[1].decode() for build in builds]
        self.assertEqual(gate.arrived, ["a"])
        for text in errors:
            build = re.search("kiln debug ([0-9a-f]+)", text).group(1)
            self.assertEqual(daemon.kiln("debug", build, "--", "cat", "/made").out, "x\n")

    def test_only_its_user_and_root_may(self):
        daemon = self.daemon()
        daemon.socket.chmod(0o666)
        build = self.failed(daemon)
        result = daemon.kiln("debug", build, "--", "true", user=12345)
        self.assertEqual(result.code, 1)
        self.assertIn("it is another user's", result.err)
        self.assertIn("no failed step is kept", daemon.kiln("debug", "--", "true", user=12345).err)

    def test_an_image_without_a_shell(self):
        daemon = self.daemon()
        build = self.failed(daemon, "FROM busybox AS b\nFROM scratch\nCOPY --from=b /bin/busybox /busybox\nRUN [\"/busybox\", \"false\"]\n")
        result = daemon.kiln("debug", build, stdin=b"")
        self.assertEqual(result.code, 1)
        self.assertIn("the step's file system has no /bin/sh; run a program that it has", result.err)
        self.assertEqual(daemon.kiln("debug", build, "--", "/busybox", "echo", "here").out, "here\n")

    def test_insecure_requests_are_refused(self):
        daemon = self.daemon()
        self.failed(daemon)
        directory = os.open("/", os.O_RDONLY)
        self.addCleanup(os.close, directory)
        # Whatever the user has as stdin, the command gets a pipe.
        done = subprocess.run([BIN / "kiln", "debug", "--", "sh", "-c", "readlink /proc/self/fd/0; readlink /proc/self/fd/1"],
                              env=daemon.environment(), stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        self.assertRegex(done.stdout, rb"^pipe:\[\d+\]\npipe:\[\d+\]\n$")

    def test_misuse(self):
        daemon = self.daemon()
        self.assertEqual(daemon.kiln("debug", "--").code, 2)
        self.assertEqual(daemon.kiln("debug", "a", "b").code, 2)
        self.assertEqual(daemon.kiln("debug", "zzzz", "--", "true").code, 1)


if __name__ == "__main__":
    kilntest.main()
