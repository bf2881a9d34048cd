"""What the observers found, as the report tells it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from bench.analysis import evidence as analysis
from bench.record.schema import Artifact, Record
from bench.report import markdown
from bench.report.analysed import analyse
from bench.report.build import build
from bench.report.page import figure_paths
from bench.report.sections import evidence
from bench.report.svg import only_a_drawing, picture
from tests import factories as make

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" class="flamegraph">\
<style>.flamegraph{}</style><g class="python">\
<title>f &amp; g</title><rect x="1" y="2" width="3" height="4"/><text class="key" x="1" y="2">f</text></g></svg>'
GPU_STEP = {
    "launches_per_step": [1000, 1001, 1003],
    "syncs_per_step": [181, 181, 181],
    "copies_per_step": [1, 1, 1],
    "gpu_busy_per_step": [4e-3, 5e-3, 6e-3],
    "gpu_idle_per_step": [6e-3] * 3,
    "observed_step_time": [10e-3, 11e-3, 12e-3],
}
COUNTED = {
    "profiled_launches": 1000,
    "kernel_time": 5e-3,
    "l1_hits": 10,
    "l1_misses": 90,
    "l2_hits": 60,
    "l2_misses": 40,
}


def kineto(scheme: str, repeat: int = 0, **more: object) -> Record:
    setup = {"top": [{"name": "gemm", "count": 30, "total_ns": 3_000_000}], "top_of": "kernels"}
    return make.record("kineto", make.case(scheme, device="cuda"), GPU_STEP, repeat=repeat, setup=setup | more)


def ncu(caches: str, scheme: str, **metrics: float) -> Record:
    return make.record(f"ncu-{caches}", make.case(scheme, device="cuda"), COUNTED | {"dram_read": 3e9} | metrics)


def skipped(instrument: str, scheme: str, reason: str, repeat: int = 0) -> Record:
    case = make.case(scheme, device="cuda")
    return make.record(instrument, case, status="skipped", reason=reason, repeat=repeat)


def host(look: str, scheme: str, counts: dict[str, int], behind: float = 0.0) -> Record:
    metrics = {f"host_samples_{name}": counts.get(name, 0) for name in analysis.HOST_CLASSES}
    metrics |= {"host_samples_under_bitsandbytes": counts.get("under", 0), "host_samples_elsewhere": 900}
    return make.record(f"py-spy-{look}", make.case(scheme, device="cuda"), metrics, setup={"behind_s": behind})


def told(records: list[Record]) -> str:
    section = evidence.section(analyse(records))
    assert section is not None
    return "\n".join(markdown._section(section, {figure.name: "x" for figure in section.figures}))


def test_no_observers_no_section() -> None:
    assert evidence.section(analyse(make.run(repeats=1))) is None


def test_the_step_in_numbers() -> None:
    text = told([kineto("nf4")])
    assert "| nf4 | kineto | 1001 | 181 | 1 | 5.00 ms | 6.00 ms | 11.0 ms |" in text
    assert "Median over 3 steady decode steps" in text
    assert "| nf4 | gemm | 10 | 1.00 ms | kineto |" in text


def test_counters_cold_and_warm() -> None:
    text = told([ncu("cold", "nf4"), ncu("warm", "nf4", l2_hits=90, l2_misses=10)])
    assert "| nf4 | cold | 10 % | 60 % | 3.00 GB | – |" in text
    assert "| nf4 | warm | 10 % | 90 % |" in text
    assert "Not collected" not in text


def test_what_was_not_collected_is_told_once_with_its_reason() -> None:
    reason = "not collected: no NVIDIA GPU; run on a machine with one"
    text = told([skipped("ncu-cold", scheme, reason) for scheme in ("fp16", "nf4")])
    assert f"| fp16, nf4 | cold | – | – | – | – | – | – | – | {reason} |" in text
    text = told([skipped("nsys", "nf4", reason), kineto("nf4")])
    assert f"nsys (nf4): {reason}." in text
    failed = replace(skipped("nsys", "nf4", "nsys crashed"), status="failed")
    assert "nsys (nf4): not collected: nsys crashed." in told([failed])


def test_a_value_that_was_never_collected_is_no_zero() -> None:
    row = analysis.counters([make.record("ncu-cold", make.case("nf4"), {"profiled_launches": 3})])[0]
    assert (row.l1_hit_rate, row.dram_read, row.modelled) == (None, None, None)
    nothing = {"profiled_launches": 1, "l1_hits": 0, "l1_misses": 0}
    assert analysis.counters([make.record("ncu-cold", make.case("nf4"), nothing)])[0].l1_hit_rate is None


def test_the_latest_good_record_counts() -> None:
    records = [kineto("nf4", 0), replace(kineto("nf4", 1), started_at="later"), skipped("kineto", "nf4", "no", 2)]
    (row,) = analysis.latest(records)
    assert (row.repeat, row.status) == (1, "ok")
    assert (
        analysis.latest([skipped("kineto", "nf4", "first"), skipped("kineto", "nf4", "second", 1)])[0].reason
        == "second"
    )


def test_modelled_traffic_stands_beside_the_measured() -> None:
    case = {"device": "cuda", "m": 1}
    fp16 = [make.matmul("fp16", layer=layer, n=n, k=256, **case) for layer, n in (("c_fc", 512), ("lm_head", 1024))]
    layers = [*fp16, make.matmul("nf4", layer="c_fc", n=512, k=256, **case)]
    layers = [replace(item, setup={**item.setup, "count_in_model": 3}) for item in layers]
    found = analysis.modelled_bytes(ncu("cold", "nf4"), layers)
    packed = 512 * 256 * (0.5 + 4 / 64) + 2 * 256 + 2 * 512
    plain = 2 * 1024 * 256 + 2 * 256 + 2 * 1024
    assert found == pytest.approx((3 * (packed + plain),) * 2)
    assert analysis.modelled_bytes(ncu("cold", "nf4"), fp16) is None, "not measured in this scheme"
    assert "Modelled, Linears" in told([ncu("cold", "nf4"), *layers])


def test_host_shares() -> None:
    text = told([host("everything", "nf4", {"python": 10, "kernels": 30, "waiting": 60, "under": 25}, behind=6.0)])
    assert "| nf4 | everything | 10 % | 30 % | 60 % | 25 % | 100 |" in text
    assert "lagged by up to 6.00 s" in text


def with_drawing(folder: Path, text: str = SVG, path: str = "artifacts/py-spy/flamegraph.svg") -> Record:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    artifact = Artifact(path, hashlib.sha256(text.encode()).hexdigest(), "flamegraph")
    return replace(host("everything", "nf4", {"python": 1}), artifacts=(artifact,))


def test_the_flamegraph_stands_in_the_page(tmp_path: Path) -> None:
    records = [with_drawing(tmp_path)]
    (figure,) = evidence.flamegraphs(analysis.drawn(records))
    assert figure.artifact is not None and picture(tmp_path, figure.artifact) == SVG
    assert figure_paths(build(analyse(records)))[figure.name] == "artifacts/py-spy/flamegraph.svg"
    section = evidence.section(analyse(records))
    assert section is not None and [item.name for item in section.figures] == [figure.name]


def test_a_drawing_that_was_changed_is_not_shown(tmp_path: Path) -> None:
    (artifact,) = with_drawing(tmp_path).artifacts
    (tmp_path / "artifacts/py-spy/flamegraph.svg").write_text(SVG.replace("f &amp; g", "g"))
    assert picture(tmp_path, artifact).startswith("<p>Not shown")


@pytest.mark.parametrize(
    "text",
    [
        SVG.replace("<g ", "<script>alert(1)</script><g "),
        SVG.replace("<g ", '<g onload="alert(1)" '),
        SVG.replace(".flamegraph{}", "@import 'x'"),
        SVG.replace("<rect", '<image href="x"/><rect'),
        '<!DOCTYPE svg [<!ENTITY a "b">]>' + SVG,
        SVG[:-6],
    ],
)
def test_only_plain_drawings_are_shown(text: str, tmp_path: Path) -> None:
    assert text != SVG
    (artifact,) = with_drawing(tmp_path, text).artifacts
    assert picture(tmp_path, artifact).startswith("<p>Not shown")


def test_a_path_out_of_the_run_folder_is_no_drawing(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    record = with_drawing(tmp_path / "run", path="../elsewhere.svg")
    assert evidence.flamegraphs(analysis.drawn([record])) == ()


def test_a_real_flamegraph_is_a_plain_drawing() -> None:
    from profiling.host import flamegraph_svg

    assert only_a_drawing(flamegraph_svg("a (x.py:1);b<c> (libtorch.so) 3\n", "title & more"))
