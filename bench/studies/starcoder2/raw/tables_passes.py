"""Tables of programs, prompts, layers, confounds and claims."""

from __future__ import annotations

from bench.record.suggested import command
from bench.report import units
from bench.report.content import Cell, Table, Tone, table

from ..published import ORIGINAL
from .confounds import confounds as all_confounds
from .data import SETTINGS, key_of
from .grounds import CANNOT, Grounds, Outcome, RawClaim, name_of
from .passes import PAIRS, TESTS, agreements, paired
from .tables_joules import ROW, columns_of, wh

TONES: dict[Outcome, Tone] = {"stands": "good", "falls": "bad", CANNOT: "unsure"}
_SETS = {
    "3b_128": "StarCoder2-3B, original", "3b_128_4bit": "StarCoder2-3B, 4-bit", "3b_128_8bit": "StarCoder2-3B, 8-bit",
    "Phi2_128": "Phi-2, original", "3b_128_1": "StarCoder2-3B less 1 layer", "3b_128_2": "StarCoder2-3B less 2 layers",
    "3b_128_3": "StarCoder2-3B less 3 layers",
}  # fmt: skip
_STYLES = {"as-is": "as it is", "evalplus": "EvalPlus: strip(), newline", "stripped": "stripped"}


def claims(found: tuple[RawClaim, ...]) -> Table:
    columns = columns_of(
        "Outcome", "The study says", "Read as", "Evidence",
    )  # fmt: skip
    rows = [
        (Cell(reading.outcome, TONES[reading.outcome]), f"{claim.statement.text} ({claim.statement.source})",
         reading.name or "–", reading.evidence)
        for claim in found
        for reading in claim.readings
    ]  # fmt: skip
    note = "[low, high]: 95 % interval over runs. The original is fp32 everywhere: nothing here is said of fp16."
    return table("The study's claims, on its own raw data", columns, rows, note)


def originals(g: Grounds) -> Table:
    """Table II."""
    columns = columns_of(
        "Model", ">Tokens", ">Printed, %", ">Judged again, %", "Judged on",
    )  # fmt: skip
    rows = []
    for model, tokens in SETTINGS:
        row, key = g.published.row(model, tokens, ORIGINAL), key_of(model, tokens, ORIGINAL)
        verdicts = g.raw.verdicts.get(key)
        again: Cell | str = Cell("programs not carried", "muted")
        if verdicts:
            again = " / ".join(f"{100 * n / len(verdicts['ours']):.1f}" for n in _counts(verdicts["ours"]))
        rows.append((model, str(tokens), f"{100 * row.passed_base:.1f} / {100 * row.passed_plus:.1f}", again,
                     g.raw.jobs["results"][key]["judged"]))  # fmt: skip
    return table("Table II: pass@1 on HumanEval / HumanEval+", columns, rows)


def _counts(letters: str) -> tuple[int, int]:
    return sum(letter in "PB" for letter in letters), letters.count("P")


def cells(g: Grounds) -> Table:
    """Table III, and what can be read from each cell."""
    columns = columns_of(
        *ROW, "On", ">Tasks passed: original → arm", ">Judged again", "p", "Can a difference be read?",
        "Of another generation",
    )  # fmt: skip
    rows = []
    for cell in g.cells:
        p = f"{cell.test.p:.2f} ({cell.test.lost} lost, {cell.test.won} won)" if cell.test else f"≥ {cell.least_p:.3g}"
        other = f"{cell.other_programs} tasks" if cell.other_programs else "none"
        rows.append((
            name_of(cell.model, cell.tokens), cell.arm, cell.benchmark, f"{cell.original} → {cell.passed}",
            str(cell.kept) if cell.kept is not None else Cell("not carried", "muted"), p,
            Cell("yes", "bad") if cell.readable else Cell("no", "unsure"),
            Cell(other, "unsure") if cell.other_programs else Cell(other, "muted"),
        ))  # fmt: skip
    note = (
        "p: exact McNemar on the programs kept; ≥: the least that any tasks with these totals allow. Of another "
        "generation: tasks whose printed verdict is of another program than the one kept beside it. Nor do equal "
        "totals show equal models."
    )
    return table("Table III: what can be read from 164 tasks", columns, rows, note)


