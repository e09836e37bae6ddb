"""The broker from outside: start, footprint, 1 GiB through librdkafka's own tool, and the load program against the
broker and against librdkafka's mock cluster.

The mock cluster keeps no more than a few megabytes of a partition, so only producing is compared. It lives in the load
program's own process, which saves it the way between processes and costs it a part of that process's CPU time."""
import argparse
import pathlib
import re
import statistics
import subprocess
import time

from figures import cpu_seconds, show, status_mib
from support.broker import BUILD, LOAD, TAKHIN, Broker, clean_environment, run

MESSAGE_BYTES = 1024
TOOL_SOURCE = pathlib.Path("/usr/share/doc/librdkafka-dev/examples/rdkafka_performance.c")
# What the tool takes from librdkafka's own source tree.
TOOL_HEADER = """#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
typedef int64_t rd_ts_t;
#define rd_snprintf snprintf
#define RD_MIN(a, b) ((a) < (b) ? (a) : (b))
#define RD_MAX(a, b) ((a) > (b) ? (a) : (b))
static rd_ts_t rd_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000ll + now.tv_nsec / 1000;
}
"""


def build_tool():
    folder = BUILD / "bench" / "rdkafka"
    (folder / "src").mkdir(parents=True, exist_ok=True)
    (folder / "include").mkdir(exist_ok=True)
    (folder / "src" / "rd.h").write_text(TOOL_HEADER)
    for name in ("rd.h", "rdtime.h"):  # included by these names too
        (folder / "include" / name).write_text("")
    run("cc", "-O2", "-w", f"-I{folder}/include", "-I/usr/include/librdkafka", TOOL_SOURCE, "-o",
        folder / "rdkafka_performance", "-lrdkafka")
    return folder / "rdkafka_performance"


def start_ms():
    """From the call that starts the process to its line that says it is ready."""
    broker = Broker(profiler=False)
    environment = clean_environment(**{f"TAKHIN_{name.upper()}": value for name, value in broker.settings.items()})
    begin = time.monotonic()
    with subprocess.Popen([TAKHIN], stderr=subprocess.PIPE, text=True, env=environment) as broker.process:
        for line in broker.process.stderr:
            if "broker ready" in line:
                break
        took_ms = (time.monotonic() - begin) * 1000
        broker.__exit__()
    return took_ms


def footprint(starts):
    print(f"start and footprint, {starts} starts")
    show("ready on an empty folder, median", statistics.median(start_ms() for _ in range(starts)), "ms", at_most=100)
    for profiler in (False, True):
        with Broker(profiler=profiler) as broker:
            time.sleep(1)
            show(f"resident, idle, profiler {'on' if profiler else 'off'}", status_mib(broker, "VmRSS"),
                 "MiB", at_most=10)


def through_tool(mib):
    print(f"{mib} MiB in messages of {MESSAGE_BYTES} bytes through rdkafka_performance")
    tool, count = build_tool(), mib * 1024 * 1024 // MESSAGE_BYTES
    with Broker() as broker:
        run("kcat", "-b", broker.address, "-L", "-t", "performance")
        for what, arguments in (("produced, acks=all", ("-P", "-a", "-1", "-s", MESSAGE_BYTES)),
                                ("consumed", ("-C", "-o", "beginning"))):
            cpu = cpu_seconds(broker)
            result = run(tool, *arguments, "-b", broker.address, "-t", "performance", "-p", 0, "-c", count, "-q",
                         timeout_s=600)
            cpu = cpu_seconds(broker) - cpu
            # The last line that has rates: what comes before are intervals.
            per_second, mb = re.findall(r"(\d+) msgs/s (?:and|\() ?([\d.]+) MB/s", result.stdout + result.stderr)[-1]
            show(what, float(per_second), "messages/s", note=f"{mb} MB/s, {cpu:.2f} s of the broker's CPU time")
        show("resident, peak", status_mib(broker, "VmHWM"), "MiB", at_most=64)


def load(*arguments):
    """messages/s and the 99th percentile of the time to the acknowledgement in ms."""
    printed = run(LOAD, "-no-consume", *arguments).stdout
    return [float(value) for value in re.search(r"(\d+) messages/s.*ack .*p99 ([\d.]+) ms", printed).groups()]


def beside_the_mock(rounds, messages, rate):
    print(f"the load program, {messages} messages of 200 bytes to 8 partitions, medians of {rounds} rounds in turn")
    with Broker() as broker:
        arms = {"takhin": ("-brokers", broker.address), "mock cluster": ("-mock",)}
        for what, pace in (("as fast as it goes", ()), (f"{rate:,} messages/s", ("-rate", rate))):
            results = {name: [] for name in arms}
            for index in range(rounds):
                for name in sorted(arms, reverse=index % 2):
                    results[name].append(load(*arms[name], "-messages", messages, *pace))
            for column, figure, unit in ((0, "produced", "messages/s"), (1, "p99", "ms")):
                values = {name: statistics.median(row[column] for row in rows) for name, rows in results.items()}
                show(f"{what}: {figure}, takhin", values["takhin"], unit,
                     note=f"mock cluster {values['mock cluster']:,.6g}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=15)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=500_000)
    parser.add_argument("--rate", type=int, default=50_000)
    arguments = parser.parse_args()
    footprint(arguments.starts)
    through_tool(arguments.mib)
    beside_the_mock(arguments.rounds, arguments.messages, arguments.rate)


if __name__ == "__main__":
    main()
