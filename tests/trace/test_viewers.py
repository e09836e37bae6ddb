"""The made-up broker's trace in the viewers that this machine has: every go tool trace opens it in each format that it
knows, all its pages load, and what they say is what happened; Chrome's JSON and Perfetto's protobuf are well formed."""
import collections
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from support.trace_tool import TRACE_TOOLS  # noqa: E402

ENCODE = pathlib.Path(os.environ["TAKHIN_BUILD_DIR"]) / "tests" / "encode_broker"
# 500 requests a second on each of two reactors: three generations.
REQUESTS, PAUSE_NS = 2400, 3000000
PAGES = ("/", "/trace", "/goroutines", "/usertasks", "/userregions", "/mmu", "/io", "/block", "/syscall", "/sched",
         "/regionio", "/regionblock", "/regionsyscall", "/regionsched")


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def encode(self, name, events=None, requests=REQUESTS, pause_ns=PAUSE_NS):
        """The file, and what it adds up to."""
        path = self.folder / f"{name}-{events}.trace"
        limit = [] if events is None else [str(events)]
        output = subprocess.run([ENCODE, name, str(requests), str(pause_ns), path, *limit], check=True,
                                capture_output=True).stdout
        return path, json.loads(output)


class GoToolTrace(Case):
    def each(self):
        """Each go tool trace with each version of the format that it reads, and what is in the file."""
        if not TRACE_TOOLS:
            self.skipTest("this machine has no Go")
        for name in ("1.19", "1.22"):
            path, total = self.encode(name)
            for tool in TRACE_TOOLS:
                if tool.reads(name == "1.22"):
                    yield f"{tool} on {name}", tool, path, total

    def test_profiles_say_what_was_waited_for_and_where(self):
        for what, tool, path, total in self.each():
            with self.subTest(what):
                waits = {kind: tool.waits(kind, path) for kind in ("net", "sync", "syscall", "sched")}

                sums = {kind: sum(wait.ns for wait in found) for kind, found in waits.items()}
                self.assert_close(sums["net"], total["network_ns"])
                self.assert_close(sums["sync"], total["select_ns"] + total["sync_ns"] + total["condition_ns"])
                self.assert_close(sums["syscall"], total["call_ns"])
                self.assertGreater(sums["sched"], 2000 * total["produce"])
                places = {(wait.frames[0].function, wait.frames[1].file, wait.frames[1].line, wait.frames[-1].function)
                          for kind in ("net", "sync", "syscall") for wait in waits[kind]}
                connection = "kafka connection"
                self.assertLessEqual({("[socket read]", "src/runtime/stream.c", 180, connection),
                                      ("[mutex lock]", "src/storage/log.c", 470, connection),
                                      ("[fsync]", "src/storage/log.c", 488, connection),
                                      ("[data wait]", "src/storage/storage.c", 88, connection),
                                      ("[pwrite]", "src/storage/log.c", 480, connection),
                                      ("[fsync]", "src/storage/files.c", 140, "pool worker")}, places)
                self.assertEqual(sum(wait.count for wait in waits["syscall"]), total["calls"])

    def assert_close(self, found, expected):
        """Readers move times by a ns or two where several have the same."""
        self.assertAlmostEqual(found / expected, 1, delta=1e-3)

    def test_all_pages_load_and_say_what_happened(self):
        for what, tool, path, total in self.each():
            with self.subTest(what), tool.viewer(path) as viewer:
                for page in PAGES[:6] + tuple(page + "?raw=1" for page in PAGES[6:10]):
                    self.assertGreater(len(viewer.get(page)), 100, page)
                viewer.get("/mmuPlot?flags=")
                self.assertEqual({name: count for name, (count, _) in viewer.goroutines().items()},
                                 {"kafka connection": 10, "pool worker": 1, "late worker": 1, "visitor": 240})
                self.assertEqual({name: count for name, count in viewer.tasks().items() if name},
                                 {"Produce": total["produce"], "Fetch": total["fetch"]})
                durations_s = viewer.task_durations_s("Produce")
                self.assertEqual(len(durations_s), total["produce"])
                self.assertGreater(min(durations_s), 100e-6)
                regions = {(region.name, region.file, region.line): region.count for region in viewer.regions()}
                place = "src/broker/handlers/produce.c"
                self.assertEqual({key: count for key, count in regions.items() if key[1]},
                                 {("decode", place, 50): total["produce"] + total["fetch"],
                                  ("append", place, 60): total["produce"]})
                for page in {page for _, page in viewer.goroutines().values()}:
                    self.assertGreater(len(viewer.get(page)), 100, page)
                self.check_timelines(viewer, total)

    def check_timelines(self, viewer, total):
        for query in ("", "?view=thread", "?goid=1001", "?taskid=1", "?focustask=1"):
            events = viewer.timeline(query)["traceEvents"]
            kinds = collections.Counter(event["ph"] for event in events)
            self.assertGreater(kinds["X"], 0, query)
        lanes = {event["args"]["name"] for event in viewer.timeline()["traceEvents"]
                 if event["ph"] == "M" and event["name"] == "thread_name"}
        self.assertLessEqual({"Proc 0", "Proc 1", "Proc 2", "Proc 3"}, lanes)
        events = viewer.timeline()["traceEvents"]
        counters = {event["name"] for event in events if event["ph"] == "C"}
        self.assertLessEqual({"Heap", "Goroutines", "Threads"}, counters)
        self.assertTrue(any(event["ph"] == "s" for event in events), "no arrows")
        heap = [event["args"] for event in events if event["ph"] == "C" and event["name"] == "Heap"]
        self.assertGreater(max(counter.get("Allocated", 0) for counter in heap), 5000000)

    def test_trace_that_stops_anywhere_is_shown(self):
        """Also while a task runs, or is in a call: the readers know of such traces, their pages may not."""
        for name in ("1.19", "1.22"):
            for tool in TRACE_TOOLS:
                if not tool.reads(name == "1.22"):
                    continue
                for events in (0, 5, 17, *range(30, 56), 217, 401):
                    path, _ = self.encode(name, events, requests=30, pause_ns=50000)
                    with self.subTest(f"{tool} on {name}, {events} events"), tool.viewer(path) as viewer:
                        for page in PAGES[:6]:
                            viewer.get(page)
                        if events > 5:
                            viewer.timeline()
                            viewer.timeline("?view=thread")

    def test_cut_file_keeps_its_complete_generations(self):
        """Since Go 1.23: the one before refuses it."""
        tools = [tool for tool in TRACE_TOOLS if tool.version >= (1, 23)]
        if not tools:
            self.skipTest("this machine has no Go that keeps what it can")
        path, total = self.encode("1.22")
        content = path.read_bytes()
        frequency = re.compile(rb"\x01[\x01-\x7f]" + b"\xff" * 9 + rb"\x01[\x80-\xff]+.\x06\x08\x80\x94\xeb\xdc\x03",
                               re.DOTALL)
        ends = [found.end() for found in frequency.finditer(content)]
        self.assertEqual(len(ends), 3)
        self.assertEqual(ends[-1], len(content))
        whole = [self.waited(tools[0], content[:end]) for end in ends]
        self.assertLess(whole[0], whole[1])
        self.assertLess(whole[1], whole[2])
        self.assert_close(whole[2], total["network_ns"])
        for generation, end in enumerate(ends[:-1]):
            for more in (0, 1, 2, 16, 30, 1000, 20000, ends[generation + 1] - end - 1):
                with self.subTest(f"generation {generation}, {more} bytes more"):
                    self.assertEqual(self.waited(tools[0], content[:end + more]), whole[generation])

    def waited(self, tool, content):
        path = self.folder / "cut.trace"
        path.write_bytes(content)
        return sum(wait.ns for wait in tool.waits("net", path))


