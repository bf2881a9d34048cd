from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ncu_files import HEADER, L2_HIT, L2_MISS, TIME, long_csv, quoted, wide_csv

from bench.record.errors import RecordError
from profiling.readers.counters import Counters
from profiling.readers.ncu_csv import looks_like_ncu_text, parse_ncu_csv

NASTY = 'void at::f<8, std::array<char *, 2>>(int, T2)::{"quoted", x}'
ROWS = [
    (0, NASTY, TIME, "ns", "9920"),
    (0, NASTY, "sm__throughput.avg.pct_of_peak_sustained_elapsed", "%", "8.45"),
    (0, NASTY, "dram__bytes_read.sum", "Kbyte", "1.5"),
    (1, "gemm", TIME, "usecond", "10.27"),
    (1, "gemm", "sm__throughput.avg.pct_of_peak_sustained_elapsed", "%", "n/a"),
]


def parse(text: str) -> Counters:
    return parse_ncu_csv(text.encode())


def test_one_row_per_metric() -> None:
    counters = parse(long_csv(ROWS))
    assert counters.kernels == (NASTY, "gemm")
    assert counters.launch_id.tolist() == [0, 1]
    assert counters.process_id.tolist() == [7, 7]
    assert counters.block.tolist() == [[128, 1, 1]] * 2
    assert counters.grid.tolist() == [[4, 2, 1]] * 2
    assert counters.metrics[TIME].unit == "s"
    assert counters.values(TIME) == pytest.approx([9.92e-6, 1.027e-5], rel=1e-15)
    assert counters.metrics["dram__bytes_read.sum"].unit == "B"
    assert counters.values("dram__bytes_read.sum")[0] == 1500
    assert np.isnan(counters.values("dram__bytes_read.sum")[1])
    assert np.isnan(counters.values("sm__throughput.avg.pct_of_peak_sustained_elapsed")[1])


def test_one_row_per_launch_with_a_units_row() -> None:
    metrics = [(TIME, "us"), ("launch__func_cache_config", ""), ("dram__bytes_read.sum", "Mbyte"), ("x__y.avg", "%")]
    text = wide_csv(
        metrics, [(NASTY, ["10.27", "CachePreferNone", "2.5", "1.25"]), ("b", ["3.00", "x", "n/a", "2.00"])]
    )
    counters = parse(text)
    assert counters.kernels == (NASTY, "b")
    assert counters.values(TIME) == pytest.approx([1.027e-5, 3e-6])
    assert counters.values("dram__bytes_read.sum")[0] == 2.5e6
    assert np.isnan(counters.values("dram__bytes_read.sum")[1])
    assert "launch__func_cache_config" not in counters.metrics
    assert "Block Size" not in counters.metrics
    assert counters.grid.tolist() == [[8, 1, 1]] * 2


def test_quotes_in_a_kernel_name_that_were_not_doubled() -> None:
    text = long_csv(ROWS).replace('""', '"')
    assert parse(text).kernels == (NASTY, "gemm")


def test_chatter_and_application_output_between_the_rows() -> None:
    lines = long_csv(ROWS).splitlines()
    noise = [
        '==PROF== Profiling "gemm" - 1: 0%....50%....100% - 1 pass',
        "loss, 0.5, step 3",
        '"a quoted, line"',
        "1,2",
    ]
    mixed = [lines[0], "loading... " + lines[1]]
    for line in lines[2:]:
        mixed += [*noise, line]
    mixed[-1] = "progress 99% " + mixed[-1]
    plain, noisy = parse(long_csv(ROWS)), parse("\n".join([*mixed, "done", ""]))
    assert noisy.kernels == plain.kernels
    for name in plain.metrics:
        np.testing.assert_array_equal(noisy.values(name), plain.values(name))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_files_that_went_through_windows(encoding: str) -> None:
    text = long_csv(ROWS).replace("\n", "\r\n")
    assert parse_ncu_csv(text.encode(encoding)).kernels == (NASTY, "gemm")


@pytest.mark.parametrize(
    ("encoding", "big", "percent"),
    [
        ("utf-8", "1.451.586", "84,37"),
        ("utf-8", "1\u202f451\u202f586", "84,37"),
        ("latin-1", "1\u00a0451\u00a0586", "84,37"),
        ("utf-8", "1,451,586", "84.37"),
        ("utf-8", "1 451 586", "84,37"),
    ],
)
def test_locales(encoding: str, big: str, percent: str) -> None:
    rows = [(0, "k", L2_HIT, "sector", big), (0, "k", "x.pct", "%", percent)]
    counters = parse_ncu_csv(long_csv(rows).encode(encoding))
    assert counters.values(L2_HIT).tolist() == [1451586]
    assert counters.values("x.pct").tolist() == [84.37]


