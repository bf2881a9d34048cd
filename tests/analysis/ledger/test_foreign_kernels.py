"""Names of kernels of other stacks, as these write them, and the line that each belongs to."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.analysis.ledger.class_table import RULES
from bench.analysis.ledger.classes import Classes
from bench.analysis.ledger.user_rules import user_rules
from bench.record import causes as c
from bench.record.errors import UsageError


def _names() -> dict[str, list[str]]:
    """Line → names, from the text beside this file."""
    found: dict[str, list[str]] = {}
    for line in Path(__file__).with_name("foreign_kernels.txt").read_text().splitlines():
        if line.startswith("["):
            mine = found[line.strip("[]")] = []
        elif line and not line.startswith("#"):
            mine.append(line)
    return found


NAMES = _names()


@pytest.mark.parametrize("cause", NAMES)
def test_the_line_of_kernels(cause):
    classes = Classes()
    found = {name: classes.kernel(name, (), ()) for name in NAMES[cause]}
    assert found == dict.fromkeys(NAMES[cause], cause)


def test_a_sort_in_a_layer_routes_tokens_and_one_outside_chooses_one():
    name = "void at::native::sbtopk::gatherTopK<float, unsigned int, 2, false>()"
    assert Classes().kernel(name, (), ("decode_step", "layer")) == c.NORM
    assert Classes().kernel(name, (), ("decode_step",)) == c.SAMPLING


@pytest.mark.parametrize("word", ["DeviceProperties", "multicast", "deep_gemm::transpose"])
def test_words_that_hold_others(word):
    """No rope, no cast, no product."""
    assert Classes().kernel(f"void {word}_kernel<>()", (), ()) in (c.OTHER, c.NORM)


@pytest.mark.parametrize("name", ["small_gather_kernel", "LayerNormBlockAllReduce<float>", "norm_warp_all_reduce"])
def test_what_stays_on_one_gpu_is_no_exchange(name):
    assert Classes().kernel(name, (), ()) == c.NORM


def test_an_exchange_inside_the_output_layer_is_an_exchange():
    assert Classes().kernel("ncclDevKernel_AllGather_RING_LL", (), ("lm_head",)) == c.COMMUNICATION


def written(tmp_path, text):
    path = tmp_path / "classes.toml"
    path.write_text(text)
    return path


def test_the_user_s_rules_come_first(tmp_path):
    text = (
        '[[rule]]\ncause = "attention"\nname = "my_secret"\n[[rule]]\ncause = "cast"\non = "kernel"\nname = "marlin"\n'
    )
    classes = Classes(None, (*user_rules(written(tmp_path, text)), *RULES))
    assert classes.kernel("my_secret_kernel", (), ()) == c.ATTENTION
    assert classes.kernel("marlin::Marlin", (), ()) == c.CAST
    assert classes.kernel("ampere_sgemm", (), ()) == c.GEMM


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "give rules, each as"),
        ("rule = 3", "give rules, each as"),
        ("cause =", "not TOML"),
        ('[[rule]]\ncause = "gemms"\nname = "a"', "rule 1: cause 'gemms': choose from gemm"),
        ('[[rule]]\ncause = "gemm"', "rule 1: it would fit every kernel"),
        ('[[rule]]\ncause = "gemm"\nname = "("', "rule 1: name is no regular expression"),
        ('[[rule]]\ncause = "gemm"\nname = 3', "rule 1: name is a text"),
        ('[[rule]]\ncause = "gemm"\nname = "a"\nkernel = "b"', "rule 1: its fields may be cause, on, name"),
        ('[[rule]]\ncause = "gemm"\nname = "a"\nglue = 1', "rule 1: glue is true or false"),
        ('[[rule]]\ncause = "gemm"\nname = "a"\non = "gpu"', "rule 1: on is one of kernel"),
    ],
)
def test_rules_that_cannot_be_used_are_refused(tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        user_rules(written(tmp_path, text))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        user_rules(tmp_path / "none.toml")