class Chrome(Case):
    def check(self, path):
        """Slices nest and end, arrows begin and end in one; returns how many objects there are of each phase."""
        events = json.loads(path.read_text())
        open_slices = collections.defaultdict(list)
        last = {}
        arrows = set()
        for event in events:
            track = (event.get("cat"), event.get("id"), event.get("tid")) if event["ph"] in "ben" else event.get("tid")
            if event["ph"] in "BEben":
                self.assertGreaterEqual(event["ts"], last.get(track, 0))
                last[track] = event["ts"]
            if event["ph"] in "Bb":
                open_slices[track].append(event["name"])
            elif event["ph"] == "e":
                self.assertEqual(open_slices[track].pop(), event["name"])
            elif event["ph"] == "E":
                open_slices[track].pop()
            elif event["ph"] == "s":
                arrows.add(event["id"])
            elif event["ph"] == "f":
                self.assertTrue(open_slices[track])
                arrows.remove(event["id"])
        self.assertFalse([left for left in open_slices.values() if left])
        return events

    def test_shows_lanes_requests_waits_and_counters(self):
        path, total = self.encode("chrome", requests=300, pause_ns=50000)

        events = self.check(path)

        begun = collections.Counter(event["name"] for event in events if event["ph"] in "Bb")
        self.assertEqual(begun["Produce"], total["produce"])
        self.assertEqual(begun["Fetch"], total["fetch"])
        self.assertEqual(begun["decode"] + begun["append"], total["regions"])
        self.assertGreater(begun["mutex lock"], 0)
        self.assertGreater(begun["runnable"], total["produce"])
        self.assertEqual({event["args"]["name"] for event in events if event.get("name") == "thread_name"},
                         {"reactor-0", "reactor-1", "worker", "late worker", "other threads"})
        self.assertLessEqual({"heap bytes", "tasks running", "tasks waiting"},
                             {event["name"] for event in events if event["ph"] == "C"})
        places = {event.get("args", {}).get("at") for event in events if event.get("name") == "pwrite"}
        self.assertIn("storage_log_append src/storage/log.c:480", places)

    def test_is_well_formed_wherever_it_stops(self):
        for events in range(0, 400, 7):
            self.check(self.encode("chrome", events, requests=30, pause_ns=50000)[0])


