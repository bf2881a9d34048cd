from dataclasses import replace

import pytest

from bench.analysis.comparison import compare
from bench.analysis.machines import hardware_differences
from bench.record.errors import MachineError, UsageError
from tests import factories as make


def repeats(scheme: str, step: float = 0.01, **coordinates: object) -> list[make.Record]:
    return [make.generation(scheme, repeat, step=step, **coordinates) for repeat in range(3)]


def test_cases_are_matched_by_identity() -> None:
    found = compare(repeats("fp16"), [*repeats("fp16", 0.02), *repeats("nf4")])
    decode = next(row for row in found.rows if row.quantity == "decode time per token")
    assert decode.verdict == "SLOWER" and decode.ratio.value == pytest.approx(2.0)
    assert {case.scheme for case in found.only_b} == {"nf4"} and found.only_a == ()


def test_picked_schemes_are_matched_by_their_other_coordinates() -> None:
    run = make.run()
    found = compare(run, run, scheme_a="fp16", scheme_b="int8")
    assert {(row.label_a, row.label_b) for row in found.rows} == {("fp16", "int8")}
    assert {row.quantity for row in found.rows} == {"decode time per token", "time to first token", "forward time"}


def test_b_over_a_inverts_when_they_change_places() -> None:
    a, b = repeats("fp16"), repeats("fp16", 0.02)
    forth, back = compare(a, b).rows[0], compare(b, a).rows[0]
    assert forth.ratio.value * back.ratio.value == pytest.approx(1.0)
    assert (forth.verdict, back.verdict) == ("SLOWER", "FASTER")


def test_energy_is_compared_where_both_have_it() -> None:
    run = make.run(gpu=True)
    quantities = {row.quantity for row in compare(run, run).rows}
    assert "GPU energy per token" in quantities and "CPU energy per token" not in quantities


def test_unlike_machines_are_refused_in_one_line_that_says_what_differs() -> None:
    bigger = replace(make.CPU, cpu={**make.CPU.cpu, "usable_cores": 16})
    other = [replace(item, environment=bigger) for item in repeats("fp16")]
    with pytest.raises(MachineError, match="usable cores: 2 ≠ 16") as refused:
        compare(repeats("fp16"), other)
    assert "\n" not in str(refused.value) and "--force" in str(refused.value) and "CPU:" not in str(refused.value)
    forced = compare(repeats("fp16"), other, force=True)
    assert [finding.code for finding in forced.findings] == ["unlike-machines"]
    assert forced.rows


def test_gpus_and_their_power_limits_are_hardware() -> None:
    capped = replace(make.GPU, gpus=({**make.GPU.gpus[0], "power_limit_w": 400.0},))
    assert hardware_differences(make.GPU, capped) == ("GPU power limit (W): 700 ≠ 400",)
    assert hardware_differences(make.CPU, make.GPU)[0] == "GPUs: none ≠ NVIDIA Example 80GB"
    assert hardware_differences(make.CPU, make.CPU) == ()


def test_packages_that_decide_nothing_are_not_told() -> None:
    newer = replace(make.CPU, packages={**make.CPU.packages, "bitsandbytes": "0.51.0", "rich": "15"})
    other = [replace(item, environment=newer) for item in repeats("fp16")]
    found = compare(repeats("fp16"), other, allow=["versions"])
    assert [item.evidence for item in found.findings] == ["versions: bitsandbytes 0.50.2 ≠ bitsandbytes 0.51.0"]


def test_nothing_in_common_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no Case in common"):
        compare(repeats("fp16"), repeats("fp16", batch_size=2))
    with pytest.raises(UsageError, match="scheme 'fp8'"):
        compare(repeats("fp16"), repeats("fp16"), scheme_b="fp8")
