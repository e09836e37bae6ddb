"""Bytes that no client should send cost their sender the connection, never the broker."""
import os
import random
import socket
import struct
import sys
import unittest

sys.path.insert(0, __file__.rsplit("/", 2)[0])
from support.broker import TIMEOUT_S, Broker
from support.kcat import kcat

API_VERSIONS_V0 = struct.pack(">hhih4s", 18, 0, 7, 4, b"test")


def frame(payload):
    return struct.pack(">i", len(payload)) + payload


def receive(connection, size):
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise EOFError(f"closed after {len(data)} of {size} bytes")
        data += piece
    return data


def receive_frame(connection):
    return receive(connection, struct.unpack(">i", receive(connection, 4))[0])


def connect(broker):
    return socket.create_connection(("127.0.0.1", broker.ports["kafka"]), timeout=TIMEOUT_S)


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker(kafka_max_request_bytes="1MiB", kafka_max_connections=50).start()

    @classmethod
    def tearDownClass(cls):
        cls.broker.__exit__()

    def connect(self):
        connection = connect(self.broker)
        self.addCleanup(connection.close)
        return connection

    def assert_closed(self, connection):
        try:
            self.assertEqual(connection.recv(1), b"")
        except ConnectionResetError:
            pass

    def assert_alive(self):
        kcat(self.broker, "-L")

    def test_a_frame_beyond_the_limit_closes(self):
        for size in (-1, 0, 2**31 - 1, 2 * 1024 * 1024):
            with self.subTest(size):
                connection = self.connect()
                connection.sendall(struct.pack(">i", size))
                self.assert_closed(connection)
        self.assert_alive()

    def test_garbage_closes_with_one_line_in_the_log(self):
        with Broker() as broker:
            with connect(broker) as connection:
                connection.sendall(frame(b"\xff" * 100))
                self.assert_closed(connection)
            broker.stop()
            [line] = [line for line in broker.log().splitlines() if "peer=" in line]
        self.assertRegex(line, r" warning connection closed peer=127\.0\.0\.1:\d+ .*reason=")

    def test_random_requests_never_hurt(self):
        random.seed(20260101)
        for _ in range(300):
            connection = self.connect()
            key = random.choice((0, 1, 2, 3, 10, 18, 19, 20, 22, random.randrange(-5, 100)))
            header = struct.pack(">hhih", key, random.randrange(-1, 14), 1, -1)
            connection.sendall(frame(header + random.randbytes(random.randrange(200))))
            connection.shutdown(socket.SHUT_WR)
            try:
                while connection.recv(65536):
                    pass
            except ConnectionResetError:
                pass
            connection.close()
        self.assert_alive()

    def test_half_a_frame_and_gone(self):
        for size in range(1, len(frame(API_VERSIONS_V0))):
            connection = self.connect()
            connection.sendall(frame(API_VERSIONS_V0)[:size])
            connection.close()
        self.assert_alive()

    def test_an_unknown_version_of_api_versions_is_answered_in_version_0(self):
        connection = self.connect()
        connection.sendall(frame(struct.pack(">hhih4sb", 18, 99, 7, 4, b"test", 0)))
        correlation, error = struct.unpack(">ih", receive_frame(connection)[:6])
        self.assertEqual((correlation, error), (7, 35))

    def test_pipelined_requests_are_answered_in_order(self):
        connection = self.connect()
        count = 500
        connection.sendall(b"".join(frame(struct.pack(">hhih4s", 18, 0, i, 4, b"test")) for i in range(count)))
        answered = [struct.unpack(">i", receive_frame(connection)[:4])[0] for _ in range(count)]
        self.assertEqual(answered, list(range(count)))

    def test_a_frame_may_come_byte_by_byte(self):
        connection = self.connect()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in frame(API_VERSIONS_V0):
            connection.sendall(bytes([byte]))
        self.assertEqual(struct.unpack(">i", receive_frame(connection)[:4])[0], 7)

    def test_connections_beyond_the_limit_are_closed_and_the_others_stay(self):
        with Broker(kafka_max_connections=10) as broker:
            connections = []
            try:
                for _ in range(20):
                    connections.append(connect(broker))
                served = 0
                for connection in connections:
                    try:
                        connection.sendall(frame(API_VERSIONS_V0))
                        receive_frame(connection)
                        served += 1
                    except (EOFError, ConnectionError):
                        pass
                self.assertEqual(served, 10)
            finally:
                for connection in connections:
                    connection.close()

    def test_an_idle_connection_is_closed(self):
        with Broker(kafka_connection_timeout="1s") as broker:
            with connect(broker) as connection:
                self.assert_closed(connection)


class Footprint(unittest.TestCase):
    """Not timed: how much it holds, and that it is ready at once."""

    @unittest.skipIf(os.environ.get("TAKHIN_SANITIZE"), "a sanitizer's memory is not ours")
    def test_an_idle_broker_is_small(self):
        with Broker() as broker:
            with open(f"/proc/{broker.process.pid}/status") as status:
                resident_kib = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
            self.assertLess(resident_kib, 10 * 1024)


if __name__ == "__main__":
    unittest.main()
