"""What a CPU profile that runs costs the throughput of producing: rounds with and without one, in turn.

A real client burns several times the CPU time of the broker, so its own pace would hide the broker's. Here the broker
is what limits: it has one reactor and is pinned to one core, sampler and all, while this program, on another core,
sends the same prepared Produce requests over and over and counts the bytes of the responses. A round is a fixed number
of requests to a topic of its own. Both arms run against one process with the profiler enabled; in one of them a profile
is being taken. Pairs of two rounds without a profile tell how far the machine alone moves the ratio."""
import argparse
import os
import pathlib
import socket
import statistics
import tempfile
import threading
import time

from figures import cpu_seconds, show, spread
from support.broker import Broker
from support.wire import CREATE_TOPICS, DELETE_TOPICS, PRODUCE, Connection, array, batch, pack, records, string

MESSAGES_A_REQUEST = 10
MESSAGE_BYTES = 100
REQUESTS_A_WRITE = 500
# Size, correlation id, one topic with one partition, throttle time.
RESPONSE_BYTES = 4 + 4 + 4 + 2 + len("round-000") + 4 + (4 + 2 + 8 + 8 + 8) + 4


def request(topic):
    body = string(None) + pack("hi", -1, 10_000) + array([string(topic) + array(
        [pack("i", 0) + records(batch(*[b"x" * MESSAGE_BYTES] * MESSAGES_A_REQUEST))])])
    frame = pack("hhi", PRODUCE, 7, 0) + string("overhead") + body
    return pack("i", len(frame)) + frame


class Profile:
    """A CPU profile that is being taken for as long as the block lasts."""

    def __init__(self, broker):
        self.broker = broker

    def __enter__(self):
        self.connection = socket.create_connection(("127.0.0.1", self.broker.ports["profiler"]))
        self.connection.sendall(b"GET /debug/pprof/profile?seconds=120&hz=100 HTTP/1.1\r\nHost: takhin\r\n\r\n")
        self.await_sampler(True)

    def __exit__(self, *_):
        self.connection.close()
        self.await_sampler(False)

    def await_sampler(self, wanted):
        while ("takhin-profiler"[:15] in self.broker.of_each_thread("comm")) != wanted:
            time.sleep(0.01)


class Rounds:
    def __init__(self, broker, requests):
        self.broker, self.requests, self.count = broker, requests, 0
        self.connection = Connection(broker.ports["kafka"])

    def admin(self, key, version, body):
        self.connection.call(key, version, body)

    def run(self):
        """(requests a second, CPU seconds of the broker, the part of its core that it used)"""
        topic = f"round-{self.count % 1000:03}"
        self.count += 1
        self.admin(CREATE_TOPICS, 2, array([string(topic) + pack("ih", 1, 1) + array([]) + array([])]) +
                   pack("i?", 10_000, False))
        block = request(topic) * REQUESTS_A_WRITE
        client = self.connection.socket

        def send():
            for _ in range(self.requests // REQUESTS_A_WRITE):
                client.sendall(block)

        sender = threading.Thread(target=send)
        scratch = bytearray(1 << 20)
        left = self.requests // REQUESTS_A_WRITE * REQUESTS_A_WRITE * RESPONSE_BYTES
        cpu, begin = cpu_seconds(self.broker), time.monotonic()
        sender.start()
        while left:
            got = client.recv_into(scratch, min(left, len(scratch)))
            if not got:
                raise SystemExit("the broker has closed the connection")
            left -= got
        took, cpu = time.monotonic() - begin, cpu_seconds(self.broker) - cpu
        sender.join()
        self.admin(DELETE_TOPICS, 1, array([string(topic)]) + pack("i", 10_000))
        return self.requests / took, cpu, cpu / took

    def pair(self, profile, first):
        """Two rounds: with the profile and without (or, for the control, both without)."""
        results = {}
        for with_profile in (first, not first):
            if with_profile and profile:
                with profile:
                    results[with_profile] = self.run()
            else:
                results[with_profile] = self.run()
        (rate_on, cpu_on, _), (rate_off, cpu_off, busy) = results[True], results[False]
        return rate_on / rate_off, cpu_on / cpu_off, rate_off, busy


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=21)
    parser.add_argument("--requests", type=int, default=200_000)
    arguments = parser.parse_args()

    cores = sorted(os.sched_getaffinity(0))
    shared_memory = pathlib.Path("/dev/shm")  # the disk's pace is nobody's overhead
    with tempfile.TemporaryDirectory(dir=shared_memory if shared_memory.is_dir() else None) as folder:
        os.sched_setaffinity(0, cores[:1])  # the broker inherits it
        with Broker(folder=folder, server_threads=1) as broker:
            os.sched_setaffinity(0, cores[1:] or cores)
            rounds, profile = Rounds(broker, arguments.requests), Profile(broker)
            rounds.run()  # warms up
            kinds = {"no profile / no profile": [], "profile at 100 Hz / no profile": []}
            for index in range(arguments.pairs):
                for kind, pairs in kinds.items():
                    pairs.append(rounds.pair(profile if kind.startswith("profile") else None, first=index % 2 == 0))

    print(f"{arguments.pairs} pairs of rounds of {arguments.requests} requests of {MESSAGES_A_REQUEST} messages of "
          f"{MESSAGE_BYTES} bytes, the broker on one core")
    rate, busy = (statistics.median(pair[i] for pairs in kinds.values() for pair in pairs) for i in (2, 3))
    show("produced, no profile", rate * MESSAGES_A_REQUEST, "messages/s")
    show("part of its core that the broker used meanwhile", busy, "", note="  near 1: it is what limits")
    for kind, pairs in kinds.items():
        control = kind.startswith("no")
        throughput, cpu = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        show(f"throughput, {kind}", statistics.median(throughput), "", at_least=None if control else 0.99)
        print(f"    {spread(throughput)}")
        show(f"CPU time of the broker, {kind}", statistics.median(cpu), "")
        print(f"    {spread(cpu)}")


if __name__ == "__main__":
    main()
