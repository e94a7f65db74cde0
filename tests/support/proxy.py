"""An HTTP/1.1 proxy between kilnd and a registry: it records every request, and can misbehave on purpose."""
import http.client
import socket
import socketserver
import struct
import threading
import time


class Request:
    """One request that came by: when it began and ended (monotonic seconds), and how it was answered."""

    def __init__(self, method, target):
        self.method = method
        self.target = target
        self.status = 0
        self.sent_bytes = 0  # of the request's body
        self.begin = time.monotonic()
        self.end = None

    def __repr__(self):
        return f"{self.method} {self.target} {self.status}"


class Fault:
    """What to do with a request; returned by the proxy's `fault` function. None passes it on."""

    def __init__(self, status=None, headers=None, body=b"", reset_after=None, stall_after=None, delay=0):
        self.status, self.headers, self.body = status, headers or {}, body  # answer this instead
        self.reset_after = reset_after  # pass on this many bytes of the answer's body, then reset
        self.stall_after = stall_after  # the same, then say nothing until the proxy is stopped
        self.delay = delay              # wait so many seconds first


class Proxy:
    """Listens on loopback; `host` stands in for the registry's. `fault(request)` may give a Fault."""

    def __init__(self, upstream, fault=None):
        self.upstream = upstream
        self.fault = fault or (lambda request: None)
        self.requests = []
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        proxy = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                try:
                    while proxy._serve_one(self.rfile, self.connection):
                        pass
                except (OSError, http.client.HTTPException):
                    pass  # kilnd closed its end, or a fault did

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True
            block_on_close = False
            request_queue_size = 64

        self.server = Server(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def stop(self):
        self.stopped.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def seen(self, method=None, part=""):
        """The requests so far, by method and by a part of their target."""
        with self.lock:
            return [one for one in self.requests if method in (None, one.method) and part in one.target]

    def clear(self):
        with self.lock:
            self.requests.clear()

    def most_at_once(self, method, part):
        """The largest number of requests of a kind that were under way at one time."""
        edges = []
        for one in self.seen(method, part):
            edges += [(one.begin, 1), (one.end or time.monotonic(), -1)]
        most = now = 0
        for _, step in sorted(edges):
            now += step
            most = max(most, now)
        return most

    def _serve_one(self, reader, connection):
        line = reader.readline(65536).decode("latin-1").split()
        if len(line) != 3:
            return False
        headers = http.client.parse_headers(reader)
        request = Request(line[0], line[1])
        with self.lock:
            self.requests.append(request)
        try:
            return self._answer(request, headers, reader, connection)
        finally:
            request.end = time.monotonic()

    @staticmethod
    def _body(reader, headers):
        """A body in chunks is passed on with its length."""
        if headers.get("Transfer-Encoding", "") != "chunked":
            return reader.read(int(headers.get("Content-Length", 0)))
        body = b""
        while True:
            line = reader.readline()
            if not line:
                raise ConnectionResetError("the rest of the body does not come")
            if int(line, 16) == 0:
                break
            body += reader.read(int(line, 16))
            reader.readline()
        reader.readline()
        headers.replace_header("Transfer-Encoding", "identity")
        headers["Content-Length"] = str(len(body))
        return body

    def _answer(self, request, headers, reader, connection):
        fault = self.fault(request) or Fault()
        if fault.delay:
            self.stopped.wait(fault.delay)
        body = self._body(reader, headers)
        request.sent_bytes = len(body)
        if fault.status:
            request.status = fault.status
            head = f"HTTP/1.1 {fault.status} Fault\r\nContent-Length: {len(fault.body)}\r\n"
            head += "".join(f"{name}: {value}\r\n" for name, value in fault.headers.items())
            connection.sendall(head.encode() + b"\r\n" + fault.body)
            return True
        return self._pass_on(request, headers, body, connection, fault)

    def _pass_on(self, request, headers, body, connection, fault):
        server = http.client.HTTPConnection(self.upstream, timeout=60)
        try:
            # The Host header stays: the registry's Location then leads back here.
            server.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                if name.lower() not in ("connection", "transfer-encoding"):
                    server.putheader(name, value)
            server.endheaders(body or None)
            answer = server.getresponse()
            request.status = answer.status
            head = f"HTTP/1.1 {answer.status} {answer.reason}\r\n"
            kept = [(name, value) for name, value in answer.getheaders()
                    if name.lower() not in ("connection", "transfer-encoding", "keep-alive")]
            chunked = answer.headers.get("Content-Length") is None and request.method != "HEAD" and \
                answer.status not in (204, 304)
            data = answer.read() if chunked else None
            if chunked:
                kept.append(("Content-Length", str(len(data))))
            head += "".join(f"{name}: {value}\r\n" for name, value in kept)
            connection.sendall(head.encode("latin-1") + b"\r\n")
            self._stream(answer, data, connection, fault)
            return True
        finally:
            server.close()

    def _stream(self, answer, data, connection, fault):
        limit = fault.reset_after if fault.reset_after is not None else fault.stall_after
        passed = 0
        while True:
            if data is not None:
                piece, data = data[:65536], data[65536:]
            else:
                piece = answer.read(65536)
            if limit is not None and passed + len(piece) >= limit:
                connection.sendall(piece[:limit - passed])
                if fault.stall_after is not None:
                    self.stopped.wait()
                # A linger of 0 makes the close a reset.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()
                raise ConnectionResetError
            if not piece:
                return
            connection.sendall(piece)
            passed += len(piece)
