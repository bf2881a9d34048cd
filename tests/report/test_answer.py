"""The first screen: a sentence, a waterfall that adds up, causes with evidence, what to do."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bench import cli
from bench.analysis.explain import explain, narrowed
from bench.record import causes as c
from bench.record.store import open_run
from bench.report.answer import answer
from bench.report.build import tabs
from bench.report.content import Commands
from bench.report.sections.ledger_figure import bars, waterfall
from tests import factories as make
from tests.written_report import write_report

COMMANDS = Commands("python -m bench run --repeats 5", "python -m bench intervene --out mine")
FP16 = {c.GEMM: 0.006, c.HOST_GAP: 0.004}
SLOW = {c.GEMM: 0.006, c.DEQUANTISE: 0.0031, c.HOST_GAP: 0.0080}
FAST = {c.GEMM: 0.003, c.HOST_GAP: 0.004}


def run(schemes=("fp16", "int8", "nf4")):
    records = []
    for repeat in range(4):
        for scheme in schemes:
            lines = FP16 if scheme == "fp16" else SLOW
            records += [make.generation(scheme, repeat), make.kineto(scheme, repeat, lines=lines)]
    return records


def test_the_sentence_names_the_slower_and_why():
    found = answer(explain(run()))
    assert found is not None
    assert found.sentence.startswith("Slower than fp16: int8 and nf4. int8 takes ×1.7")
    assert found.sentence.endswith(
        "(+7.42 ms: 7.55 ms lost, 0.129 ms won back), the largest cause: +4.05 ms for the host: Python and dispatch."
    )
    assert found.tone == "bad"
    assert found.causes[0].title.startswith(
        "The host: Python and dispatch: +4.05 ms per token, 54 % of the 7.55 ms lost"
    )
    assert found.causes[-1].title.startswith("2 more causes together: ")
    assert found.actions[0].code


def test_evidence_says_where_host_time_comes_from_and_what_work_takes_along():
    leading = make.source(0.001, operator="bitsandbytes::dequantize_4bit", work=c.DEQUANTISE)
    elsewhere = make.source(0.007, operator="MatMul4Bit", work=c.GEMM)
    records = []
    for repeat in range(4):
        records += [make.generation("fp16", repeat), make.kineto("fp16", repeat, lines=FP16)]
        records += [
            make.generation("int8", repeat),
            make.kineto("int8", repeat, lines=SLOW, sources=[leading, elsewhere]),
        ]
    found = answer(explain(records))
    assert found is not None
    told = {point.title.split(":")[0]: point.text for point in found.causes}
    assert "Operators +3.12 ms, the host on the way there +1 ms." in told["Dequantising"]
    # What went along with dequantising is not told of the host again.
    assert told["The host"].startswith("Mostly at MatMul4Bit (+7 ms). ")


def test_it_is_honest_where_nothing_can_be_told():
    one = answer(explain([make.generation("fp16"), make.generation("bf16")]))
    assert one is not None
    assert "cannot tell for bf16" in one.sentence
    assert one.figure is None


@pytest.fixture(scope="module")
def torn():
    """Two repeats of a reference whose speed drifts: the difference's interval excludes 0, the ratio's holds 1."""
    records = []
    for repeat, (reference, scheme) in enumerate(((0.001, 0.030), (0.003, 0.0305))):
        records += [
            make.generation("fp16", repeat, step=reference),
            make.kineto("fp16", repeat, lines=FP16),
            make.generation("int8", repeat, step=scheme / make.SPEEDS["int8"]),
            make.kineto("int8", repeat, lines=SLOW),
        ]
    return records


def test_the_headline_claims_no_more_than_the_table(torn):
    found = explain(torn)
    (pair,) = found.pairs
    assert pair.closed.delta.sure
    (row,) = found.generation_rows.values()
    assert row.verdict == "AMBIGUOUS"
    told = answer(found)
    assert told is not None
    assert told.sentence.startswith(f"This run cannot tell for int8. int8 takes ×{row.time_ratio.value:.2f} the time")
    assert told.tone == "unsure"


def test_where_nothing_can_be_told_more_processes_are_asked_for_not_remedies(torn):
    told = answer(explain(torn), COMMANDS)
    assert told is not None
    (action,) = told.actions
    assert (action.title, action.code) == ("Measure more processes first", "python -m bench run --repeats 5")
    told = answer(explain(torn))
    assert told is not None
    assert (told.actions[0].title, told.actions[0].code) == ("Measure more processes first", "")
    assert "larger --repeats" in told.actions[0].text


def test_what_was_tried_is_not_asked_for_again():
    tried = [
        make.intervention("int8", name, repeat, step=step)
        for repeat in range(4)
        for name, step in (("none", 0.0172), ("threshold-0", 0.020))
    ]
    found = explain([*run(("fp16", "int8")), *tried])
    told = answer(replace(found, remedies=()))
    assert told is not None
    assert [action.title for action in told.actions] == ["Nothing that was tried made it faster"]
    told = answer(replace(found, remedies=(), interventions=()), COMMANDS)
    assert told is not None
    assert [action.code for action in told.actions] == ["python -m bench intervene --out mine --schemes int8"]


def test_what_was_tried_at_another_length_is_known_where_the_length_is_asked_for():
    tried = [
        make.intervention("int8", name, repeat, step=step, new_tokens=8)
        for repeat in range(4)
        for name, step in (("none", 0.0172), ("threshold-0", 0.020))
    ]
    found = replace(explain([*run(("fp16", "int8")), *tried]), remedies=())
    wanted = {"scheme": "int8", "new_tokens": 32}
    told = answer(narrowed(found, wanted))
    assert told is not None
    assert [action.title for action in told.actions] == ["Nothing that was tried made it faster"]
    assert narrowed(found, wanted).interventions == found.interventions


def test_what_was_tried_is_not_denied_where_it_made_it_faster_and_is_no_remedy():
    tried = [
        make.intervention("int8", name, repeat, step=step)
        for repeat in range(4)
        for name, step in (("none", 0.0172), ("threshold-1e4", 0.0050))
    ]
    found = explain([*run(("fp16", "int8")), *tried])
    told = answer(replace(found, remedies=tuple(one for one in found.remedies if not one.instead)))
    assert told is not None
    assert [action.title for action in told.actions] == ["What made it faster is no remedy here"]


@pytest.mark.parametrize(("before", "after", "told"), [(0.02, 0.015, "5 ms less"), (0.02, 0.0215, "1.5 ms more")])
def test_a_prediction_of_more_time_is_told_as_such(before, after, told):
    tried = [
        make.intervention("int8", name, repeat, step=step)
        for repeat in range(4)
        for name, step in (("none", 0.0172), ("bare-op", 0.0050))
    ]
    found = answer(explain([*run(("fp16", "int8")), *tried, make.prediction("int8", "bare-op", before, after)]))
    assert found is not None
    assert f"Predicted before, by replay: {told}." in found.actions[0].text


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("bare-op", "; same memory."),
        ("static-cache", "; same memory of the weights, other memory may be more."),
        ("batch-8", "; same memory of the weights, other memory may be more."),
    ],
)
def test_what_holds_more_keys_and_values_is_not_said_to_take_the_same_memory(name, told):
    tried = [
        make.intervention("int8", each, repeat, step=step)
        for repeat in range(4)
        for each, step in (("none", 0.0172), (name, 0.0050))
    ]
    found = answer(explain([*run(("fp16", "int8")), *tried]))
    assert found is not None
    assert told in found.actions[0].text


def test_no_hypothesis_explains_a_loss_that_the_table_does_not_show(torn):
    assert {item.verdict for item in explain(torn).hypotheses if item.id in ("H1", "H3", "H4", "H8")} == {"not tested"}


def test_a_scheme_that_is_as_fast_is_called_so():
    records = [make.generation("fp16", repeat, calls=2) for repeat in range(30)]
    records += [replace(record, case=make.case("bf16")) for record in records]
    found = explain(records)
    (row,) = found.generation_rows.values()
    told = answer(found)
    assert row.verdict == "SAME"
    assert told is not None
    assert told.sentence.startswith("As fast as fp16: bf16. bf16 takes ×1.00 the time per token")
    assert told.tone == "same"
    assert told.actions[0].title == "Nothing"


def test_no_reference_no_answer():
    assert answer(explain([make.generation("nf4")])) is None


def test_the_bars_go_from_one_time_to_the_other():
    pair = max(explain(run()).pairs, key=lambda item: item.closed.delta.delta_ms)
    shown = bars(pair.causes)
    assert pair.closed.reference_ms + sum(bar.ms for bar in shown) == pair.closed.scheme_ms
    assert all(sum(ms for ms, _ in bar.parts) == bar.ms for bar in shown)
    assert waterfall(pair).axes


def test_the_page_opens_with_the_answer(tmp_path):
    paths = write_report(tmp_path, run(), ())
    html = (tmp_path / "report.html").read_text()
    text = re.sub(r"<[^>]+>", " ", html[html.index("<body>") :])
    assert text.index("Slower than fp16") < text.index("SLOWER") < text.index("What to do")
    markdown = (tmp_path / "report.md").read_text()
    assert "## What to do" in markdown
    assert any(path.name == "answer.svg" for path in paths)
    for title in ("Where the time goes", "Hypotheses", "What to change"):
        assert title in html
    assert "<title>the host: Python and dispatch: +4.05 ms per token; 95 % interval " in html
    # What a tab holds stands once.
    assert "Ledgers of the other schemes" in markdown and "Ledgers of the other schemes" not in html
    for scheme in ("int8", "nf4"):
        assert html.count(f'<figcaption class="heading">Ledger: fp16 → {scheme}</figcaption>') == 1
        assert html.count(f'aria-label="From fp16 to {scheme}, cause by cause"') == 1
    assert list(re.findall(r"<label for=.*?<b>(.*?)</b>", html)) == ["int8", "nf4"]


def test_a_reader_who_asks_for_a_scheme_gets_it_first(tmp_path, capsys):
    found = explain(run(("fp16", "int8", "nf4")))
    first = answer(found)
    other = next(pair.scheme for pair in found.pairs if f"{pair.scheme} takes" not in first.sentence)
    told = answer(found, scheme=other)
    assert f" {other} takes ×" in told.sentence and told.figure.title == f"From fp16 to {other}, cause by cause"
    assert tabs(found, scheme=other)[0].scheme == other
    with open_run(tmp_path) as writer:
        for record in run(("fp16", "int8", "nf4")):
            writer.append(record)
    assert cli.main(["report", str(tmp_path), "--scheme", other]) == 0
    assert f" {other} takes ×" in " ".join(capsys.readouterr().out.split())
    assert re.search(r"<label for=[^>]*><b>(.*?)</b>", (tmp_path / "report.html").read_text())[1] == other
    assert cli.main(["report", str(tmp_path), "--scheme", "fp9"]) == 2
    assert "choose from int8, nf4" in capsys.readouterr().err


def test_a_scheme_of_another_setting_is_not_said_to_be_missing_in_the_run(tmp_path, capsys):
    with open_run(tmp_path / "run") as writer:
        for repeat in range(2):
            for scheme, batch in (("fp16", 1), ("int8", 1), ("fp16", 8), ("nf4", 8)):
                writer.append(make.generation(scheme, repeat, calls=2, new_tokens=8, batch_size=batch))
    assert cli.main(["report", str(tmp_path / "run"), "--scheme", "nf4"]) == 2
    told = "--scheme: 'nf4' is not set against fp16 in the setting that the report begins with; choose from int8"
    assert told in capsys.readouterr().err


def test_the_processes_that_would_tell_are_estimated_where_a_run_shows_how_they_differ():
    """Sixteen of 3 % find 3 %; where forty times as many would be needed, a quieter machine is asked for instead."""

    def told(times, spread):
        records = [
            make.generation(scheme, repeat, step=0.01 * factor * (1 + spread * offset) / make.SPEEDS[scheme], calls=2)
            for scheme, factor in (("fp16", 1.0), ("int8", times))
            for repeat, offset in enumerate((-1, 0, 1, 0.5))
        ]
        (action,) = answer(explain(records), COMMANDS).actions
        return action

    few, many = told(1.03, 0.03), told(1.005, 0.2)
    found = re.search(r"about (\d+) processes of each would tell", few.text)
    assert found and 9 <= int(found[1]) <= 40 and "Estimated" in few.text
    assert few.code == f"python -m bench run --repeats {found[1]}"
    assert many.title == "Make the machine quieter first" and "more than 50" in many.text and not many.code
