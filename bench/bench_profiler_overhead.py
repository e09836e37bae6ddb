"""What the profiler costs the throughput of producing and consuming: rounds with it and without it, in turn.

A real client burns several times the CPU time of the broker, so its own pace would hide the broker's. Here the broker
is what limits: it has one reactor and is pinned to one core, sampler and all, while this program, on another core,
sends the same prepared requests over and over and counts the bytes of the responses. A round is a fixed number of
requests, those of producing to a topic of its own. All arms run against one process, whose rates are set between the
rounds; pairs of two rounds with everything off tell how far the machine alone moves the ratio."""
import argparse
import contextlib
import json
import os
import pathlib
import socket
import statistics
import struct
import tempfile
import threading
import time
import urllib.request

from figures import cpu_seconds, show, spread
from support.broker import Broker
from support.wire import CREATE_TOPICS, DELETE_TOPICS, FETCH, PRODUCE, Connection, array, batch, pack, records, string

MESSAGES_A_REQUEST = 10
MESSAGE_BYTES = 100
REQUESTS_A_WRITE = 500
FETCH_COSTS_AS_MANY = 4  # so that both kinds of rounds take about as long
# Size, correlation id, one topic with one partition, throttle time.
PRODUCE_RESPONSE_BYTES = 4 + 4 + 4 + 2 + len("round-000") + 4 + (4 + 2 + 8 + 8 + 8) + 4
RATES = ("mem_rate", "block_rate", "mutex_fraction")


def framed(key, version, body):
    frame = pack("hhi", key, version, 0) + string("overhead") + body
    return pack("i", len(frame)) + frame


def produce_request(topic):
    return framed(PRODUCE, 7, string(None) + pack("hi", -1, 10_000) + array([string(topic) + array(
        [pack("i", 0) + records(batch(*[b"x" * MESSAGE_BYTES] * MESSAGES_A_REQUEST))])]))


def fetch_request(topic):
    """Of one byte: the first batch, whole."""
    return framed(FETCH, 4, pack("iiiib", -1, 0, 1, 1, 0) + array([string(topic) + array([pack("iqi", 0, 0, 1)])]))


class Switch:
    """What the profiler does while a block lasts; nothing at all between two of them."""

    def __init__(self, broker):
        self.broker = broker
        configured = json.loads(broker.get("profiler", "/debug/profiler/config"))
        self.rates = {name: configured[name] for name in RATES}
        self.set_rates(dict.fromkeys(RATES, 0))

    def set_rates(self, rates):
        request = urllib.request.Request(self.broker.url("profiler", "/debug/profiler/config"), method="PUT",
                                         data=json.dumps(rates).encode())
        urllib.request.urlopen(request).close()

    @contextlib.contextmanager
    def cpu(self):
        with socket.create_connection(("127.0.0.1", self.broker.ports["profiler"])) as connection:
            connection.sendall(b"GET /debug/pprof/profile?seconds=120&hz=100 HTTP/1.1\r\nHost: takhin\r\n\r\n")
            self.await_sampler(True)
            yield
        self.await_sampler(False)

    @contextlib.contextmanager
    def everything(self):
        self.set_rates(self.rates)
        with self.cpu():
            yield
        self.set_rates(dict.fromkeys(RATES, 0))

    def await_sampler(self, wanted):
        while ("takhin-profiler"[:15] in self.broker.of_each_thread("comm")) != wanted:
            time.sleep(0.01)


class Rounds:
    def __init__(self, broker, requests):
        self.broker, self.requests, self.count = broker, requests // REQUESTS_A_WRITE * REQUESTS_A_WRITE, 0
        self.connection = Connection(broker.ports["kafka"])
        self.create("fetched")
        self.exchange(produce_request("fetched"), 1, PRODUCE_RESPONSE_BYTES - len("round-000") + len("fetched"))
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
        client, at_once = self.connection.socket, min(requests, REQUESTS_A_WRITE)
        block = request * at_once

        def send():
            for _ in range(requests // at_once):
                client.sendall(block)

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
        """(requests a second, CPU seconds of the broker, the part of its core that it used)"""
        cpu, begin = cpu_seconds(self.broker), time.monotonic()
        self.exchange(request, requests, response_bytes)
        took, cpu = time.monotonic() - begin, cpu_seconds(self.broker) - cpu
        return requests / took, cpu, cpu / took

    def produce(self):
        topic = f"round-{self.count % 1000:03}"
        self.count += 1
        self.create(topic)
        result = self.measured(produce_request(topic), self.requests, PRODUCE_RESPONSE_BYTES)
        self.connection.call(DELETE_TOPICS, 1, array([string(topic)]) + pack("i", 10_000))
        return result

    def consume(self):
        requests = self.requests // FETCH_COSTS_AS_MANY // REQUESTS_A_WRITE * REQUESTS_A_WRITE
        return self.measured(fetch_request("fetched"), requests, self.fetch_response_bytes)


def pair(measure, switched_on, on_first):
    """Two rounds: switched on and off."""
    results = {}
    for is_on in (on_first, not on_first):
        with switched_on() if is_on else contextlib.nullcontext():
            results[is_on] = measure()
    (rate_on, cpu_on, _), (rate_off, cpu_off, busy) = results[True], results[False]
    return rate_on / rate_off, cpu_on / cpu_off, rate_off, busy


def report(what, arms):
    rate, busy = (statistics.median(pair[i] for pairs in arms.values() for pair in pairs) for i in (2, 3))
    show(f"{what}, all off", rate * MESSAGES_A_REQUEST, "messages/s")
    show("part of its core that the broker used meanwhile", busy, "", note="  near 1: it is what limits")
    for arm, pairs in arms.items():
        throughput, cpu = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        show(f"{what}, {arm} / all off", statistics.median(throughput), "",
             at_least=None if arm == "all off" else 0.99)
        print(f"    {spread(throughput)}")
        show("  CPU time of the broker", statistics.median(cpu), "")
        print(f"    {spread(cpu)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=21)
    parser.add_argument("--requests", type=int, default=200_000)
    arguments = parser.parse_args()

    cores = sorted(os.sched_getaffinity(0))
    shared_memory = pathlib.Path("/dev/shm")  # the disk's pace is nobody's overhead
    with tempfile.TemporaryDirectory(dir=shared_memory if shared_memory.is_dir() else None) as folder:
        os.sched_setaffinity(0, cores[:1])  # the broker inherits it
        # The batches are of long ago: nothing may expire in the middle of a round.
        with Broker(folder=folder, server_threads=1, storage_log_retention="-1") as broker:
            os.sched_setaffinity(0, cores[1:] or cores)
            rounds, switch = Rounds(broker, arguments.requests), Switch(broker)
            arms = {"all off": contextlib.nullcontext, "cpu at 100 Hz": switch.cpu,
                    "all on, cpu at 100 Hz": switch.everything}
            work = {"produced": rounds.produce, "consumed": rounds.consume}
            results = {what: {arm: [] for arm in arms} for what in work}
            for measure in work.values():
                measure()  # warms up
            for index in range(arguments.pairs):
                for what, measure in work.items():
                    for arm, switched_on in arms.items():
                        results[what][arm].append(pair(measure, switched_on, on_first=index % 2 == 0))

    print(f"{arguments.pairs} pairs of rounds of {arguments.requests} Produce requests, or {FETCH_COSTS_AS_MANY} times "
          f"fewer Fetch requests, of {MESSAGES_A_REQUEST} messages of {MESSAGE_BYTES} bytes, the broker on one core")
    for what, arms in results.items():
        report(what, arms)


if __name__ == "__main__":
    main()