def test_a_sum_of_sectors_is_a_whole_number_and_tells_the_locale() -> None:
    counters = parse(long_csv([(0, "k", L2_HIT, "sector", "14.335"), (0, "k", L2_MISS, "sector", "2.057")]))
    assert counters.values(L2_HIT).tolist() == [14335]


def test_details_page_rows_with_advice_and_repeated_labels() -> None:
    header = [*HEADER, "Rule Name", "Rule Type", "Rule Description"]
    start = ["0", "7", "app", "127.0.0.1", "k", "1", "7", "(1, 1, 1)", "(1, 1, 1)", "0", "9.0"]
    rows = [
        [*start, "GPU Speed Of Light Throughput", "Memory Throughput", "%", "78.50", "", "", ""],
        [*start, "GPU Speed Of Light Throughput", "Duration", "us", "12.40", "", "", ""],
        [*start, "GPU Speed Of Light Throughput", "", "", "", "SOLBottleneck", "OPT", 'Two\nlines, "quoted"'],
        [*start, "Memory Workload Analysis", "Memory Throughput", "Gbyte/second", "1.50", "", "", ""],
        [*start, "Launch Statistics", "Function Cache Configuration", "", "CachePreferNone", "", "", ""],
    ]
    counters = parse(quoted(header) + "".join(quoted(row) for row in rows))
    assert len(counters) == 1
    assert counters.values("Memory Throughput").tolist() == [78.5]
    assert counters.values("Memory Throughput [B/s]").tolist() == [1.5e9]
    assert counters.duration() == pytest.approx([1.24e-5])
    assert "Function Cache Configuration" not in counters.metrics


def test_nvtx_ranges_become_a_path() -> None:
    column = "thread Domain:Push/Pop_Range:PL_Type:PL_Value:CLR_Type:Color:Msg_Type:Msg"
    other = "Id:Domain:Start/Stop_Range:PL_Type:PL_Value:CLR_Type:Color:Msg_Type:Msg"
    rest = ":none:none:none:none:none:none"
    cell = f'1  "bitledger:decode_step{rest}"  "bitledger:a:b{rest}"  "<default domain>:user{rest}" '
    text = quoted(["ID", column, other, "Kernel Name", TIME]) + quoted(["", "", "", "", "ns"])
    text += quoted(["0", cell, "", "k", "5"]) + quoted(["1", "", "", "k", "6"])
    counters = parse(text)
    assert counters.nvtx == ("bitledger:decode_step/a:b user", "")
    assert set(counters.metrics) == {TIME}


def test_the_same_id_in_another_process_is_another_launch() -> None:
    text = long_csv([(0, "k", TIME, "ns", "5")])
    second = text.splitlines()[-1].replace('"7"', '"8"', 1)
    assert parse(text + second + "\n").process_id.tolist() == [7, 8]


def test_two_runs_in_one_file_are_kept_apart() -> None:
    text = long_csv([(0, "k", TIME, "ns", "5")])
    assert parse(text + text).values(TIME) == pytest.approx([5e-9, 5e-9])


def test_warnings_of_ncu_and_missing_metrics_are_told() -> None:
    before = "==WARNING== Note: Running with uncontrolled GPU caches.\n"
    counters = parse(long_csv([*ROWS, (2, "gemm", TIME, "ns", "1"), (2, "gemm", L2_HIT, "sector", "4")], before))
    assert counters.warnings[0] == "ncu warned: Note: Running with uncontrolled GPU caches."
    assert L2_HIT in counters.warnings[1]


