"""A web server whose every answer a test decides, and which remembers what it was asked."""
import contextlib
import email.utils
import gzip
import http.server
import ssl
import subprocess
import threading


class Page:
    """What a path answers. `etag` and `modified` (seconds) make it revalidate as servers do."""

    def __init__(self, body=b"", etag=None, modified=None, status=200, headers=None, authorization=None,
                 cut_after=None, wait=None, ignores_conditions=False, compressed=False):
        self.body = body.encode() if isinstance(body, str) else body
        self.etag = etag
        self.modified = modified
        self.status = status
        self.headers = headers or {}
        self.authorization = authorization
        self.cut_after = cut_after
        self.wait = wait
        self.ignores_conditions = ignores_conditions
        self.compressed = compressed


class Web(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, pages=None, certificate=None):
        self.pages = pages if pages is not None else {}
        self.asked = []  # (path, headers, bytes sent)
        super().__init__(("127.0.0.1", 0), Handler)
        self.scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self.scheme = "https"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def host(self):
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def url(self):
        return f"{self.scheme}://{self.host}"

    def sent(self, path):
        """How many bytes of body each request for the path got."""
        return [count for asked, _, count in self.asked if asked == path]

    def headers_of(self, path):
        return [headers for asked, headers, _ in self.asked if asked == path]

    def handle_error(self, *_):
        pass  # a client that went away, or does not trust us

    def stop(self):
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):  # noqa: N802
        sent = 0
        page = self.server.pages.get(self.path, Page(b"no such page\n", status=404))
        try:
            sent = self.answer(page)
        finally:
            self.server.asked.append((self.path, dict(self.headers), sent))

    def unchanged(self, page):
        if page.ignores_conditions:
            return False
        if "If-None-Match" in self.headers:
            return page.etag is not None and page.etag.removeprefix("W/") in self.headers["If-None-Match"]
        since = self.headers.get("If-Modified-Since")
        return since is not None and page.modified is not None and \
            email.utils.parsedate_to_datetime(since).timestamp() >= page.modified

    def answer(self, page):
        if page.wait:
            page.wait()
        if page.authorization and self.headers.get("Authorization") != page.authorization:
            page = Page(b"who are you?\n", status=401, headers={"WWW-Authenticate": "Bearer"})
        status = 304 if page.status == 200 and self.unchanged(page) else page.status
        body = b"" if status == 304 else page.body
        self.send_response(status)
        for name, value in page.headers.items():
            self.send_header(name, value)
        if page.etag:
            self.send_header("ETag", page.etag)
        if page.modified is not None:
            self.send_header("Last-Modified", email.utils.formatdate(page.modified, usegmt=True))
        if page.compressed and "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body)
            self.send_header("Content-Encoding", "gzip")
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if page.cut_after is not None:
            self.close_connection = True
            body = body[:page.cut_after]
        self.wfile.write(body)
        return len(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(pages=None, certificate=None):
    server = Web(pages, certificate)
    try:
        yield server
    finally:
        server.stop()


def certificate_for(directory, address="127.0.0.1"):
    """A self-signed certificate and its key."""
    certificate, key = directory / "web.crt", directory / "web.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test",
                    "-addext", f"subjectAltName=IP:{address}", "-keyout", str(key), "-out", str(certificate)],
                   check=True, capture_output=True)
    return certificate, key
