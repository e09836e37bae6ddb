"""Stalls of half a second are planted in one call of many while clients load the broker, and nobody watches. Afterwards
the flight recorder is asked, as README says, and takhin-profiler names what waited for what, and where."""
import sys
import unittest

sys.path.insert(0, __file__.rsplit("/", 2)[0])
from support.broker import PROFILER, run
from support.story import Story

# Longer than what a machine's own stalls last.
STALL_MS, ONE_IN, MESSAGES = 500, 40, 120
MANY = 12  # producers: so many that both reactors have some
TIME = r"\d+(\.\d+)? m?s"
LONG_TIME = r"([5-9]\d\d(\.\d+)? ms|\d+(\.\d+)? s)"  # as long or longer


class Stall(Story):
    def analysis_of(self, fault, producers):
        """What takhin-profiler says after clients have met it a few times."""
        self.create_topic("orders")
        self.planted.plant(fault, STALL_MS, ONE_IN)
        self.produce("orders", producers, MESSAGES // producers)
        self.planted.remove(fault)
        text = run(PROFILER, "-type", "trace", "-last", "1h", "-analyze", "-quiet",
                   "-output", self.folder / "trace.out", "-remote", f"127.0.0.1:{self.broker.ports['profiler']}").stdout
        self.assertRegex(text, rf"\ASlowest: \w+ #\d+ took {LONG_TIME}, ")
        return text

    def expect_piece(self, text, what, place):
        """One of the slowest requests has spent that long with this, there."""
        self.assertRegex(text, rf"(?m)^ +- {LONG_TIME} {what}, region \w+, .*{place}")


class SlowDisk(Stall):
    settings = {"storage_log_flush_messages": 1}

    def test_a_slow_fsync(self):
        text = self.analysis_of("slow_sync", producers=1)
        self.expect_piece(text, "waiting for fsync", r"in log_flush_held storage/log_flush\.c:\d+")
        self.assertRegex(text, rf"ended by pool worker in run_flush .* which meanwhile was in the system call "
                               rf"fdatasync for {LONG_TIME}, in segment_sync storage/segment\.c:\d+")

    def test_a_lock_that_is_held_during_a_slow_fsync(self):
        text = self.analysis_of("slow_sync", MANY)
        self.expect_piece(text, r"waiting for a lock \(mutex lock\)", r"in storage_log_append storage/log\.c:\d+")
        self.assertRegex(text, rf"let go by Produce #\d+ in storage_log_append .* waiting for fsync for {TIME}")


class HeldLock(Stall):
    def test_a_lock_that_is_held_during_a_slow_write(self):
        text = self.analysis_of("slow_write", MANY)
        self.expect_piece(text, r"waiting for a lock \(mutex lock\)", r"in storage_log_append storage/log\.c:\d+")
        self.assertRegex(text, rf"reactor-\d was held for {LONG_TIME} at \S+ s by Produce #\d+, {LONG_TIME} of it "
                               r"in the system call pwrite, region append, in file_write_at storage/files\.c:\d+")


class BusyHandler(Stall):
    def test_a_handler_that_computes_for_long(self):
        text = self.analysis_of("slow_checksum", producers=4)
        self.expect_piece(text, "running", r"after kafka_handler_produce broker/handlers/produce\.c:\d+ and before "
                                           r"file_write_at storage/files\.c:\d+")
        self.assertRegex(text, rf"reactor-\d was held for {LONG_TIME} at \S+ s by Produce #\d+, {LONG_TIME} of it "
                               r"running")


if __name__ == "__main__":
    unittest.main()
