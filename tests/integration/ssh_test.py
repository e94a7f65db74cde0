"""RUN --mount=type=ssh: real agents, real keys and a real sshd, through a step's socket."""
import os
import pathlib
import shutil
import signal
import subprocess

import kilntest
from gitserver import Repository

SSH = "ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes -o LogLevel=ERROR"


def tools():
    """ssh and ssh-add with their libraries, for a Debian image of our own release: path → bytes."""
    found = {}
    for program in ("/usr/bin/ssh", "/usr/bin/ssh-add"):
        found[program] = pathlib.Path(program)
        for line in subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout.splitlines():
            words = line.split()
            if "=>" in words and "libc.so" not in words[0]:
                found["/usr/lib/x86_64-linux-gnu/" + words[0]] = pathlib.Path(words[2])
    return {path: source.read_bytes() for path, source in found.items()}


@kilntest.unittest.skipUnless(shutil.which("ssh-agent") and os.path.exists("/usr/sbin/sshd"), "needs OpenSSH")
class SshTest(kilntest.SharedDaemonTest):
    config = 'allow = ["network.host"]'

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.home = cls.class_directory / "ssh"
        cls.home.mkdir(mode=0o700)
        cls.key = cls.make_key("key")
        cls.agent = cls.class_directory / "ssh" / "agent"
        process = subprocess.Popen(["ssh-agent", "-D", "-a", str(cls.agent)], stdout=subprocess.DEVNULL)
        cls.addClassCleanup(cls.end, process)
        kilntest.wait_until(cls.agent.exists, "ssh-agent")
        cls.add(cls.key)
        cls.tools = {"tools" + path: content for path, content in tools().items()}

    @staticmethod
    def end(process):
        process.terminate()
        process.wait(20)

    @classmethod
    def make_key(cls, name):
        path = cls.home / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{name}-of-kiln", "-f", str(path)], check=True)
        return path

    @classmethod
    def add(cls, key):
        subprocess.run(["ssh-add", "-q", str(key)], check=True, env={**os.environ, "SSH_AUTH_SOCK": str(cls.agent)})

    def listed(self):
        return subprocess.run(["ssh-add", "-l"], capture_output=True, text=True,
                              env={**os.environ, "SSH_AUTH_SOCK": str(self.agent)}).stdout

    def printed(self, run, *flags, env=None, code=0):
        """The output of a step that has the tools."""
        context = self.context({"Dockerfile": f"FROM debian:bookworm-slim\nCOPY --chmod=0755 tools /\nRUN {run}\n", **self.tools})
        result = self.build(self.kilnd, context, "--no-cache", *flags, code=code,
                            env={"SSH_AUTH_SOCK": str(self.agent), **(env or {})})
        return "\n".join(kilntest.output_of(result, "RUN")) if code == 0 else result.text

    def sshd(self):
        """A server of our own that lets our key in; its port."""
        directory = self.directory / "sshd"
        directory.mkdir()
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / "host")], check=True)
        port = kilntest.free_port()
        (directory / "config").write_text(
            f"Port {port}\nListenAddress 127.0.0.1\nHostKey {directory}/host\nPidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {self.key}.pub\nStrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\n")
        pathlib.Path("/run/sshd").mkdir(exist_ok=True)  # where Debian's sshd drops its privileges
        log = open(directory / "log", "wb")
        process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", str(directory / "config")], stderr=log)
        self.addCleanup(log.close)
        self.addCleanup(self.end, process)
        kilntest.wait_until(lambda: b"listening on" in (directory / "log").read_bytes(), "sshd")
        return port


