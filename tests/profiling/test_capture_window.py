"""Which steps of a generate call are open to an observer, and which ranges lie in them."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from bench.record.errors import UsageError
from profiling.annotate import OldNvtxBackend, RangeAnnotator, annotator, nvtx_backend
from profiling.target import check_window
from profiling.window import CudaProfiler, KinetoRecorder, Window


class Story:
    """Plays ranges, hooks and recorder, and notes what happens in order."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def tell(*arguments: Any) -> None:
            self.told.append(" ".join([name, *map(str, arguments)]))

        return tell


def generate(window: Window, tokens: int) -> None:
    window.begin()
    for index in range(tokens):
        window.step(index)
    window.end()


def observed(first: int, steps: int, tokens: int) -> tuple[list[str], Window]:
    story = Story()
    window = Window(story, story, first, steps)  # type: ignore[arg-type]
    window.attach("model")
    generate(window, tokens)
    return story.told, window


def test_the_prefill_and_the_chosen_steps_are_annotated_and_only_these_are_recorded() -> None:
    told, window = observed(first=2, steps=2, tokens=8)
    closed = ["end", "detach"]
    prefill = ["attach model", "begin", *closed]
    assert told == [
        *prefill, "prepare", "attach model", "start", "step 2", "step 3", *closed, "stop", *closed,
    ]  # fmt: skip
    assert window.complete


def test_a_window_at_the_first_step() -> None:
    told, window = observed(first=0, steps=1, tokens=2)
    assert told.index("prepare") < told.index("start") < told.index("step 0") < told.index("stop")
    assert window.complete


def test_a_call_that_stops_early_is_not_complete() -> None:
    told, window = observed(first=2, steps=4, tokens=4)
    assert "stop" not in told
    assert not window.complete


def test_without_ranges_only_the_recorder_is_told() -> None:
    story = Story()
    window = Window(None, story, 1, 1)  # type: ignore[arg-type]
    generate(window, 4)
    assert story.told == ["prepare", "start", "stop"]


@pytest.mark.parametrize(("first", "steps", "tokens", "fits"), [(8, 4, 13, True), (8, 4, 12, False), (0, 1, 2, True)])
def test_steps_must_lie_inside_the_call(first: int, steps: int, tokens: int, fits: bool) -> None:
    if fits:
        check_window(first, steps, tokens)
        return
    with pytest.raises(UsageError, match="need 13 new tokens"):
        check_window(first, steps, tokens)


def test_no_steps_are_refused() -> None:
    with pytest.raises(UsageError, match="at least 1"):
        check_window(0, 0, 32)


def test_the_capture_waits_for_the_gpu_at_both_edges() -> None:
    story = Story()
    story.cuda = story  # type: ignore[attr-defined]
    story.profiler = story  # type: ignore[attr-defined]
    profiler = CudaProfiler(story)
    profiler.start()
    profiler.stop()
    assert story.told == ["synchronize", "start", "synchronize", "stop"]


class OldNvtx:
    """nvtx up to 0.2.11: its domains have no ranges of their own."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def get_domain(self, name: str) -> object:
        return object()

    def annotate(self, message: str, domain: str, payload: int | None) -> Any:
        events = self.events

        class Prebuilt:
            def __enter__(self) -> None:
                events.append((message, domain, payload))

        return Prebuilt()

    def pop_range(self, domain: str) -> None:
        self.events.append(("pop", domain))


def test_old_nvtx_packages_give_the_same_ranges() -> None:
    nvtx = OldNvtx()
    backend = nvtx_backend(nvtx)
    assert isinstance(backend, OldNvtxBackend)
    ranges = RangeAnnotator(backend)
    ranges.begin()
    ranges.step(3)
    ranges.end()
    pop = ("pop", "bitledger")
    assert nvtx.events == [("prefill", "bitledger", None), pop, ("decode_step", "bitledger", 3), pop]


def test_kinds_of_ranges() -> None:
    assert annotator("none") is None
    assert annotator("record_function") is not None
    with pytest.raises(UsageError, match="unknown ranges"):
        annotator("stamps")  # type: ignore[arg-type]


class Profile:
    """Exports as torch.profiler does, or breaks off."""

    def __init__(self, broken: bool = False) -> None:
        self.broken = broken

    def export_chrome_trace(self, path: str) -> None:
        Path(path).write_bytes(b"{}" * 1000)
        if self.broken:
            raise RuntimeError("no more")


def recorder(profile: Profile) -> KinetoRecorder:
    made = KinetoRecorder.__new__(KinetoRecorder)
    made._profile = profile
    return made


def test_a_trace_is_packed_whole_and_alone(tmp_path: Path) -> None:
    recorder(Profile()).write(str(tmp_path / "trace.json.gz"))
    assert gzip.decompress((tmp_path / "trace.json.gz").read_bytes()) == b"{}" * 1000
    assert [path.name for path in tmp_path.iterdir()] == ["trace.json.gz"]
    recorder(Profile()).write(str(tmp_path / "plain.json"))
    assert (tmp_path / "plain.json").read_bytes() == b"{}" * 1000


def test_of_a_trace_that_is_not_whole_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no more"):
        recorder(Profile(broken=True)).write(str(tmp_path / "trace.json.gz"))
    assert not list(tmp_path.iterdir())
