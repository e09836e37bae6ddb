"""A story: a broker that faults can be planted in, and clients that meet them."""
import concurrent.futures
import pathlib
import shutil
import tempfile
import unittest

from support.broker import PROFILER, Broker, run
from support.planted import Planted
from support.pprof_tool import PprofTool
from support.profile_proto import Profile
from support.wire import API_VERSIONS, CREATE_TOPICS, Connection, array, pack, string

import confluent_kafka

DEADLINE_S = 120


class Story(unittest.TestCase):
    """A broker that faults can be planted in, with a folder for the profiles that are taken of it."""
    settings = {}

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="takhin-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.pprof = PprofTool(self.folder)
        self.planted = Planted(self.folder)
        self.broker = Broker(environment=self.planted.environment, **{"server_threads": 2, **self.settings}).start()
        self.addCleanup(self.broker.__exit__)

    def collect(self, type, name=None, *options):
        """As the guide does; the file."""
        path = self.folder / f"{name or type}.prof"
        run(PROFILER, "-type", type, "-remote", f"127.0.0.1:{self.broker.ports['profiler']}", "-output", path, *options)
        return path

    def profile(self, path):
        return Profile(self.broker.get("profiler", path))

    def metric(self, name, **labels):
        wanted = ",".join(f'{key}="{value}"' for key, value in labels.items())
        return self.broker.metrics()[f"{name}{{{wanted}}}" if labels else name]

    def create_topic(self, topic):
        connection = Connection(self.broker.ports["kafka"])
        connection.call(CREATE_TOPICS, 2, array([string(topic) + pack("ih", 1, 1) + array([]) + array([])]) +
                        pack("i?", 10_000, False))
        connection.close()

    def connections(self, count):
        """Clients that have said hello, and stay."""
        connections = [Connection(self.broker.ports["kafka"]) for _ in range(count)]
        for connection in connections:
            self.addCleanup(connection.close)
            connection.call(API_VERSIONS, 0, b"")
        return connections

    def produce(self, topic, producers, messages=10**9, over=None):
        """Each producer sends one message after the other, so many or until it is over."""
        def one(_):
            producer = confluent_kafka.Producer({"bootstrap.servers": self.broker.address, "acks": "all",
                                                 "linger.ms": 0, "client.id": "story"})
            for _ in range(messages):
                if over and over.is_set():
                    break
                producer.produce(topic, "x", partition=0)
                self.assertEqual(producer.flush(DEADLINE_S), 0)

        with concurrent.futures.ThreadPoolExecutor(producers) as pool:
            list(pool.map(one, range(producers)))
