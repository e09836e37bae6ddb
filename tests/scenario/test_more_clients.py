"""Clients that Debian does not package, each through the same matrix: kafkajs, Java and a current librdkafka.

They come from their own registries; where the machine cannot get them, their tests are skipped and say why."""
import concurrent.futures
import pathlib
import sys
import unittest

sys.path.insert(0, __file__.rsplit("/", 2)[0])
from support.broker import Broker, run
from support.installed import command, install, node_package
from support.kcat import kcat

PROGRAMS = pathlib.Path(__file__).resolve().parent / "clients"
MESSAGES = 200

KAFKAJS = "2.2.4"
CONFLUENT_KAFKA = "2.16.1"
JAVA_OLD, JAVA_NEW = "3.9.1", "4.4.0"

POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>takhin</groupId><artifactId>clients</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka-clients</artifactId><version>{version}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-nop</artifactId><version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
"""


def kafkajs():
    return ["env", f"NODE_PATH={node_package('kafkajs', KAFKAJS)}", "KAFKAJS_NO_PARTITIONER_WARNING=1",
            "node", PROGRAMS / "matrix.js"]


def librdkafka():
    def steps(folder):
        command("/usr/bin/python3", "-m", "venv", folder / "venv", folder=folder)
        command(folder / "venv/bin/pip", "install", "--only-binary=:all:", f"confluent-kafka=={CONFLUENT_KAFKA}",
                folder=folder)

    folder = install(f"confluent-kafka-{CONFLUENT_KAFKA}", ("/usr/bin/python3",), steps)
    return [folder / "venv/bin/python", PROGRAMS / "matrix.py"]


def java(version):
    def steps(folder):
        (folder / "pom.xml").write_text(POM.format(version=version))
        command("mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={folder}/lib", folder=folder)

    folder = install(f"kafka-clients-{version}", ("java", "javac", "mvn"), steps)
    run("javac", "-cp", f"{folder}/lib/*", "-d", folder / "classes", PROGRAMS / "Matrix.java")
    return ["java", "-cp", f"{folder}/classes:{folder}/lib/*", "Matrix"]


class MoreClients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker().start()

    @classmethod
    def tearDownClass(cls):
        cls.broker.__exit__()

    def consume(self, topic):
        return sorted(kcat(self.broker, "-C", "-t", topic, "-o", "beginning", "-e", "-q",
                           "-f", "%k %s %h\n").stdout.splitlines())

    def pass_the_matrix(self, client, prefix, kinds):
        """The program checks what it sees; then kcat, another client, finds the same messages in what it produced."""
        printed = run(*client, self.broker.address, prefix, timeout_s=600).stdout.splitlines()
        self.assertEqual(sorted(printed), sorted([f"ok {prefix}-{kind}" for kind in kinds] + ["ok admin"]))
        wanted = sorted(f"key-{i} value-{i} trace={i}" for i in range(MESSAGES))
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for kind, consumed in zip(kinds, pool.map(self.consume, [f"{prefix}-{kind}" for kind in kinds])):
                self.assertEqual(consumed, wanted, kind)
        self.assertNotIn(" warning ", self.broker.log())

    def test_kafkajs(self):
        self.pass_the_matrix(kafkajs(), "js", ("none", "gzip", "idempotent"))

    def test_current_librdkafka(self):
        self.pass_the_matrix(librdkafka(), "rd",
                             ("none", "gzip", "snappy", "lz4", "zstd", "idempotent", "unacked"))

    def test_java_before_4(self):
        self.pass_the_matrix(java(JAVA_OLD), "java-old",
                             ("none", "gzip", "snappy", "lz4", "zstd", "idempotent", "unacked"))

    def test_java_current(self):
        self.pass_the_matrix(java(JAVA_NEW), "java-new",
                             ("none", "gzip", "snappy", "lz4", "zstd", "idempotent", "unacked"))


if __name__ == "__main__":
    unittest.main()