def fields(message):
    """Of a protobuf message: [(number, value)]"""
    found, at = [], 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = varint()
        if key & 7 == 0:
            found.append((key >> 3, varint()))
        elif key & 7 == 1:
            found.append((key >> 3, struct.unpack_from("<Q", message, at)[0]))
            at += 8
        else:
            size = varint()
            found.append((key >> 3, message[at:at + size]))
            at += size
    return found


class Perfetto(Case):
    BEGIN, END, INSTANT, COUNTER = 1, 2, 3, 4

    def read(self, path):
        """(how often slices of each name began, tracks' names, what was counted); slices nest, flows end."""
        names, tracks, begun = {}, {}, collections.Counter()
        depth, flows, counted = collections.Counter(), set(), collections.defaultdict(list)
        packets = [value for number, value in fields(path.read_bytes()) if number == 1]
        for index, packet in enumerate(map(dict, map(fields, packets))):
            self.assertEqual(packet[10], 1)
            self.assertEqual(packet[13], 3 if index == 0 else 2)
            if 60 in packet:
                descriptor = dict(fields(packet[60]))
                self.assertNotIn(descriptor[1], tracks)
                tracks[descriptor[1]] = descriptor.get(2, b"").decode()
                self.assertTrue(index == 0 or descriptor[5] in tracks)
                continue
            for number, value in fields(packet.get(12, b"")):
                entry = dict(fields(value))
                self.assertEqual(number, 2)
                names[entry[1]] = entry[2].decode()
            event = dict(fields(packet[11]))
            self.assertIn(8, packet)
            self.assertIn(event[11], tracks)
            if event[9] == self.BEGIN:
                begun[names[event[10]]] += 1
                depth[event[11]] += 1
                if 48 in event:
                    flows.remove(event[48])
            elif event[9] == self.END:
                depth[event[11]] -= 1
                self.assertGreaterEqual(depth[event[11]], 0)
            elif event[9] == self.INSTANT:
                names[event[10]]
                if 47 in event:
                    flows.add(event[47])
            else:
                counted[tracks[event[11]]].append(event[30])
        self.assertEqual(sum(depth.values()), 0)
        return begun, collections.Counter(tracks.values()), counted

    def test_shows_lanes_requests_waits_and_counters(self):
        path, total = self.encode("perfetto", requests=300, pause_ns=50000)

        begun, tracks, counted = self.read(path)

        self.assertEqual(begun["Produce"], total["produce"])
        self.assertEqual(begun["Fetch"], total["fetch"])
        self.assertEqual(begun["decode"] + begun["append"], total["regions"])
        self.assertGreater(begun["mutex lock"], 0)
        self.assertEqual(tracks["kafka connection"], 10)
        self.assertEqual(tracks["reactor-0"], 1)
        self.assertGreater(max(counted["heap bytes"]), 5000000)
        self.assertGreater(max(counted["tasks waiting"]), 5)

    def test_is_well_formed_wherever_it_stops(self):
        for events in range(0, 400, 7):
            self.read(self.encode("perfetto", events, requests=30, pause_ns=50000)[0])

    @unittest.skipUnless(shutil.which("protoc"), "this machine has no protoc")
    def test_is_protobuf_to_protoc(self):
        path, _ = self.encode("perfetto", requests=300, pause_ns=50000)
        with path.open("rb") as file:
            text = subprocess.run(["protoc", "--decode_raw"], stdin=file, check=True, capture_output=True,
                                  text=True).stdout
        self.assertIn('"kafka connection"', text)
        self.assertEqual(set(re.findall(r"^(\d+) \{", text, re.MULTILINE)), {"1"})


if __name__ == "__main__":
    unittest.main()
