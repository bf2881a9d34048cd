"""The study, settled: a short replication paper, from the carried raw data alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from bench.record.suggested import command
from bench.report.content import FigureSpec, Report, Section

from . import figures as draw
from . import tables_joules, tables_passes
from .claims import claims
from .facts import wrap_facts
from .first_screen import answer, headlines
from .grounds import CANNOT, Grounds, Outcome, RawClaim
from .joules import SettingJoules

SOURCE = "ana-oprescu/GreenLLMs @09aaf30"


def build(g: Grounds) -> Report:
    """The whole page as data; nothing is drawn yet."""
    found = claims(g)
    return Report(
        title="The StarCoder2 quantisation study, settled on its own raw data",
        run_id="none of one's own is needed",
        setting="",
        headlines=headlines(found),
        summary=(),
        machine=f"the authors' {g.published.gpu}, one of a node's four",
        labels=(f"Every figure is computed from the authors' public raw data ({SOURCE}); nothing was measured anew.",),
        counts=f"Study: {g.published.authors}, “{g.published.title}”.",
        sections=(*_front(g), *results(g), *_ends(found)),
        answer=answer(g),
    )


def results(g: Grounds) -> tuple[Section, ...]:
    """The sections that a page beside a run of one's own has too."""
    return _time(g), _energy(g), _host(g), _passes(g), _prompts(g), _pruning(g), _confounds(g)


def _front(g: Grounds) -> tuple[Section, ...]:
    runs = sum(len(arm.runs) for setting in g.settings for arm in setting.arms)
    question = (
        "The study measured StarCoder2-3B and 7B, unquantised and by bitsandbytes in 4-bit and 8-bit, on HumanEval+ "
        "with 128 and 256 new tokens, and found that quantising costs energy. It left open why its scores were a "
        "quarter of the model's own, where the energy went, and whether its guesses about causes hold. Its raw data "
        "are public. What do they say?"
    )
    data = (
        f"{SOURCE}: {runs} runs by CodeCarbon (CPU, GPU, DRAM, seconds), {len(g.raw.steps)} job steps by EAR, an "
        "energy runtime that reads the node's own counters (power, utilisation, cycles, cache misses), seven sets "
        "of programs with the authors' verdicts, and the job outputs. Figures are carried with this package; the "
        "files are not. Programs of 7B, of 256 tokens and of the other pruned models are not among those carried.",
        "The original was loaded without a dtype, so it is fp32; 4-bit is fp4 with bfloat16 compute; decoding was "
        "greedy, with no warm-up. All ratios here are to that fp32 original.",
    )
    method = (
        "Means of five runs with Student's t, beside the study's 1.96·sd; ratios with 95 % intervals from resampled "
        "runs. Accuracy: exact McNemar tests where the programs are known, else the least p that the printed totals "
        "allow.",
        "Energy: a counter that wrapped n times unseen lost n × 262,143.33 J. Which n is chosen by the power of the "
        "CPU packages that EAR recorded for the same job step, ±2 W (assumed), and is accepted only if it alone "
        "fits; runs that EAR did not watch are held against all powers that it saw on these nodes.",
        "A claim stands where every setting shows it for sure, and falls where one contradicts it for sure; a ratio of "
        "joules is sure only beyond what one arm differs by between two nodes. Elsewhere these data cannot tell.",
    )
    return (
        Section("question", "Question", (question,)),
        Section("data", "Data", data),
        Section("method", "Method", method),
    )


def _time(g: Grounds) -> Section:
    return Section("raw-time", "Result 1: it was slower (Table IV)", tables=(tables_joules.times(g),))


def _energy(g: Grounds) -> Section:
    return Section(
        "raw-energy",
        "Result 2: the joules, corrected (figures 3 to 6)",
        (_energy_text(g),),
        tuple(_energy_figure(setting, number) for number, setting in enumerate(g.settings, 3)),
        (tables_joules.joules(g), tables_joules.ratios(g), tables_joules.wraps(g), tables_joules.splits(g)),
    )


def _energy_text(g: Grounds) -> str:
    facts = wrap_facts(g)
    return (
        f"{facts.fitted} of {facts.runs} runs of 8-bit have a number of wraps that meets the power of their own job "
        f"step by EAR to {facts.largest:.2f} W (median {facts.middle:.2f} W; to {facts.nearest:.2f} W the nearest "
        f"step of the same job), while the next number lies {facts.step:.0f} W and more away; without assuming the "
        f"counter's range, these runs give {facts.range:,.0f} J. No run of 4-bit and no original needs any. Not "
        f"known: {tables_joules.left_out(g)}; it was made the day before, in job {g.raw.jobs['odd_run']['job']}, "
        "which EAR did not watch."
    )


