"""Wherever a log is cut, no part of a secret is left at the cut; and one place cuts all logs."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.record import logs
from bench.record.errors import MeasurementError
from bench.record.secrets import MASK
from bench.workloads.outcome import explain
from profiling.capture import filing, process
from profiling.capture.process import Finished

ROOT = Path(__file__).parents[2]
LONG = "".join(f"<{number:05d}>" for number in range(2000))  # 14,000 letters: a key in PEM, a credential file as JSON
PIECE = 8  # letters that would tell a part of a secret


@pytest.fixture
def secret(monkeypatch):
    def choose(value):
        monkeypatch.setenv("SOME_TOKEN", value)
        return value

    return choose


def leaks(text, value):
    return [value[at : at + PIECE] for at in range(0, len(value) - PIECE, 3) if value[at : at + PIECE] in text]


@pytest.mark.parametrize("after", [0, 1, 5_000, 13_999, 14_000, 14_001, 60_000])
def test_a_long_secret_across_the_cut_does_not_leak(tmp_path, secret, after):
    value, log = secret(LONG), tmp_path / "child.log"
    log.write_text("x" * 300_000 + value + "y" * (logs.TAIL_BYTES - after))
    kept = logs.keep_tail(log)
    assert not leaks(kept, value) and log.read_text() == kept
    assert kept.endswith("y" * 100) and len(kept) <= logs.TAIL_BYTES


def test_secrets_that_shrink_the_text_bring_no_half_one_in_from_its_beginning(tmp_path, secret):
    value, log = secret(LONG), tmp_path / "child.log"
    log.write_text(value * 60 + "the end")  # masked, what is read is shorter than what may be kept
    kept = logs.keep_tail(log)
    assert not leaks(kept, value) and kept.endswith(f"{MASK}the end")


@given(st.integers(8, 40), st.integers(0, 200), st.integers(0, 200), st.integers(1, 5), st.integers(1, 64))
@settings(max_examples=300)
def test_no_cut_leaks(tmp_path_factory, length, before, after, times, most):
    value = LONG[:length]
    log = tmp_path_factory.mktemp("log") / "log"
    log.write_text(("." * before + value) * times + "." * after)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOME_TOKEN", value)
        patch.setattr(logs, "LONGEST_SECRET", 40)
        kept = logs.masked_tail(log, most=most)
    assert re.fullmatch(r"[.*]*", kept) and len(kept) <= most


def test_what_a_tool_printed_before_is_left_out(tmp_path):
    log = tmp_path / "log"
    log.write_text("before\nnow\n")
    assert logs.masked_tail(log, begin=7) == "now\n"


def test_a_secret_that_is_no_text_is_masked(tmp_path, secret):
    secret("canary-\udcff-1234")
    log = tmp_path / "log"
    log.write_bytes(b"Authorization: canary-\xff-1234 \xfe")
    assert logs.keep_tail(log) == f"Authorization: {MASK} \N{REPLACEMENT CHARACTER}"


def test_another_name_of_a_log_keeps_what_it_held(tmp_path):
    log, other = tmp_path / "log", tmp_path / "other"
    log.write_text("x" * (2 * logs.TAIL_BYTES))
    other.hardlink_to(log)
    logs.keep_tail(log)
    assert other.stat().st_size == 2 * logs.TAIL_BYTES


def test_an_error_is_masked_before_its_middle_is_left_out(secret):
    value = secret(LONG[:700])
    for before in (0, 300, 590, 900):
        told = str(MeasurementError("x" * before + value + "y" * 900))
        assert MASK in told or before == 900
        assert not leaks(told, value)


def test_the_last_line_of_a_tool_is_masked_before_it_is_cut(tmp_path, secret):
    value = secret(LONG[:200])
    log = tmp_path / "log.txt"
    log.write_text("x" * 200 + value + "\n")
    told = Finished("nsys", 1, 60.0, False, process._lines(log, 0)).problem()
    assert told.endswith(f"x{MASK}")


def test_a_secret_of_several_lines_is_masked_in_the_first_one(secret):
    value = secret("-----BEGIN KEY-----\nabcdefgh\n-----END KEY-----")
    assert explain(ValueError(f"cannot read {value}")) == f"ValueError: cannot read {MASK}"


def test_there_is_one_place_that_cuts_logs():
    assert filing.keep_tail is logs.keep_tail and process.masked_tail is logs.masked_tail
    cutters = [
        file.relative_to(ROOT).as_posix()
        for room in ("bench", "profiling")
        for file in (ROOT / room).rglob("*.py")
        if re.search(r"read_(bytes|text)\([^)]*\)\[-", file.read_text(encoding="utf-8"))
    ]
    assert cutters == []
