from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.record.codes import distinct, encode, occurrences
from bench.record.errors import RecordError
from bench.record.timeline import (
    BLOCKING_COPY,
    COPY,
    LAUNCH,
    OTHER,
    SYNC,
    Calls,
    Spans,
    Threads,
    Timeline,
    api_name,
    call_kind,
)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("cudaLaunchKernel", LAUNCH),
        ("cudaLaunchKernelExC", LAUNCH),
        ("cuLaunchKernel", LAUNCH),
        ("cudaGraphLaunch", LAUNCH),
        ("cudaLaunchHostFunc", OTHER),
        ("cudaStreamSynchronize", SYNC),
        ("cudaDeviceSynchronize", SYNC),
        ("cuCtxSynchronize", SYNC),
        ("hipEventSynchronize", SYNC),
        ("cudaStreamWaitEvent", OTHER),
        ("cudaMemcpy", BLOCKING_COPY),
        ("cuMemcpyDtoH_v2", BLOCKING_COPY),
        ("cudaMemcpyAsync", COPY),
        ("cuMemcpyHtoDAsync_v2", COPY),
        ("cudaMemsetAsync", COPY),
        ("cudaMalloc", OTHER),
    ],
)
def test_call_kinds(name, kind):
    assert call_kind(name) == kind


def test_api_names_lose_the_abi_version_only():
    assert api_name("cudaLaunchKernel_v7000") == "cudaLaunchKernel"
    assert api_name("cudaLaunchKernel_ptsz_v7000") == "cudaLaunchKernel_ptsz"
    assert api_name("cuMemcpyDtoH_v2") == "cuMemcpyDtoH_v2"


def threads() -> Threads:
    return Threads.build(process=[0], pid=[1], tid=[1])


def calls(**changes) -> Calls:
    columns = {"start": [5], "end": [7], "thread": [0], "correlation": [1], "name": [0], "kind": [1]}
    return Calls.build(**{**columns, **changes})


@pytest.mark.parametrize(
    "broken", [{"end": [4]}, {"name": [1]}, {"name": [-1]}, {"thread": [1]}, {"start": [-(2**62)]}, {"end": [7, 8]}]
)
def test_a_malformed_trace_is_refused(broken):
    assert len(Timeline("test", ("a",), threads(), calls=calls()).calls) == 1
    with pytest.raises(RecordError, match="malformed trace"):
        Timeline("test", ("a",), threads(), calls=calls(**broken))


def test_tables_know_their_length():
    assert len(Spans.empty()) == 0
    assert len(calls()) == 1


columns = st.lists(st.one_of(st.integers(-5, 5), st.integers(-(2**60), 2**60)), max_size=20)


@given(columns)
def test_codes(values):
    column = np.array(values, np.int64)
    names, code = encode(column)
    assert names.tolist() == distinct(column).tolist() == sorted(set(values))
    assert names[code].tolist() == values
    assert occurrences(column).tolist() == [values.count(value) for value in sorted(set(values))]
