"""MBPP+ as EvalPlus publishes it (v0.2.0): HumanEval+'s format, but JSON lost the inputs' types, which some tasks need.

EvalPlus turns lists back into tuples, sets and complex numbers by task; the tables here are evalplus 0.3.1's
(data/mbpp.py), as are those of the tasks with more than one right answer (eval/_special_oracle.py). The file is not
shipped: evalplus/mbppplus_release.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from .tasks import PlusTask, Rule, read

Arguments = list[Any]

# The right answers of these to EvalPlus's inputs take gigabytes: nothing that a sandbox lets out holds them.
TOO_LARGE = frozenset({"Mbpp/255"})
RULES: Mapping[str, Rule] = {
    "are_equivalent": "any",  # Mbpp/164: EvalPlus lets every answer pass
    "sum_div": "zero",  # Mbpp/295
    "surface_Area": "surface",  # Mbpp/581
    "digit_distance_nums": "distance",  # Mbpp/558
    **dict.fromkeys(("check_str", "text_match_three", "text_starta_endb"), "whether"),
    **dict.fromkeys(
        (
            "similar_elements", "find_char_long", "common_in_nested_lists", "extract_singly", "larg_nnum",
            "intersection_array", "find_dissimilar", "Diff",
        ),
        "set",
    ),
}  # fmt: skip


def mbpp_plus(path: str | Path, only: Iterable[str] = ()) -> tuple[PlusTask, ...]:
    """The tasks of an MBPP+ file, in file order. ``only``: these, by id.

    Raises UsageError, naming the file and the line, for a file that is not MBPP+, and for an unknown id.
    """
    return read(Path(path), "MBPP+", only, rule_of, _arguments)


def rule_of(entry_point: str) -> Rule:
    """Which answers of a task are right besides the canonical one's."""
    return RULES.get(entry_point, "equal")


def _arguments(task_id: str, given: Arguments) -> Arguments:
    number = task_id.rpartition("/")[2]
    change = _CHANGES.get(int(number)) if number.isdecimal() else None
    return given if change is None else change(given)


def _tuples(given: Any) -> list[Any]:
    return [tuple(item) for item in given]


def _lists_of_tuples(given: Arguments) -> Arguments:
    return [_tuples(item) for item in given]


def _deep(given: Any) -> Any:
    return tuple(_deep(item) for item in given) if isinstance(given, list) else given


def _sets(given: Arguments) -> Arguments:
    # An empty one is a dict there too.
    return [[set(item) if isinstance(item, list) and item else {} for item in given[0]]]


_Change = Callable[[Arguments], Arguments]


def _by_task(*changes: tuple[Iterable[int], _Change]) -> Mapping[int, _Change]:
    return {number: change for numbers, change in changes for number in numbers}


_CHANGES = _by_task(
    (
        (2, 116, 132, 143, 222, 261, 273, 394, 399, 421, 424, 429, 470, 560, 579, 596, 616, 630, 726, 740, 744, 809),
        _tuples,
    ),
    ((63, 64, 70, 94, 120, 237, 272, 299, 400, 409, 417, 438, 473, 614, 780), _lists_of_tuples),
    ((75, 413, 444, 753), lambda given: [_tuples(given[0]), given[1]]),
    ((106, 750), lambda given: [given[0], tuple(given[1])]),
    ((115,), _sets),
    ((124,), lambda given: [float(given[0]), complex(given[1])]),
    ((250, 405, 446, 617, 720, 763, 808), lambda given: [tuple(given[0]), given[1]]),
    ((259, 401, 445), lambda given: _tuples(_lists_of_tuples(given))),
    ((278,), lambda given: [tuple(tuple(item) if isinstance(item, list) else item for item in given[0])]),
    ((307,), lambda given: [tuple(given[0]), given[1], given[2]]),
    ((722,), lambda given: [{key: tuple(value) for key, value in given[0].items()}, *given[1:]]),
    ((252,), lambda given: [complex(given[0])]),
    ((580, 615, 791), _deep),
)
