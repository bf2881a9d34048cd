from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.record.errors import RecordError
from profiling.host import host_shares, read_samples
from profiling.readers.py_spy import Frame, Samples, parse_folded, parse_frame, parse_speedscope

LOOP = "main (app.py:1);_sample (transformers/generation/utils.py:2700)"
LINEAR = f"{LOOP};Linear4bit.forward (bitsandbytes/nn/modules.py:637)"
FOLDED = f"""main (app.py:1);load (app.py:2) 50
{LOOP} 10
{LINEAR};matmul_4bit (bitsandbytes/autograd/_functions.py:472) 20
{LINEAR};unicode_hash (libpython3.11.so.1.0) 5
{LINEAR};c10::Dispatcher::callBoxed (libtorch_cpu.so);at::native::view (libtorch_cpu.so);malloc (libc.so.6) 25
{LINEAR};at::_ops::mm::call (libtorch_cpu.so);cudaLaunchKernel (libcudart.so.12);0x7f00 (libcuda.so.1) 15
{LOOP};at::native::item (libtorch_cpu.so);cudaStreamSynchronize (libcudart.so.12);0x7f11 (libcuda.so.1) 15
{LOOP};at::native::AVX512::gemm (libtorch_cpu.so);0x7f22 (libgomp.so.1) 10
 187
"""


def test_shares_of_the_decode_loop() -> None:
    result = host_shares(parse_folded(FOLDED))
    assert (result.inside, result.total, result.unit) == (100, 337, "samples")
    assert result.shares == {
        "python": 0.10,
        "bitsandbytes": 0.25,
        "dispatcher": 0.25,
        "driver": 0.15,
        "kernels": 0.10,
        "waiting": 0.15,
        "other": 0.0,
    }
    assert result.under_bitsandbytes == pytest.approx(0.65)


def test_a_loop_of_ones_own_and_no_loop() -> None:
    samples = parse_folded(FOLDED)
    assert host_shares(samples, r"^load$").shares["python"] == 1.0
    assert host_shares(samples, None).inside == 337
    with pytest.raises(RecordError, match="no sample is inside"):
        host_shares(samples, r"^absent$")


@pytest.mark.parametrize(
    ("leaf", "expected"),
    [
        ("wait (threading.py:320)", "waiting"),
        ("synchronize (torch/cuda/streams.py:105)", "waiting"),
        ("take_gil (libpython3.11.so.1.0);pthread_cond_timedwait@@GLIBC_2.3.2 (libc.so.6)", "waiting"),
        ("cuLaunchKernel (libcuda.so.1)", "driver"),
        ("0x7f (bitsandbytes/libbitsandbytes_cuda130.so)", "driver"),
        ("dequantizeBlockwise4bitCpu<float, 1> (bitsandbytes/libbitsandbytes_cpu.so)", "kernels"),
        ("mkl_blas_def_xsgemv (libtorch_cpu.so)", "kernels"),
        ("THPVariable_Wrap (libtorch_python.so)", "dispatcher"),
        ("OpOverload.__call__ (torch/_ops.py:875)", "python"),
        ("poll_results (app.py:3)", "python"),
        ("pollute (libfoo.so)", "python"),
        ("synchronize (app.py:9)", "python"),
        ("get_ptr (bitsandbytes/functional.py:417)", "bitsandbytes"),
    ],
)
def test_the_class_of_a_leaf(leaf: str, expected: str) -> None:
    shares = host_shares(parse_folded(f"{LOOP};{leaf} 1\n")).shares
    assert [name for name, share in shares.items() if share == 1.0] == [expected]


def test_a_frame_that_synchronised_earlier_does_not_make_later_python_wait() -> None:
    stack = f"{LOOP};synchronize_then (libtorch_python.so);callback (app.py:7)"
    assert host_shares(parse_folded(f"{stack} 1\n")).shares["python"] == 1.0


def test_frames() -> None:
    assert parse_frame("f (a/b.py:12)") == Frame("f", "a/b.py")
    assert parse_frame("ns::g<int>(int) const (lib.so.1)") == Frame("ns::g<int>(int) const", "lib.so.1")
    assert parse_frame("thread 12") == Frame("thread 12", "")
    assert parse_frame("<module> (<frozen importlib._bootstrap>:690)").is_python
    assert not parse_frame("math_prod (mathmodule.c)").is_python