class AgentTest(SshTest):
    def test_a_step_logs_in_with_the_agent_of_the_client(self):
        port = self.sshd()
        out = self.printed(f"--network=host --mount=type=ssh {SSH} -p {port} root@127.0.0.1 echo through the agent",
                           "--ssh", "default", "--allow", "network.host")
        self.assertEqual(out, "through the agent")

    def test_a_repository_behind_ssh_is_added_with_the_agent_of_the_client(self):
        port = self.sshd()
        repository = Repository(self.directory, "closed")
        repository.commit({"file": "content"})
        made = self.built(f"FROM scratch\nADD ssh://root@127.0.0.1:{port}{repository.bare} /src\n", None, "--ssh", "default",
                          env={"SSH_AUTH_SOCK": str(self.agent)})
        self.assertEqual(made.text("/src/file"), "content")

    def test_the_keys_can_be_listed_but_the_agent_not_changed(self):
        out = self.printed("--mount=type=ssh ssh-add -l; ssh-add -D 2>&1; echo ended with $?", "--ssh", "default")
        self.assertIn("key-of-kiln", out)
        self.assertIn("ended with 1", out)
        self.assertIn("key-of-kiln", self.listed())

    def test_the_socket_is_where_the_mount_says_and_leaves_no_trace(self):
        made = self.built("FROM busybox\nRUN --mount=type=ssh,mode=0666,uid=3,gid=4 stat -c '%F %a %u:%g' $SSH_AUTH_SOCK > /a; "
                          "echo $SSH_AUTH_SOCK >> /a\nRUN echo \"[$SSH_AUTH_SOCK]\" > /b\n"
                          "RUN --mount=type=ssh,target=/s/agent stat -c %F%a /s/agent > /c\n",
                          None, "--ssh", f"default={self.agent}")
        self.assertEqual(made.text("/a"), "socket 666 3:4\n/run/buildkit/ssh_agent.0\n")
        self.assertEqual(made.text("/b"), "[]\n")
        self.assertEqual(made.text("/c"), "socket600\n")
        self.assertFalse(made.path("/run/buildkit").exists() or made.path("/s").exists())

    def test_agents_have_ids(self):
        out = self.printed("--mount=type=ssh,id=work ssh-add -l", "--ssh", f"work={self.agent}")
        self.assertIn("key-of-kiln", out)

    def test_an_agent_that_has_ended_is_told_in_the_step(self):
        gone = self.directory / "gone"
        process = subprocess.Popen(["ssh-agent", "-D", "-a", str(gone)], stdout=subprocess.DEVNULL)
        kilntest.wait_until(gone.exists, "ssh-agent")
        process.kill()
        process.wait()
        out = self.printed("--mount=type=ssh ssh-add -l 2>&1 || true", "--ssh", f"default={gone}")
        self.assertIn("kiln: connect to the client's SSH agent: Connection refused", out)

    def test_without_an_agent_an_optional_mount_is_none(self):
        out = self.printed("--mount=type=ssh ls -d /run/buildkit 2>/dev/null; echo \"$SSH_AUTH_SOCK\"")
        self.assertEqual(out, "/run/buildkit/ssh_agent.0")

    def test_without_an_agent_a_required_mount_says_what_to_pass(self):
        text = self.printed("--mount=type=ssh,required true", code=1)
        self.assertIn("SSH agent default: not found", text)
        self.assertIn("pass it with --ssh default", text)
        self.assertIn("Dockerfile:3", text)

    def test_no_agent_at_all_is_told_before_anything_runs(self):
        text = self.printed("--mount=type=ssh true", "--ssh", "default", env={"SSH_AUTH_SOCK": ""}, code=1)
        self.assertIn("SSH_AUTH_SOCK is not set", text)


class KeyTest(SshTest):
    def test_a_private_key_alone_is_enough_whoever_may_read_it(self):
        key = self.make_key("deploy")
        key.chmod(0o644)
        out = self.printed("--mount=type=ssh ssh-add -l", "--ssh", f"default={key}")
        self.assertIn("ED25519", out)
        self.assertNotIn("key-of-kiln", out)
        self.assertEqual(kilntest.processes("kiln-ssh."), [])

    def test_several_keys_and_no_agent(self):
        one, two = self.make_key("one"), self.make_key("two")
        out = self.printed("--mount=type=ssh ssh-add -l | wc -l", "--ssh", f"default={one},{two}")
        self.assertEqual(out, "2")

    def test_what_is_no_key_is_named(self):
        text = self.printed("true", "--ssh", f"default={self.home}/key.pub", code=1)
        self.assertIn("key.pub is neither an agent's socket nor a usable private key", text)

    def test_the_agent_of_a_killed_client_ends_too(self):
        key = self.make_key("killed")
        with kilntest.gate() as gate:
            context = self.context({"Dockerfile": f"FROM busybox\nRUN --network=host wget -qO- {gate.url}/wait/step\n"})
            client = self.kilnd.start_kiln("build", "--no-cache", "--allow=network.host", "--ssh", f"default={key}", context)
            kilntest.wait_until(lambda: gate.arrived, "the step", 60)
            self.assertNotEqual(kilntest.processes("kiln-ssh."), [])
            client.send_signal(signal.SIGKILL)
            client.communicate(timeout=20)
            kilntest.wait_until(lambda: not kilntest.processes("kiln-ssh."), "the end of the agent")


if __name__ == "__main__":
    kilntest.main()