def pairs(g: Grounds) -> Table:
    """The exact paired test between each two arms whose programs are known."""
    columns = columns_of("Arms (3B/128)", "On", ">Lost", ">Won", ">p", "Verdict")
    rows = []
    for first, second in PAIRS:
        for benchmark in TESTS:
            before, after = (key_of("StarCoder2-3B", 128, arm) for arm in (first, second))
            one = paired(g.raw, before, after, benchmark)
            rows.append((f"{first} → {second}", benchmark, str(one.lost), str(one.won), f"{one.p:.2f}", one.verdict))
    note = "Exact McNemar on the programs kept, as judged here. Lost: passed by the first alone; won: by the second."
    return table("Paired tests", columns, rows, note)


def prompts(g: Grounds) -> Table:
    columns = columns_of(
        "Prompt", *(f">{name}" for name in g.raw.continues),
    )  # fmt: skip
    rows = [
        (meaning, *(f"{styles[style].count('1')} of {len(styles[style])}" for styles in g.raw.continues.values()))
        for style, meaning in _STYLES.items()
    ]
    note = "Tasks in which the prompt's tokens are the beginning of the tokens of prompt + the task's own solution."
    return table("Which prompts a model can go on from, by its tokenizer alone", columns, rows, note)


def samples(g: Grounds) -> Table:
    columns = columns_of(
        "Set (128 tokens)", ">First line is def", ">Same function again", ">Tokens that repeat the prompt",
        ">Sanitised under 60 characters", ">Ended early",
    )  # fmt: skip
    rows = []
    for key, name in _SETS.items():
        one = g.raw.samples[key]
        repeated = sum(one["repeated"]) / sum(one["tokens"])
        rows.append((
            name, str(one["begins_with_def"].count("1")), str(one["begun_again"].count("1")), f"{100 * repeated:.0f} %",
            str(sum(length < 60 for length in one["sanitised_characters"])), str(one["ended"].count("1")),
        ))  # fmt: skip
    note = "Of 164 outputs each. What an unbroken continuation begins with is the body of the function, never def."
    return table("What the models wrote", columns, rows, note)


def judged(g: Grounds) -> Table:
    columns = columns_of(
        "Set (128 tokens)", ">Tasks compared", ">Verdicts that differ", "Of another program",
        ">Authors' sanitiser", f">{g.raw.sanitiser}", ">Raw text",
    )  # fmt: skip
    rows = [
        (_SETS[one.key], str(one.compared), str(len(one.differ)),
         ", ".join(f"HumanEval/{n}" for n in one.other_programs) or "–",
         *(f"{one.passed[name][0]} / {one.passed[name][1]}" for name in ("ours", "sanitised_now", "raw")))
        for one in agreements(g.raw)
    ]  # fmt: skip
    note = (
        f"Passed on HumanEval / HumanEval+, judged by {command('evaluate')}; differ: from the authors' verdicts. "
        "The sanitiser of evalplus's repository (26d6d00, October 2025) gives the same text as 0.3.1."
    )
    return table("Judged again", columns, rows, note)


def pruned(g: Grounds) -> Table:
    columns = columns_of(
        "Model", ">Layers less", ">Runs", ">GPU, Wh", ">GPU ÷ whole", ">CodeCarbon's total, Wh",
        ">Total ÷ whole", ">Passed of 164",
    )  # fmt: skip
    rows = [
        (one.model, str(one.removed), str(len(one.gpu.runs)), wh(one.gpu), units.ratio(one.gpu_ratio), wh(one.total),
         units.ratio(one.total_ratio), f"{one.passed[0]} / {one.passed[1]}" if one.passed else "not carried")
        for one in g.pruned
    ]  # fmt: skip
    note = (
        "128 tokens; [t interval]. Several nodes each. How many tokens 7B and the pruned Phi-2 wrote is not carried: "
        "outputs that end earlier lower the joules of a run too."
    )
    return table("Figures 7 and 8: layers removed", columns, rows, note)


def confounds(g: Grounds) -> Table:
    columns = columns_of(
        "How it was run", "Touches", "Known", "Share", "Evidence",
    )  # fmt: skip
    rows = [(one.name, one.touches, one.known, one.share, one.told) for one in all_confounds(g)]
    note = (
        "Shares of a gap are of its logarithm, so that they add. What is not in these data needs a GPU: preset paper."
    )
    return table("How the study was run, and what that carries", columns, rows, note)
