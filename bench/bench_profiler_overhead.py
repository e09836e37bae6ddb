"""What the profiler costs the throughput of producing and consuming: rounds with it and without it, in turn.

The broker, pinned to one core with sampler and all, is what limits (rounds.py). All arms run against one process, whose
rates are set between the rounds; pairs of two rounds with everything off tell how far the machine alone moves the
ratio."""
import argparse
import contextlib
import json
import os
import pathlib
import socket
import tempfile
import time
import urllib.request

from rounds import FETCH_COSTS_AS_MANY, MESSAGE_BYTES, MESSAGES_A_REQUEST, Rounds, pair, report
from support.broker import Broker

RATES = ("mem_rate", "block_rate", "mutex_fraction")
GOALS = {"cpu at 100 Hz": 0.99, "all on, cpu at 100 Hz": 0.99}


class Switch:
    """What the profiler does while a block lasts; nothing at all between two of them. The flight recorder is off all
    the time: what it costs, bench_trace_overhead.py says."""

    def __init__(self, broker):
        self.broker = broker
        configured = json.loads(broker.get("profiler", "/debug/profiler/config"))
        self.rates = {name: configured[name] for name in RATES}
        self.set_rates({**dict.fromkeys(RATES, 0), "trace_buffer": 0})

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
        report(what, arms, GOALS)


if __name__ == "__main__":
    main()
