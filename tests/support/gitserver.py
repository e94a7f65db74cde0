"""Git repositories and the servers that give them out: git daemon, and git http-backend behind a small web server."""
import http.server
import os
import pathlib
import subprocess
import threading

import kilntest

IDENTITY = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@x", "GIT_COMMITTER_NAME": "C", "GIT_COMMITTER_EMAIL": "c@x",
            "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_ALLOW_PROTOCOL": "http:file:git"}


class Repository:
    """A working tree beside the bare repository that is served."""

    def __init__(self, folder, name, **config):
        self.bare = pathlib.Path(folder) / f"{name}.git"
        self.tree = pathlib.Path(folder) / f"{name}.tree"
        self.date = 1600000000
        self._git("init", "-q", "--bare", "-b", "main", self.bare)
        for key, value in config.items():
            self._git("--git-dir", self.bare, "config", key.replace("_", "."), value)
        self._git("init", "-q", "-b", "main", self.tree)
        self.git("remote", "add", "origin", self.bare)

    def _git(self, *arguments, **options):
        dates = {"GIT_AUTHOR_DATE": f"{self.date} +0000", "GIT_COMMITTER_DATE": f"{self.date} +0000"}
        done = subprocess.run(["git", *map(str, arguments)], check=True, capture_output=True,
                              env={**os.environ, **IDENTITY, **dates}, **options)
        return done.stdout.decode().strip()

    def git(self, *arguments):
        return self._git(*arguments, cwd=self.tree)

    def commit(self, files, ref="main"):
        """Writes the files (path → text, or a link's target as ("->", target)) and pushes them; returns the commit."""
        for path, content in files.items():
            target = self.tree / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, tuple):
                target.symlink_to(content[1])
            else:
                target.write_text(content)
        self.git("add", "-A")
        self.date += 100
        self.git("commit", "-q", "--allow-empty", "-m", "a commit")
        return self.push(ref)

    def push(self, ref="main"):
        self.git("push", "-q", "--force", "origin", f"HEAD:{ref if ref.startswith('refs/') else 'refs/heads/' + ref}")
        return self.git("rev-parse", "HEAD")

    def tag(self, name, *flags):
        self.git("tag", *flags, name)
        self.git("push", "-q", "--force", "origin", f"refs/tags/{name}")
        return self.git("rev-parse", f"refs/tags/{name}")


class GitDaemon:
    """git://: the plain protocol."""

    def __init__(self, folder):
        self.port = kilntest.free_port()
        self.process = subprocess.Popen(
            ["git", "daemon", "--export-all", f"--base-path={folder}", "--listen=127.0.0.1", f"--port={self.port}",
             "--reuseaddr", str(folder)], env={**os.environ, **IDENTITY}, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        kilntest.wait_until(lambda: subprocess.run(
            ["git", "ls-remote", f"{self.url}/none.git"], capture_output=True).stderr.find(b"refused") < 0, "git daemon")

    @property
    def url(self):
        return f"git://127.0.0.1:{self.port}"

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


class GitWeb(http.server.ThreadingHTTPServer):
    """http://: git http-backend; `dumb` gives out files instead. `authorization` is demanded of everybody."""

    daemon_threads = True

    def __init__(self, folder, dumb=False, authorization=None):
        self.folder, self.dumb, self.authorization = str(folder), dumb, authorization
        self.asked = []
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://{self.host}"

    @property
    def host(self):
        return f"127.0.0.1:{self.server_address[1]}"

    def fetches(self):
        """How many times objects were asked for (protocol version 2)."""
        return sum(b"command=fetch" in body for _, _, body in self.asked)

    def stop(self):
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # noqa: N802
        self.answer(b"")

    def do_POST(self):  # noqa: N802
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(body)

    def answer(self, body):
        self.server.asked.append((self.path, dict(self.headers), body))
        if self.server.authorization and self.headers.get("Authorization") != self.server.authorization:
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic realm=test")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        if self.server.dumb:
            self.give_file(pathlib.Path(self.server.folder + path))
            return
        done = subprocess.run(["git", "http-backend"], input=body, capture_output=True, env={
            **os.environ, **IDENTITY, "GIT_PROJECT_ROOT": self.server.folder, "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "REMOTE_ADDR": "127.0.0.1",
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", "")})
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = [line.split(": ", 1) for line in head.decode().splitlines() if ": " in line]
        status = next((int(value.split()[0]) for name, value in fields if name == "Status"), 200)
        self.send_response(status)
        for name, value in fields:
            if name != "Status":
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def give_file(self, path):
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass
