"""Rounds of Kafka requests as fast as the broker answers them, and pairs of two rounds, with something and without it.

A real client burns several times the CPU time of the broker, so its own pace would hide the broker's. Here the same
prepared requests are sent over and over, and of the responses only the bytes are counted: the broker is what limits, if
it has one reactor on a core and this program another."""
import contextlib
import statistics
import struct
import threading
import time

from figures import cpu_seconds, show, spread
from support.wire import CREATE_TOPICS, DELETE_TOPICS, FETCH, PRODUCE, Connection, array, batch, pack, records, string

MESSAGES_A_REQUEST = 10
MESSAGE_BYTES = 100
BYTES_A_WRITE = 1 << 20
FETCH_COSTS_AS_MANY = 4  # so that both kinds of rounds take about as long
# Size, correlation id, one topic with one partition, throttle time.
PRODUCE_RESPONSE_BYTES = 4 + 4 + 4 + 2 + len("round-000") + 4 + (4 + 2 + 8 + 8 + 8) + 4


def framed(key, version, body):
    frame = pack("hhi", key, version, 0) + string("overhead") + body
    return pack("i", len(frame)) + frame


def produce_request(topic, messages):
    return framed(PRODUCE, 7, string(None) + pack("hi", -1, 10_000) + array([string(topic) + array(
        [pack("i", 0) + records(batch(*[b"x" * MESSAGE_BYTES] * messages))])]))


def fetch_request(topic):
    """Of one byte: the first batch, whole."""
    return framed(FETCH, 4, pack("iiiib", -1, 0, 1, 1, 0) + array([string(topic) + array([pack("iqi", 0, 0, 1)])]))


class Rounds:
    """A round is a fixed number of requests, those of producing to a topic of its own. What one returns is (requests a
    second, CPU seconds of what `cpu` looks at, the part of a core that these are)."""

    def __init__(self, broker, requests, messages=MESSAGES_A_REQUEST, cpu=cpu_seconds):
        self.broker, self.requests, self.messages, self.cpu, self.count = broker, requests, messages, cpu, 0
        self.connection = Connection(broker.ports["kafka"])
        self.create("fetched")
        self.exchange(produce_request("fetched", messages), 1,
                      PRODUCE_RESPONSE_BYTES - len("round-000") + len("fetched"))
        self.connection.socket.sendall(fetch_request("fetched"))
        self.fetch_response_bytes = 4 + struct.unpack(">i", self.receive(4))[0]
        self.receive(self.fetch_response_bytes - 4)

    def receive(self, size):
        data = b""
        while len(data) < size:
            data += self.connection.socket.recv(size - len(data))
        return data

    def create(self, topic):
        self.connection.call(CREATE_TOPICS, 2, array([string(topic) + pack("ih", 1, 1) + array([]) + array([])]) +
                             pack("i?", 10_000, False))

    def exchange(self, request, requests, response_bytes):
        """Send it so many times while the responses are read."""
        client, at_once = self.connection.socket, max(1, min(requests, 500, BYTES_A_WRITE // len(request)))
        block = request * at_once

        def send():
            for _ in range(requests // at_once):
                client.sendall(block)
            client.sendall(request * (requests % at_once))

        sender = threading.Thread(target=send)
        scratch = bytearray(1 << 20)
        left = requests * response_bytes
        sender.start()
        while left:
            got = client.recv_into(scratch, min(left, len(scratch)))
            if not got:
                raise SystemExit("the broker has closed the connection")
            left -= got
        sender.join()

    def measured(self, request, requests, response_bytes):
        cpu, begin = self.cpu(self.broker), time.monotonic()
        self.exchange(request, requests, response_bytes)
        took, cpu = time.monotonic() - begin, self.cpu(self.broker) - cpu
        return requests / took, cpu, cpu / took

    def produce(self):
        topic = f"round-{self.count % 1000:03}"
        self.count += 1
        self.create(topic)
        result = self.measured(produce_request(topic, self.messages), self.requests, PRODUCE_RESPONSE_BYTES)
        self.connection.call(DELETE_TOPICS, 1, array([string(topic)]) + pack("i", 10_000))
        return result

    def consume(self):
        return self.measured(fetch_request("fetched"), self.requests // FETCH_COSTS_AS_MANY, self.fetch_response_bytes)


def pair(measure, switched_on, on_first):
    """Two rounds: switched on and off. (Ratio of throughput, ratio of CPU time; throughput and busy part when off)"""
    results = {}
    for is_on in (on_first, not on_first):
        with switched_on() if is_on else contextlib.nullcontext():
            results[is_on] = measure()
    (rate_on, cpu_on, _), (rate_off, cpu_off, busy) = results[True], results[False]
    return rate_on / rate_off, cpu_on / cpu_off, rate_off, busy


def report(what, arms, goals, whose="the broker", messages=MESSAGES_A_REQUEST):
    """arms: {name: pairs}; goals: {name: the least ratio of throughput}. Those without one are controls."""
    rate, busy = (statistics.median(pair[i] for pairs in arms.values() for pair in pairs) for i in (2, 3))
    show(f"{what}, all off", rate * messages, "messages/s")
    show(f"part of its core that {whose} used meanwhile", busy, "", note="  near 1: it is what limits")
    for arm, pairs in arms.items():
        throughput, cpu = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        show(f"{what}, {arm} / all off", statistics.median(throughput), "", at_least=goals.get(arm))
        print(f"    {spread(throughput)}")
        show(f"  CPU time of {whose}", statistics.median(cpu), "")
        print(f"    {spread(cpu)}")
