"""How long a heap profile of a broker under load takes, and whether the broker's own clients notice.

Real clients load the broker. A probe beside them sends one Produce request after the other and notes how long each
takes. In turn, for a while another process fetches twenty heap profiles a second, and for a while it does not: the
probe's latencies of the two kinds of while are compared."""
import argparse
import gc
import http.client
import multiprocessing
import statistics
import subprocess
import time

from figures import show
from support.broker import LOAD, Broker
from support.wire import CREATE_TOPICS, PRODUCE, Connection, array, batch, pack, records, string

WHILE_S = 1.0
EVERY_S = 0.05
WARM_UP = 5  # whiles of each kind: names are looked up in them that are kept then


def fetch_heaps(port, orders):
    """In a process of its own: from one order to the next one heap profiles, and then what they took."""
    while True:
        orders.recv()
        heaps = []
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while not orders.poll():
            begin = time.monotonic()
            connection.request("GET", "/debug/pprof/heap")
            response = connection.getresponse()
            size = len(response.read())
            heaps.append((time.monotonic() - begin, size, response.status))
            time.sleep(max(0, begin + EVERY_S - time.monotonic()))
        connection.close()
        orders.recv()
        orders.send(heaps)


def probe(connection, request, seconds):
    """The seconds that each request took."""
    times = []
    end = time.monotonic() + seconds
    while (begin := time.monotonic()) < end:
        connection.call(PRODUCE, 7, request)
        times.append(time.monotonic() - begin)
        time.sleep(0.0005)
    return times


def quantile_ms(times, part):
    return 1000 * sorted(times)[min(len(times) - 1, int(part * len(times)))]


def measure(broker, whiles):
    """{fetching or not: latencies of the probe}, [(seconds, bytes, status) of each heap profile]"""
    connection = Connection(broker.ports["kafka"])
    connection.call(CREATE_TOPICS, 2, array([string("probe") + pack("ih", 1, 1) + array([]) + array([])]) +
                    pack("i?", 10_000, False))
    request = string(None) + pack("hi", -1, 10_000) + array([string("probe") + array(
        [pack("i", 0) + records(batch(b"x" * 100))])])
    context = multiprocessing.get_context("spawn")
    orders, their_end = context.Pipe()
    fetcher = context.Process(target=fetch_heaps, args=(broker.ports["profiler"], their_end), daemon=True)
    fetcher.start()
    latencies, heaps = {True: [], False: []}, []
    gc.disable()
    try:
        for index in range(WARM_UP + whiles):
            for fetching in (index % 2 == 0, index % 2 != 0):
                if fetching:
                    orders.send("begin")
                times = probe(connection, request, WHILE_S)
                if fetching:
                    orders.send("end")
                    fetched = orders.recv()
                if index >= WARM_UP:
                    latencies[fetching] += times
                    heaps += fetched if fetching else []
    finally:
        gc.enable()
        fetcher.terminate()
        fetcher.join()
    return latencies, heaps


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--whiles", type=int, default=15, help="of each kind, a second each")
    parser.add_argument("--rate", type=int, default=20_000, help="of the load beside it")
    arguments = parser.parse_args()

    with Broker(server_threads=2) as broker:
        load = subprocess.Popen([LOAD, "-brokers", broker.address, "-duration", "3600", "-rate", str(arguments.rate)],
                                stdout=subprocess.DEVNULL)
        try:
            latencies, heaps = measure(broker, arguments.whiles)
        finally:
            load.terminate()
            load.wait()
    times = [seconds for seconds, _, status in heaps if status == 200]
    print(f"{len(times)} of {len(heaps)} heap profiles of {statistics.median(size for _, size, _ in heaps):.0f} bytes, "
          f"{1 / EVERY_S:.0f} a second, beside {arguments.rate:,} messages/s")
    show("heap profile, p50", quantile_ms(times, 0.5), "ms")
    show("heap profile, p99", quantile_ms(times, 0.99), "ms", at_most=50)
    for part, name in ((0.5, "p50"), (0.99, "p99"), (0.999, "p99.9"), (1, "slowest")):
        without, beside = quantile_ms(latencies[False], part), quantile_ms(latencies[True], part)
        show(f"Produce beside them, {name}, longer by", beside - without, "ms",
             at_most=1 if part < 1 else None, note=f"  {without:.3f} without, {beside:.3f} with")


if __name__ == "__main__":
    main()
