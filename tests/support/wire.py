"""Kafka's protocol by hand, for tests that ask what no client would: packers, a reader, a connection."""
import socket
import struct

from kafka.record.default_records import DefaultRecordBatchBuilder

PRODUCE, FETCH, LIST_OFFSETS, METADATA, FIND_COORDINATOR = 0, 1, 2, 3, 10
API_VERSIONS, CREATE_TOPICS, DELETE_TOPICS, INIT_PRODUCER_ID = 18, 19, 20, 22

NO_TAGS = b"\0"
ANSWER_TIMEOUT_S = 60


def pack(layout, *values):
    """Integers: b int8, h int16, i int32, q int64, ? bool."""
    return struct.pack(">" + layout, *values)


def string(text):
    return pack("h", -1) if text is None else pack("h", len(text)) + text.encode()


def array(items):
    return pack("i", -1) if items is None else pack("i", len(items)) + b"".join(items)


def records(data):
    return pack("i", -1) if data is None else pack("i", len(data)) + data


def compact(items):
    """An array of a flexible version."""
    return bytes([0]) if items is None else bytes([len(items) + 1]) + b"".join(items)


def batch(*values, producer=(-1, -1, -1)):
    """A record batch; `producer` is its id, epoch and first sequence."""
    builder = DefaultRecordBatchBuilder(2, 0, False, *producer, batch_size=1 << 20)
    for i, value in enumerate(values):
        builder.append(i, 1_700_000_000_000 + i, None, value, [])
    return bytes(builder.build())


class Reader:
    def __init__(self, data):
        self.data, self.position = data, 0

    def take(self, size):
        self.position += size
        if self.position > len(self.data):
            raise AssertionError("the response ends too early")
        return self.data[self.position - size:self.position]

    def unpack(self, layout):
        values = struct.unpack(">" + layout, self.take(struct.calcsize(">" + layout)))
        return values[0] if len(values) == 1 else values

    def uvarint(self):
        value = shift = 0
        while True:
            byte = self.unpack("B")
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def string(self):
        size = self.unpack("h")
        return None if size < 0 else self.take(size).decode()

    def bytes(self):
        size = self.unpack("i")
        return None if size < 0 else self.take(size)

    def array(self, read):
        return [read() for _ in range(self.unpack("i"))]

    def compact_bytes(self):
        size = self.uvarint() - 1
        return None if size < 0 else self.take(size)

    def compact_array(self, read):
        return [read() for _ in range(self.uvarint() - 1)]

    def end(self):
        if self.position != len(self.data):
            raise AssertionError(f"{len(self.data) - self.position} bytes are left")


class Connection:
    def __init__(self, port, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), timeout=ANSWER_TIMEOUT_S)
        self.sent = self.received = 0

    def close(self):
        self.socket.close()

    def send(self, key, version, body, flexible=False):
        frame = pack("hhi", key, version, self.sent) + string("wire") + (NO_TAGS if flexible else b"") + body
        self.sent += 1
        self.socket.sendall(pack("i", len(frame)) + frame)

    def skip(self):
        """The last request that was sent gets no response."""
        self.received += 1

    def _receive(self, size):
        data, filled = bytearray(size), 0
        while filled < size:
            got = self.socket.recv_into(memoryview(data)[filled:])
            if not got:
                raise EOFError("closed by the broker")
            filled += got
        return bytes(data)

    def receive(self, flexible=False):
        reader = Reader(self._receive(struct.unpack(">i", self._receive(4))[0]))
        correlation = reader.unpack("i")
        if correlation != self.received:
            raise AssertionError(f"response {correlation} came for request {self.received}")
        self.received += 1
        if flexible:
            reader.take(len(NO_TAGS))
        return reader

    def call(self, key, version, body, flexible=False):
        self.send(key, version, body, flexible)
        return self.receive(flexible)
