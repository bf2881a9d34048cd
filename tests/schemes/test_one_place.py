"""Nothing outside bench/schemes asks what kind a scheme is, or for a scheme by its name: each family answers itself."""

import ast
from pathlib import Path

import pytest

from bench.interventions.table import INTERVENTIONS
from bench.record.errors import UsageError
from bench.schemes import ARMS, AS_SAVED, FAMILIES, arm, register
from bench.schemes.definition import Arm, Family

ROOT = Path(__file__).parents[2]
PLAIN = {family.module for family in FAMILIES.values() if not family.quantises}
MODULES = {family.module for family in FAMILIES.values() if family.module} - PLAIN
# "saved" is also what a checkpoint's description says of it.
NAMES = {*FAMILIES, *ARMS, AS_SAVED, *MODULES} - {"saved"}
# Where such a word is another thing's name.
OTHERS = {
    "bench/models/matching.py": "number types of a checkpoint's files",
    "bench/presets": "a preset is a list of schemes",
    "bench/quality/inside.py": "number types that a judged program may use",
    "bench/studies": "the StarCoder2 study measured these schemes",
}


def modules():
    for top in ("bench", "profiling", "bitledger"):
        for file in sorted((ROOT / top).rglob("*.py")):
            name = str(file.relative_to(ROOT))
            if not name.startswith(("bench/schemes/", *OTHERS)):
                yield name, file.read_text()


def asked(source):
    """(line, word) of each kind or scheme's name that the source compares with, looks up, or has a table of."""
    for node in ast.walk(ast.parse(source)):
        words: list[ast.expr | None] = []
        if isinstance(node, ast.Compare):
            words = [node.left, *node.comparators]
        elif isinstance(node, ast.Dict):
            words = [*node.keys]
        elif isinstance(node, ast.Subscript):
            words = [node.slice]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "index"):
            words = [*node.args[:1]]
        elif isinstance(node, ast.MatchValue):
            words = [node.value]
        for word in words:
            parts = word.elts if isinstance(word, ast.Tuple | ast.Set | ast.List) else [word]
            for part in parts:
                if isinstance(part, ast.Constant) and part.value in NAMES:
                    yield part.lineno, part.value


def test_nothing_else_asks_for_a_kind_or_a_scheme():
    found = [f"{name}:{line}: {word!r}" for name, source in modules() for line, word in asked(source)]
    assert not found, "what differs between schemes belongs in its family's file"


@pytest.mark.parametrize(
    "source",
    [
        'x = kind == "4bit"',
        'x = kind in ("int8", "y")',
        'x = {"nf4": 1}[kind]',
        'x = t.get("Linear4bit")',
        'x["nf4"]',
    ],
)
def test_the_question_is_seen_however_it_is_written(source):
    assert list(asked(source))


def test_every_exception_is_still_there():
    assert all((ROOT / name).exists() for name in OTHERS)


@pytest.mark.parametrize(
    ("kind", "of_arm", "name", "told"),
    [
        ("int8", "int8", "mine", "its kind is known already"),
        ("mine", "mine", "nf4", "nf4 is known already"),
        ("mine", "other", "mine", "its arms mine are of another kind"),
    ],
)
def test_what_would_be_two_things_under_one_name_is_refused_where_it_enters(kind, of_arm, name, told):
    class Mine(Family):
        rank = 1
        arms = (Arm(name, of_arm, "float16", ""),)

    Mine.kind = kind
    with pytest.raises(ValueError, match=told):
        register(Mine())


def test_an_unknown_scheme_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match="choose from fp32, bf16, fp16, int8"):
        arm("mine")


def test_every_arm_says_what_it_takes_or_that_nobody_knows():
    for name, one in ARMS.items():
        stored = FAMILIES[one.kind].stored_bytes(one.facts(), 128, 256)
        assert stored is not None and 0 < stored <= 4 * 128 * 256, name


def test_what_families_say_of_interventions_and_the_table_of_these_fit():
    claimed = {name for family in FAMILIES.values() for name in family.interventions}
    assert claimed == {name for name, item in INTERVENTIONS.items() if item.when is None}


def test_who_offers_an_intervention_can_do_it_and_says_how():
    """A patch of the model asks the family for it; without the method the process that measures would end."""
    methods = {"pre_dequantised": "dequantised", "bare_op": "bare"}
    for family in FAMILIES.values():
        for name in family.interventions:
            method = methods.get(INTERVENTIONS[name].patch)
            assert method is None or getattr(type(family), method) is not getattr(Family, method), (family.kind, name)
            if method == "dequantised":
                assert all(family.dequantising_code(one.facts()) for one in family.arms), family.kind
