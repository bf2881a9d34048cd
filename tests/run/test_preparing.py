"""What a fork server does once for all processes that need it."""

import os
import subprocess
import sys
import threading
import time

import pytest

from bench.instruments import carbon
from bench.run import preparing, processes


@pytest.fixture(autouse=True)
def nothing_prepared():
    for one in (preparing._checkpoint_names, preparing._hardware):
        one.cache_clear()


def task(*instruments, kind="generation", country="DEU"):
    requests = [{"instrument": name} for name in instruments]
    return {"block": {"kind": kind, "requests": requests, "options": {"country": country}}}


@pytest.fixture
def looked(monkeypatch):
    countries = []
    monkeypatch.setattr(carbon, "warm_up", countries.append)
    return countries


def test_hardware_is_looked_for_once_and_only_where_codecarbon_is_asked_for(looked):
    preparing.prepare(task("generation", "kineto"), gpu=False)
    assert looked == []
    for _ in range(2):
        preparing.prepare(task("generation", "codecarbon"), gpu=False)
    assert looked == ["DEU"]


def test_beside_a_gpu_codecarbon_asks_nvml_in_the_measuring_process_alone(looked):
    preparing.prepare(task("codecarbon"), gpu=True)
    assert looked == []


@pytest.mark.parametrize("block", [{"describe": {}}, task("matmul", kind="matmul")])
def test_what_loads_no_model_and_tracks_nothing_needs_no_preparing(block, looked, monkeypatch):
    monkeypatch.setattr(preparing, "_checkpoint_names", lambda: looked.append("names"))
    preparing.prepare(block, gpu=False)
    assert looked == []


def test_what_cannot_be_prepared_is_left_to_the_process_that_needs_it(monkeypatch):
    def fails(_country):
        raise OSError("no such hardware")

    monkeypatch.setattr(carbon, "warm_up", fails)
    monkeypatch.setattr(preparing, "import_module", lambda name: {}[name])
    preparing.prepare(task("codecarbon"), gpu=False)


def test_threads_of_what_was_prepared_have_ended(monkeypatch):
    late = threading.Thread(target=time.sleep, args=(0.1,))
    monkeypatch.setattr(carbon, "warm_up", lambda _country: late.start())
    preparing.prepare(task("codecarbon"), gpu=False)
    assert not late.is_alive()


PREPARED = """
import os, sys, time
from bench.run import preparing
from bench.instruments import carbon
from bench.run.processes import _obstacle, preload
preload(("transformers.models.auto", "codecarbon.input"))
task = {"block": {"kind": "generation", "requests": [{"instrument": "codecarbon"}], "options": {"country": "USA"}}}
preparing.prepare(task, gpu=False)
assert not _obstacle(), _obstacle()
if os.fork() == 0:
    from codecarbon.core import hardware_cache
    from transformers import conversion_mapping
    names = conversion_mapping._checkpoint_conversion_mapping_cache
    made = []
    hardware_cache.capture = made.append
    carbon.warm_up("USA")
    print(len(hardware_cache._plans), made, names is not None, flush=True)
    os._exit(0)
os.wait()
"""


def test_a_forked_process_knows_what_codecarbon_and_transformers_found_before():
    pytest.importorskip("codecarbon.core.hardware_cache")
    pytest.importorskip("transformers.conversion_mapping")
    alone = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", PREPARED], capture_output=True, text=True, check=False, env=alone)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["1 [] True"]), done.stderr


def test_beside_a_gpu_nothing_is_imported_that_asks_it():
    left_out = set(processes.PRELOADED) - set(processes.PRELOADED_GPU)
    assert {name.split(".")[0] for name in left_out} == {"bitsandbytes", "transformers", "codecarbon"}
    assert "transformers.integrations.bitsandbytes" in left_out