PERMISSION = (
    "==PROF== Connected to process 9 (/bin/app)\n==ERROR== ERR_NVGPUCTRPERM - The user does not have permission to "
    "access NVIDIA GPU Performance Counters on the target device 0.\n==WARNING== No kernels were profiled.\n"
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        (PERMISSION, "not permitted.*NVreg_RestrictProfilingToAdminUsers=0.*SYS_ADMIN"),
        ("==WARNING== No kernels were profiled.\n", "no kernel.*--target-processes all"),
        ("==ERROR== Failed to prepare kernel, a driver resource was unavailable\n", "DCGM"),
        ("==ERROR== Unknown metric foo\n", "ncu failed: Unknown metric foo"),
        ("hello\n", "no counter table.*--csv"),
        (long_csv([]), "no counter table"),
        (long_csv(ROWS)[:-3], "line 7 ends in the middle of a row"),
        (long_csv(ROWS)[:-40], "line 7 ends in the middle of a row"),
        (long_csv(ROWS) + '"', "line 8 ends in the middle"),
        (long_csv(ROWS).replace('"10.27"', '"10.27'), "line 6 is a damaged row"),
        (long_csv(ROWS).replace('"1.5"', '"1.5\0"'), "line 5 is a damaged row"),
        (long_csv(ROWS).replace('"10.27"', '"1#.27"'), "line 6.*not a number"),
        (wide_csv([(TIME, "ns")], [("k", ["5"])]).rstrip("\n")[:-1], "ends in the middle"),
    ],
)
def test_what_cannot_be_read_gives_one_clear_line(text: str, says: str) -> None:
    with pytest.raises(RecordError, match=says) as caught:
        parse(text)
    assert "\n" not in str(caught.value)


def test_a_summary_over_launches_is_refused_with_the_remedy() -> None:
    text = quoted(["Kernel Name", "Metric Name", "Metric Unit", "Metric Value"]) + quoted(["7", "a", "ns", "5"])
    with pytest.raises(RecordError, match="--print-summary"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (long_csv(ROWS), True),
        (wide_csv([(TIME, "ns")], []), True),
        (PERMISSION, True),
        ("Time (%),Total Time (ns),Instances,Avg (ns),Name\n1,2,3,4,k\n", False),
        ("a text about `==WARNING==`/`==PROF==` lines", False),
        ('{"traceEvents": []}', False),
        ("", False),
    ],
)
def test_recognised_by_content(text: str, expected: bool) -> None:
    assert looks_like_ncu_text(text.encode()) is expected


def read_or_refuse(content: bytes) -> Counters | None:
    try:
        return parse_ncu_csv(content)
    except RecordError as error:
        assert "\n" not in str(error)
        return None


@given(st.binary(max_size=400))
def test_garbage_is_refused(content: bytes) -> None:
    assert read_or_refuse(content) is None


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.text(alphabet='"0123456789,.\nabn/ \0\ufffd=', max_size=60), max_size=8))
def test_garbage_after_a_header_is_read_or_refused(lines: list[str]) -> None:
    read_or_refuse((long_csv(ROWS) + "\n".join(lines)).encode())


@given(st.integers(0, len(long_csv(ROWS)) - 2))
def test_a_file_cut_anywhere_is_refused_unless_the_cut_is_between_rows(length: int) -> None:
    text = long_csv(ROWS)
    counters = read_or_refuse(text[:length].encode())
    if counters is not None:
        assert length > text.index("ID") and (text[length - 1] == "\n" or text[length] == "\n")


@given(
    st.integers(0, len(long_csv(ROWS)) - 9),
    st.binary(min_size=8, max_size=8),
)
def test_overwritten_bytes_never_escape_as_another_error(position: int, noise: bytes) -> None:
    content = long_csv(ROWS).encode()
    read_or_refuse(content[:position] + noise + content[position + 8 :])


def test_launches_without_a_metric_in_common_are_no_output_of_ncu() -> None:
    """Found by a probe: a table of all their metrics and launches takes the square of the file."""
    with pytest.raises(RecordError, match="hardly a metric in common"):
        parse_ncu_csv(long_csv([(number, "k", f"m__{number}", "", "1") for number in range(3000)]).encode())


def test_rows_that_all_break_off_are_refused() -> None:
    """Found by a probe: each was tried with the dozen lines behind it."""
    text = wide_csv([("gpu__time_duration.sum", "ns")], [("k", ["1"])])
    with pytest.raises(RecordError, match="too many rows break off"):
        parse_ncu_csv((text + '"1,\n' * 2000).encode())


@pytest.mark.slow
def test_a_long_table_takes_no_more_than_ten_times_its_size() -> None:
    names = [(f"a__{number}.sum", "") for number in range(100)]
    content = wide_csv(names, [("gemm(float *)", ["1,234.5"] * 100)] * 500).encode()
    tracemalloc.start()
    counters = parse_ncu_csv(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(counters) == 500
    assert peak <= 10 * len(content)
