"""The debug port's page of a profile, of a broker under real load: its data, how a browser shows it, and the way there
from the index."""
import concurrent.futures
import html.parser
import http.client
import json
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse

sys.path.insert(0, __file__.rsplit("/", 2)[0])
from support.broker import LOAD, Broker
from support.browser import CHROMIUM, browser
from support.profile_proto import Profile

INDEX = "/debug/pprof/"
UI = INDEX + "ui"
# What went wrong in the page, from its first line on.
COLLECT_PROBLEMS = """
window.problems = [];
addEventListener('error', event => problems.push(event.message));
addEventListener('unhandledrejection', event => problems.push(String(event.reason)));
addEventListener('securitypolicyviolation', event => problems.push(event.violatedDirective + ' ' + event.blockedURI));
"""


class Links(html.parser.HTMLParser):
    """The addresses that a page leads to."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name == "href"]


def functions_of_page(page):
    """Names of the frames in the page's data."""
    data = json.loads(re.search(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL).group(1))
    return {data["strings"][name] for name in data["frames"][0::4]}


def functions_of_profile(body):
    return {frame.function for entry in Profile(body).entries for frame in entry.frames}


def begin(broker, path):
    """A request whose answer is still to come."""
    connection = http.client.HTTPConnection("127.0.0.1", broker.ports["profiler"], timeout=120)
    connection.request("GET", path)
    return connection


def finish(connection):
    answer = connection.getresponse()
    body = answer.read().decode(errors="replace")
    connection.close()
    return answer.status, body


class UnderLoad(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="takhin-test-"))
        cls.broker = Broker(profiler_max_duration="1h").start()
        cls.load = subprocess.Popen([LOAD, "-brokers", cls.broker.address, "-duration", "600", "-prefix", "orders",
                                     "-topics", "4", "-partitions", "2", "-rate", "20000"],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @classmethod
    def tearDownClass(cls):
        cls.load.terminate()
        cls.load.wait()
        cls.broker.__exit__()
        shutil.rmtree(cls.folder, ignore_errors=True)

    def await_sampler(self):
        """The sampler's own thread exists exactly while somebody reads."""
        deadline = time.monotonic() + 120
        while "takhin-profiler"[:15] not in self.broker.of_each_thread("comm"):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)

    def test_a_page_has_all_that_a_profile_of_the_same_time_has(self):
        page = begin(self.broker, UI + "?type=cpu&seconds=3600")
        self.await_sampler()
        functions = set()
        while "task_main" not in functions:  # a busy machine may give the broker no time in one of them
            functions |= functions_of_profile(self.broker.get("profiler", INDEX + "profile?seconds=1"))
        page.sock.shutdown(socket.SHUT_WR)  # as much as there is by now
        status, body = finish(page)

        self.assertEqual(status, 200)
        self.assertLessEqual(functions, functions_of_page(body))

    @unittest.skipUnless(CHROMIUM, "this machine has no chromium")
    def test_a_browser_draws_it_and_nothing_gets_out(self):
        origin = self.broker.url("profiler", "")
        with browser(self.folder / "browser") as page:
            page.call("Page.enable")
            page.call("Page.addScriptToEvaluateOnNewDocument", source=COLLECT_PROBLEMS)
            page.call("Page.navigate", url=origin + INDEX)
            page.await_true(f"location.href === '{origin}{INDEX}' && document.readyState === 'complete'")
            page.evaluate("[...document.links].find(link => link.href.endsWith('/ui?type=goroutine')).click()")
            page.await_true("typeof flamegraph !== 'undefined' && document.readyState === 'complete'")

            self.assertRegex(page.evaluate("document.getElementById('title').textContent"),
                             rf"^goroutine profile of takhin on {re.escape(socket.gethostname())}$")
            drawn = page.evaluate("flamegraph.picture.boxes.map(box => flamegraph.model.nameOf(box))")
            self.assertIn("task_main", drawn)
            self.assertEqual(page.evaluate("problems"), [])
            self.assertTrue(page.evaluate("fetch('cmdline').then(() => false, () => true)"), "the policy is in force")
            page.await_true("problems.length > 0")
            self.assertRegex(page.evaluate("problems[0]"), r"^connect-src ")
            self.assertGreater(len(page.picture()), 10_000)


class Index(unittest.TestCase):
    def test_every_link_leads_somewhere(self):
        # As long as a link asks for at most: that is what a profile lasts then whose link does not say.
        with Broker(profiler_max_duration="10s") as broker:
            _, index = finish(begin(broker, INDEX))
            paths = {urllib.parse.urljoin(INDEX, link) for link in Links(index).found}
            self.assertIn(UI + "?type=cpu&seconds=10", paths)
            self.assertIn(UI + "?type=goroutineleak", paths)
            with concurrent.futures.ThreadPoolExecutor(len(paths)) as pool:
                answers = dict(zip(paths, pool.map(lambda path: finish(begin(broker, path)), paths)))
            for path, (status, body) in answers.items():
                with self.subTest(path):
                    self.assertEqual(status, 200, body[:200])


if __name__ == "__main__":
    unittest.main()
