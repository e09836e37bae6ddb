"""A debug port of our own for the tests of takhin-profiler, and what it answers."""
import contextlib
import gzip
import pathlib
import select
import socket
import ssl
import subprocess
import threading

# A profile of one sample: 7 times main, for 70 ms of CPU. See tests/pprof/test_encode.c for the format.
PLAIN = (b"\x0a\x04\x08\x01\x10\x02" b"\x0a\x04\x08\x03\x10\x04"
         b"\x12\x0a\x0a\x01\x01\x12\x05\x07\x80\xbd\xb0\x21"
         b"\x22\x08\x08\x01\x22\x04\x08\x01\x10\x05" b"\x2a\x06\x08\x01\x10\x05\x18\x05"
         b"\x32\x00\x32\x07samples\x32\x05count\x32\x03cpu\x32\x0bnanoseconds\x32\x04main" b"\x50\x80\x94\xeb\xdc\x03")
PROFILE = gzip.compress(PLAIN)


def varint(number):
    encoded = b""
    while number > 0x7f:
        encoded += bytes([number & 0x7f | 0x80])
        number >>= 7
    return encoded + bytes([number])


def record(kind, *values, counted=True):
    """One of an execution trace of Go's first format: up to three values are counted in its type, more have a size."""
    body = b"".join(varint(value) for value in values)
    if not counted or len(values) < 4:
        return bytes([kind | (0 if not counted else len(values) - 1) << 6]) + body
    return bytes([kind | 3 << 6]) + varint(len(body)) + body


def string(number, text):
    return record(37, number, len(text), counted=False) + text


NO_LANE = 2 ** 64 - 1
# A Produce of 50.003 ms, 50 of them in fsync, from 1 ms on. Times are in ns since the lane's record before.
TRACE = b"".join((
    b"go 1.19 trace\0\0\0",
    record(1, NO_LANE, 1000), record(2, 10 ** 9, counted=False),
    string(1, b"kafka connection"), string(2, b"src/broker/connection.c"), string(3, b"storage_log_append"),
    string(4, b"src/storage/log.c"), string(5, b"[fsync]"), string(6, b"Produce"),
    record(3, 1, 1, 16, 1, 2, 40), record(3, 2, 3, 64, 5, 0, 0, 32, 3, 4, 231, 48, 1, 2, 99),
    record(1, NO_LANE, 1000),
    record(13, 0, 7, 1, 0), record(4, 1, 1, 0),
    record(1, 0, 1001000), record(5, 0, 4242), record(14, 0, 7, 1),
    record(45, 0, 1, 0, 6, 0), record(26, 1000, 2),
    record(6, 0), record(5, 50000000, 4242), record(21, 0, 7, 2, 0), record(14, 1000, 7, 3), record(46, 1000, 1, 0),
    record(20, 1000, 0), record(6, 0)))


def response(status, body=b"", *headers, length=None):
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
    return "\r\n".join(head).encode() + body


class Request:
    """What a connection asked."""

    def __init__(self, connection, head):
        self.connection, self.head = connection, head
        first, *lines = head.split("\r\n")
        self.path = first.split(" ")[1] if first.count(" ") == 2 else ""
        self.headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines if ": " in line)}

    def wait_until_client_is_done(self):
        """Until it has shut its sending side, or all."""
        self.connection.settimeout(60)
        return self.connection.recv(1) == b""


class DebugServer:
    """Answers each connection on a thread of its own. `answer` is bytes, or a function of a Request that returns them;
    None: nothing comes, and the connection stays open until the test ends. Listens on a free port of `host`, or at
    `path`; `certificate` is a pair of files for TLS."""

    def __init__(self, answer, host="127.0.0.1", path=None, certificate=None):
        self.answer, self.context = answer, None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
        if path:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(path))
            self.listener.listen()
        else:
            is_v6 = ":" in host
            self.listener = socket.create_server((host, 0), family=socket.AF_INET6 if is_v6 else socket.AF_INET)
            self.port = self.listener.getsockname()[1]
            self.address = f"[{host}]:{self.port}" if is_v6 else f"{host}:{self.port}"
        self.requests = []
        self.asked, self.ended = threading.Event(), threading.Event()
        self.threads = [threading.Thread(target=self.accept)]

    def __enter__(self):
        self.threads[0].start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:  # the first one ends before it could add another
            thread.join()
        self.listener.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.threads.append(threading.Thread(target=self.serve, args=(connection,)))
            self.threads[-1].start()

    def serve(self, connection):
        try:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            with connection:
                self.serve_request(connection)
        except OSError:  # the client went, or speaks no TLS
            connection.close()

    def serve_request(self, connection):
        head = b""
        while b"\r\n\r\n" not in head:
            more = connection.recv(4096)
            if not more:
                return
            head += more
        request = Request(connection, head.decode())
        self.requests.append(request)
        self.asked.set()
        answer = self.answer(request) if callable(self.answer) else self.answer
        if answer is None:
            self.ended.wait(60)
        else:
            connection.sendall(answer)


@contextlib.contextmanager
def deaf_address():
    """HOST:PORT of one whose queue of connections is full: packets of another one are dropped."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        with socket.create_connection(listener.getsockname()):
            select.select([listener], [], [])  # until it is in the queue, which takes no more
            yield "%s:%d" % listener.getsockname()


def make_certificate(folder, name="localhost"):
    """A certificate that signs itself, and its key: two files. For a host's name, or an address."""
    folder = pathlib.Path(folder)
    files = folder / "certificate.pem", folder / "key.pem"
    kind = "IP" if name[0].isdigit() else "DNS"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName={kind}:{name}",
                    "-out", files[0], "-keyout", files[1]], check=True, capture_output=True, timeout=60)
    return files
