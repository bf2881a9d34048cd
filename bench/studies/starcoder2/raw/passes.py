"""Which claim about accuracy the study's verdicts carry: paired tests where the tasks are known, bounds elsewhere.

Two totals over the same tasks leave open which tasks changed. A paired test has the more power the fewer tasks changed
both ways, so the smallest p that two totals allow is that of changes in one direction only. Where even that is no sign
of a difference, none can be read from the totals, whatever the tasks were.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.quality.analysis.mcnemar import LEVEL, McNemar, exact_p, mcnemar

from ..published import EIGHT_BIT, FOUR_BIT, ORIGINAL, Published
from ..replication.quality import PassChange, paired_change
from .data import SETTINGS, Raw, key_of

TESTS = {"HumanEval": "PB", "HumanEval+": "P"}
PAIRS = ((ORIGINAL, FOUR_BIT), (ORIGINAL, EIGHT_BIT), (FOUR_BIT, EIGHT_BIT))


@dataclass(frozen=True)
class PassesCell:
    """One cell of Table III on one benchmark. Tasks passed as printed; ``least_p``: of any tasks with these totals.
    ``test`` is None where the programs of the cell are not among those re-judged. ``other_programs``: in how many tasks
    the printed verdict is of another program than the one that is kept. ``kept``: passed among the programs kept."""

    model: str
    tokens: int
    arm: str
    benchmark: str
    original: int
    passed: int
    least_p: float
    test: McNemar | None
    other_programs: int
    kept: int | None

    @property
    def change(self) -> int:
        return self.passed - self.original

    @property
    def readable(self) -> bool:
        """Whether a difference can be read: a test that shows one, or totals that leave it open."""
        return self.test.p < LEVEL if self.test else self.least_p < LEVEL


def cells(raw: Raw, published: Published) -> tuple[PassesCell, ...]:
    return tuple(
        _cell(raw, published, model, tokens, arm, benchmark)
        for model, tokens in SETTINGS
        for arm in (FOUR_BIT, EIGHT_BIT)
        for benchmark in TESTS
    )


def _cell(raw: Raw, published: Published, model: str, tokens: int, arm: str, benchmark: str) -> PassesCell:
    base, own = (_passed(published, model, tokens, one, benchmark) for one in (ORIGINAL, arm))
    key = key_of(model, tokens, arm)
    known = raw.verdicts.get(key)
    return PassesCell(
        model, tokens, arm, benchmark, base, own, least_p(own - base),
        paired(raw, key_of(model, tokens, ORIGINAL), key, benchmark) if known else None,
        raw.jobs["results"][key]["other_programs"],
        sum(letter in TESTS[benchmark] for letter in known["ours"]) if known else None,
    )  # fmt: skip


def _passed(published: Published, model: str, tokens: int, arm: str, benchmark: str) -> int:
    row = published.row(model, tokens, arm)
    share = row.passed_plus if benchmark == "HumanEval+" else row.passed_base
    return round(share * published.tasks)


def least_p(change: int) -> float:
    """The smallest p of a paired test on totals that differ by ``change`` tasks: all changes in one direction."""
    return exact_p(abs(change), 0)


def fewest_for_a_sign() -> int:
    """The fewest tasks that must change, all in one direction, before a paired test shows a difference."""
    return next(n for n in range(1, 100) if least_p(n) < LEVEL)


def outcomes(letters: str, benchmark: str) -> Mapping[str, bool]:
    """Task → passed, less the tasks whose verdict is of another program."""
    return {f"HumanEval/{n}": letter in TESTS[benchmark] for n, letter in enumerate(letters) if letter != "-"}


def paired(raw: Raw, reference: str, arm: str, benchmark: str) -> McNemar:
    """The test on the programs kept, as this project judges them."""
    base, own = (outcomes(raw.verdicts[key]["ours"], benchmark) for key in (reference, arm))
    found = mcnemar(base, own)
    assert found is not None
    return found


def change(raw: Raw, reference: str, arm: str, benchmark: str) -> PassChange:
    """How the share of passed tasks changed, with its interval."""
    base, own = (outcomes(raw.verdicts[key]["ours"], benchmark) for key in (reference, arm))
    found = paired_change([float(own[task]) - float(base[task]) for task in own])
    assert found is not None
    return found


@dataclass(frozen=True)
class Agreement:
    """How the authors' verdicts and this project's agree on one set: tasks compared, tasks that differ, tasks whose
    verdict is of another program, and what each way of cutting the text passes on HumanEval and HumanEval+."""

    key: str
    compared: int
    differ: tuple[int, ...]
    other_programs: tuple[int, ...]
    passed: Mapping[str, tuple[int, int]]


def agreements(raw: Raw) -> tuple[Agreement, ...]:
    return tuple(_agreement(key, verdicts) for key, verdicts in raw.verdicts.items())


def _agreement(key: str, verdicts: Mapping[str, str]) -> Agreement:
    pairs = list(zip(verdicts["authors"], verdicts["ours"], strict=True))
    other = tuple(n for n, (theirs, _) in enumerate(pairs) if theirs == "-")
    differ = tuple(n for n, (theirs, own) in enumerate(pairs) if theirs not in ("-", own))
    counts = {name: (sum(c in "PB" for c in verdicts[name]), verdicts[name].count("P")) for name in verdicts}
    return Agreement(key, len(pairs) - len(other), differ, other, counts)