def _energy_figure(setting: SettingJoules, number: int) -> FigureSpec:
    caption = (
        f"{setting.model}, {setting.tokens} tokens: mean of the runs in Wh, as CodeCarbon wrote it and with the CPU's "
        "wraps put back. Thick: where the mean lies (t, 95 %); thin: the study's 1.96·sd."
    )
    name, title = f"study-raw-figure-{number}", f"Figure {number} from the raw data"
    return FigureSpec(name, title, caption, partial(draw.energy, setting))


def _host(g: Grounds) -> Section:
    text = (
        "Where some kernel runs a quarter of the time, faster kernels cannot give back the other three quarters: the "
        "host, which launches them, is what is left (inferred). Phi-2, not quantised and in float16, was no busier."
    )
    caption = "GPU utilisation as EAR recorded it: mean over the runs of an arm, the least and the greatest beside it."
    figure = FigureSpec("study-busy", "How busy the GPU was", caption, partial(draw.busy, g))
    tables = (tables_joules.host(g), tables_joules.caches(g))
    return Section("raw-host", "Result 3: the GPU was mostly idle", (text,), (figure,), tables)


def _passes(g: Grounds) -> Section:
    tables = (
        tables_passes.originals(g),
        tables_passes.cells(g),
        tables_passes.pairs(g),
        tables_passes.judged(g),
    )
    return Section("raw-pass", "Result 4: no accuracy claim can be read (Tables II and III)", tables=tables)


def _prompts(g: Grounds) -> Section:
    text = (
        "HumanEval's prompts end in a newline. A vocabulary that has one token for that newline and the next line's "
        "indentation never saw the newline alone before a body; the model then begins something new. That the tokens "
        "do not lead on is shown for all tasks. That this is most of the missing score is inferred from what was "
        "written; a run with stripped prompts would show it."
    )
    caption = "Tasks of 164 in which the prompt's tokens are the beginning of the tokens of prompt + solution."
    figure = FigureSpec("study-prompts", "Which prompts the tokens lead into", caption, partial(draw.prompts, g))
    tables = (tables_passes.prompts(g), tables_passes.samples(g))
    return Section("raw-prompts", "Result 5: why pass@1 was low", (text,), (figure,), tables)


def _pruning(g: Grounds) -> Section:
    title = "Figure {} from the raw data"
    seven = FigureSpec(
        "study-raw-figure-7", title.format(7), "pass@1 on HumanEval+, judged again; bars: Wilson's 95 % interval.",
        partial(draw.pruned_passes, g.pruned, g.published.pruned),
    )  # fmt: skip
    eight = FigureSpec(
        "study-raw-figure-8", title.format(8), "Mean of the runs at 128 tokens; bars: t interval.",
        partial(draw.pruned_energy, g.pruned),
    )  # fmt: skip
    tables = (tables_passes.pruned(g),)
    return Section("raw-pruning", "Result 6: layers removed (figures 7 and 8)", (), (seven, eight), tables)


def _confounds(g: Grounds) -> Section:
    return Section("raw-confounds", "How the study was run", tables=(tables_passes.confounds(g),))


def _ends(found: Sequence[RawClaim]) -> tuple[Section, ...]:
    titles: dict[Outcome, tuple[str, str]] = {
        "stands": ("stands", "What stands"),
        "falls": ("falls", "What falls"),
        CANNOT: ("open", "What these data cannot tell"),
    }
    made = [
        Section(anchor, title, tables=(tables_passes.claims(_only(found, outcome)),))
        for outcome, (anchor, title) in titles.items()
    ]
    only_gpu = (
        "How the arms compare with fp16, which nobody measured; how much of the GPU's time goes on dequantising, "
        "and what its caches miss; what pass@1 is with stripped prompts, and then whether quantising lowers it; "
        "what fp4 and bfloat16 compute cost against nf4 and float16; what a warmed-up call takes. "
        f"`{command('run --preset paper')}` measures them, and `--preset paper-compat` what the study ran.",
    )
    return (*made, Section("gpu", "What only a GPU can tell", only_gpu))


def _only(found: Sequence[RawClaim], outcome: Outcome) -> tuple[RawClaim, ...]:
    """The claims with those of their readings that end so."""
    kept = [
        RawClaim(claim.statement, tuple(one for one in claim.readings if one.outcome == outcome)) for claim in found
    ]
    return tuple(claim for claim in kept if claim.readings)
