"""What the execution trace costs the throughput of producing: rounds with it and without it, in turn.

The reactor has a core of its own, and is what limits (rounds.py); whoever formats a trace runs beside this program on
the others. All arms run against one process, with all other samplers off: the flight recorder is switched on and off,
or that and a trace is streamed the whole round. Pairs of two rounds with everything off tell how far the machine alone
moves the ratio. What a record costs by itself, times the records of a round, is the third way to look at it."""
import argparse
import contextlib
import json
import os
import pathlib
import re
import socket
import statistics
import tempfile
import threading
import urllib.request

from figures import reactor_cpu_seconds, show
from rounds import MESSAGE_BYTES, Rounds, pair, report
from support.broker import BUILD, Broker, run

RECORDER, STREAMING = "flight recorder", "flight recorder and streaming"
GOALS = {RECORDER: 0.99, STREAMING: 0.98}
OFF = {"mem_rate": 0, "block_rate": 0, "mutex_fraction": 0, "trace_buffer": 0}
STREAM_S = 60
# Kafka's own producer sends batches of up to 16 KiB; the others show what a record costs where requests are cheap.
WORK = {"batches of 16 KiB": 160, "batches of 1 KiB": 10}


class Switch:
    def __init__(self, broker):
        self.broker = broker
        configured = json.loads(broker.get("profiler", "/debug/profiler/config"))
        self.buffer_bytes = configured["trace_buffer"]
        self.set(OFF)

    def set(self, values):
        request = urllib.request.Request(self.broker.url("profiler", "/debug/profiler/config"), method="PUT",
                                         data=json.dumps(values).encode())
        urllib.request.urlopen(request).close()

    @contextlib.contextmanager
    def recorder(self):
        self.set({"trace_buffer": self.buffer_bytes})
        yield
        self.set(OFF)

    @contextlib.contextmanager
    def streaming(self):
        """The bytes are read and thrown away. The trace may not end before the round."""
        with self.recorder(), socket.create_connection(("127.0.0.1", self.broker.ports["profiler"])) as connection:
            connection.sendall(f"GET /debug/pprof/trace?seconds={STREAM_S} HTTP/1.1\r\nHost: takhin\r\n\r\n".encode())
            if not connection.recv(1 << 20).startswith(b"HTTP/1.1 200"):
                raise SystemExit("the broker answers no trace")
            tail = [b""]

            def drain():
                with contextlib.suppress(ConnectionResetError):
                    while got := connection.recv(1 << 20):
                        tail[0] = (tail[0] + got)[-5:]

            reader = threading.Thread(target=drain)
            reader.start()
            yield
            connection.shutdown(socket.SHUT_RDWR)
            reader.join()
            if tail[0] == b"0\r\n\r\n":
                raise SystemExit("the trace has ended before the round: take fewer requests")


def record_count(broker):
    return broker.metrics()["takhin_profiler_trace_records_total"]


def cost_by_events(rounds, switch, record_ns):
    """The part of the reactor's CPU time that writing the records of a round down takes."""
    with switch.recorder():
        before = record_count(rounds.broker)
        _, cpu_s, _ = rounds.produce()
        count = record_count(rounds.broker) - before
    return count / rounds.requests, count * record_ns / 1e9 / cpu_s


def record_cost_ns():
    """What bench_runtime_trace says of a request's records, on average."""
    printed = run(BUILD / "bench" / "bench_runtime_trace").stdout
    request_ns = float(re.search(r"all of a Produce that is served +([\d.]+) ns", printed).group(1))
    records = float(re.search(r"([\d.]+) records of 16 bytes", printed).group(1))
    return request_ns / records


def pin(broker, cores):
    """The reactor to the first core, all other threads, and those that they will start, to the others."""
    for task in pathlib.Path(f"/proc/{broker.process.pid}/task").iterdir():
        is_reactor = (task / "comm").read_text().startswith("reactor-")
        os.sched_setaffinity(int(task.name), cores[:1] if is_reactor else cores[1:] or cores)
    os.sched_setaffinity(0, cores[1:] or cores)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=21)
    parser.add_argument("--mib", type=int, default=200, help="that a round produces")
    arguments = parser.parse_args()

    record_ns = record_cost_ns()
    shared_memory = pathlib.Path("/dev/shm")  # the disk's pace is nobody's overhead
    with tempfile.TemporaryDirectory(dir=shared_memory if shared_memory.is_dir() else None) as folder:
        # The batches are of long ago: nothing may expire in the middle of a round.
        with Broker(folder=folder, server_threads=1, storage_log_retention="-1") as broker:
            pin(broker, sorted(os.sched_getaffinity(0)))
            switch = Switch(broker)
            arms = {"all off": contextlib.nullcontext, RECORDER: switch.recorder, STREAMING: switch.streaming}
            work = {what: Rounds(broker, arguments.mib * (1 << 20) // (messages * MESSAGE_BYTES), messages,
                                 reactor_cpu_seconds) for what, messages in WORK.items()}
            results = {what: {arm: [] for arm in arms} for what in work}
            costs = {what: [] for what in work}
            for rounds in work.values():
                rounds.produce()  # warms up
            for index in range(arguments.pairs):
                for what, rounds in work.items():
                    for arm, switched_on in arms.items():
                        results[what][arm].append(pair(rounds.produce, switched_on, on_first=index % 2 == 0))
                    costs[what].append(cost_by_events(rounds, switch, record_ns))

    print(f"{arguments.pairs} pairs of rounds of {arguments.mib} MiB in messages of {MESSAGE_BYTES} bytes, the reactor "
          "on a core of its own")
    show("a record", record_ns, "ns")
    for what, arms in results.items():
        is_typical = what == next(iter(WORK))
        report(what, arms, GOALS if is_typical else {}, "the reactor", WORK[what])
        records, part = (statistics.median(cost[i] for cost in costs[what]) for i in (0, 1))
        show("  records a request", records, "")
        show("  their cost, as part of the reactor's CPU time", 100 * part, "%", at_most=0.5 if is_typical else None)


if __name__ == "__main__":
    main()
