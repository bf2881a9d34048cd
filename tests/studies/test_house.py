"""The study hangs on the core by its hook, and its presets say what its authors ran."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.presets import PRESETS
from bench.schemes import ARMS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("first", ["bench.presets", "bench.studies.starcoder2.presets", "bench.hooks"])
def test_presets_can_be_imported_from_either_side(first: str):
    script = f"import {first}; from bench.presets import PRESETS; assert PRESETS['paper-compat'].reference == 'fp32'"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_paper_compat_is_what_the_authors_ran():
    compat = PRESETS["paper-compat"]
    four_bit = ARMS["4bit-study"]
    assert (four_bit.quant_type, four_bit.compute_dtype, four_bit.dtype) == ("fp4", "bfloat16", "float16")
    assert not four_bit.double_quant
    assert (ARMS["fp32"].dtype, ARMS["int8"].threshold) == ("float32", 6.0)
    for sweep in compat.sweeps:
        assert sweep.schemes == ("fp32", "4bit-study", "int8")
        assert sweep.stop == "eos"
        assert sweep.warmup_calls == 0
    timed = [sweep for sweep in compat.sweeps if sweep.timed]
    assert [(sweep.new_tokens, sweep.calls, sweep.repeats) for sweep in timed] == [(128, 164, 5), (256, 164, 5)]


def test_where_a_sweep_can_say_how_prompts_are_given_they_are_given_as_they_are():
    for sweep in PRESETS["paper-compat"].sweeps:
        assert getattr(sweep, "prompt_style", "as-is") == "as-is"
