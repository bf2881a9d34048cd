import threading

import pytest
from test_counters import Rapl, domain

from bench.instruments.counters import rapl_counter
from bench.instruments.energy_pass import Reader
from bench.record.errors import MachineError


def test_the_reader_reads_from_a_thread_of_its_own_and_keeps_what_it_read(tmp_path):
    counter = Rapl(tmp_path, **{"intel-rapl:0": ("package-0", 7, 10**9)}).counter()
    enough, threads, note = threading.Event(), set(), counter.note

    def noted():
        threads.add(threading.get_ident())
        note()
        if len(counter.setup()["readings"]) >= 2:
            enough.set()

    counter.note = noted
    with Reader(counter):
        assert enough.wait(10)
    assert threads.isdisjoint({threading.get_ident()}) and len(threads) == 1
    assert [reading[1] for reading in counter.setup()["readings"]][:2] == [7, 7]


@pytest.mark.parametrize("error", [MachineError("gone"), ValueError("odd")])
def test_a_reader_that_fails_takes_the_counter_with_it(tmp_path, error):
    domain(tmp_path, "intel-rapl:0", "package-0")
    counter = rapl_counter(tmp_path)
    reader = Reader(counter)

    def fail():
        if isinstance(error, MachineError):
            counter.distrust(str(error))
        raise error

    counter.note = fail
    with reader:
        reader._thread.join(10)
    with pytest.raises(MachineError, match=r"gone|the thread that reads it died"):
        counter.read()
