"""What the benchmarks in Python share: a figure beside its goal, and what a broker has used."""
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests"))


def show(what, value, unit, at_most=None, at_least=None, note=""):
    """One line; a figure that misses its goal says so."""
    goal = verdict = ""
    if at_most is not None:
        goal, verdict = f"goal <= {at_most:g}", "" if value <= at_most else "MISSED"
    elif at_least is not None:
        goal, verdict = f"goal >= {at_least:g}", "" if value >= at_least else "MISSED"
    digits = f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
    print(f"  {what:<50} {digits:>12} {unit:<11} {goal:<14} {verdict}{note}".rstrip(), flush=True)


def spread(values):
    """The median and the quartiles, as text."""
    low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    return f"median {middle:.4f}, quartiles {low:.4f} to {high:.4f}, {len(values)} pairs"


def status_mib(broker, field):
    """VmRSS or VmHWM (its peak)."""
    for line in pathlib.Path(f"/proc/{broker.process.pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise KeyError(field)


def cpu_seconds(broker, threads=""):
    """CPU time of the threads that live and whose names begin so, by the scheduler's own count in nanoseconds."""
    return sum(int(text.split()[0]) for text in broker.of_each_thread("schedstat", threads)) / 1e9


def reactor_cpu_seconds(broker):
    return cpu_seconds(broker, "reactor-")