def speedscope(**changes: Any) -> str:
    profile = {"type": "sampled", "name": "Thread 1", "unit": "seconds", "startValue": 0.0, "endValue": 0.03}
    profile |= {"samples": [[0, 1], [0, 2], [0, 1]], "weights": [0.01, 0.01, 0.01]}
    names = [("_sample", "transformers/generation/utils.py"), ("f", "app.py"), ("c10::x", "libc10.so")]
    frames = [{"name": name, "file": file, "line": 3, "col": None} for name, file in names]
    return json.dumps({"shared": {"frames": frames}, "profiles": [profile | changes]})


def test_speedscope_and_raw_agree(tmp_path: Path) -> None:
    path = tmp_path / "host.json"
    path.write_text(speedscope())
    result = host_shares(read_samples(path))
    assert result.unit == "seconds"
    assert result.total == pytest.approx(0.03)
    assert result.shares["python"] == pytest.approx(2 / 3)
    assert result.shares["dispatcher"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{}",
        '{"profiles": [], "shared": {"frames": []}}',
        speedscope(type="evented"),
        speedscope(weights=[1]),
        speedscope(samples=[[9], [0], [0]]),
        speedscope(samples=[[-1], [0], [0]]),
        speedscope(weights=[-1, 1, 1]),
        speedscope(weights=["x", 1, 1]),
        speedscope(weights=[1e308, 1e308, 1e308]),
        speedscope(weights=[5e-324, 0, 0]),
        speedscope(samples=[[]] * 9999, weights=[1] * 9999),
        speedscope(samples=[[10**30], [0], [0]]),
        speedscope()[:-20],
    ],
)
def test_a_damaged_speedscope_document_is_refused(text: str) -> None:
    with pytest.raises(RecordError) as caught:
        parse_speedscope(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["", "\n", "a;b\n", "a;b x\n", "a;b 1\na;b\n", "a;b -3\n", "a 0\n", "12", "a 1." + "1" * 999, ";" * 200_000 + " 1"],
    ids=range(10),
)
def test_text_that_is_not_folded_stacks_is_refused(text: str) -> None:
    with pytest.raises(RecordError):
        parse_folded(text)


def test_more_stacks_than_so_short_a_text_can_hold_are_refused() -> None:
    """Found by a probe: each takes 300 bytes of memory."""
    with pytest.raises(RecordError, match="too many and too short"):
        parse_folded("".join(f"{number:x} 1\n" for number in range(70_000)))


def test_a_file_that_would_unpack_to_gigabytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.raw"
    path.write_bytes(gzip.compress(b"a;b 1\n" * (3 << 20), 1))
    with pytest.raises(RecordError, match="more than 200 times its size"):
        read_samples(path)


def test_a_missing_file_and_a_truncated_one(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot read"):
        read_samples(tmp_path / "absent")
    path = tmp_path / "cut.raw"
    path.write_text(FOLDED[:-60])
    with pytest.raises(RecordError, match=r"cut.raw: line \d+ is not a folded stack"):
        read_samples(path)


NAMES = st.text(
    alphabet=st.characters(exclude_characters=";\n\r", exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1
)


@given(st.lists(st.tuples(st.lists(NAMES, min_size=1, max_size=5), st.integers(1, 1000)), min_size=1, max_size=10))
def test_folding_and_reading_is_the_identity_on_weights(stacks: list[tuple[list[str], int]]) -> None:
    samples = parse_folded("".join(f"{';'.join(names)} {weight}\n" for names, weight in stacks))
    assert samples.weights.sum() == sum(weight for _, weight in stacks)
    again = parse_folded(samples.folded())
    assert again.weights.sum() == samples.weights.sum()
    shares = host_shares(samples, None).shares
    assert sum(shares.values()) == pytest.approx(1.0)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_folded, parse_speedscope):
        try:
            samples: Samples = parse(text)
        except RecordError:
            continue
        assert np.isfinite(samples.weights).all()
