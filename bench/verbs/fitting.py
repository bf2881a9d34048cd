"""Fits what is asked to the checkpoint it is asked of: one that was saved quantised is measured as it is, one in
bfloat16 against bfloat16. Both are said, and both hold only where the user named no schemes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench.presets import EndToEnd, Preset
from bench.record.errors import UsageError
from bench.schemes import AS_SAVED, REFERENCE, arm, family, variants
from bench.schemes.variants import parts
from bench.workloads.prompts import CHAT
from bench.workloads.sources import Source

# Presets that ask about a model as it is; the others say exactly what is measured.
_EVERYDAY = ("smoke", "quick")


def labelled(source: Source, facts: Mapping[str, Any]) -> Source:
    """The source with what its description told of how it was saved."""
    if not facts.get("saved"):
        return source
    return replace(source, saved=facts["saved"], label=f"saved quantised: {facts['saved']}")


def refuse_unfit(sources: Sequence[Source], schemes: Sequence[str]) -> None:
    """Raises UsageError where the ``schemes`` that a user named cannot be made of any of the models."""
    saved = [one for one in sources if one.saved]
    others = [scheme for scheme in schemes if parts(scheme)[0] != AS_SAVED]
    if others and len(saved) == len(sources):
        raise UsageError(
            f"{saved[0].name} was saved quantised ({saved[0].saved}), and {', '.join(others)} cannot be made of it: "
            f"measure it with --schemes {AS_SAVED}, or give its unquantised checkpoint with --model and this one with "
            "--beside"
        )
    if len(others) < len(schemes) and not saved:
        raise UsageError(f"{sources[0].name} was not saved quantised, so there is no {AS_SAVED}: choose another scheme")


def available(preset: Preset, device: str) -> tuple[Preset, dict[str, str]]:
    """The preset less the schemes that cannot be measured on ``device`` here; scheme → why. Where the reference is one
    of them, the first that can takes its place."""
    named = dict.fromkeys((*(name for sweep in preset.sweeps for name in sweep.schemes), *preset.matmul_schemes))
    why = {name: reason for name in named if (reason := unavailable(name, device))}
    if not why:
        return preset, why

    def left(schemes: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in schemes if name not in why)

    sweeps = (sweep.with_schemes(left) for sweep in preset.sweeps)
    kept = tuple(sweep for sweep in sweeps if sweep.schemes)
    able = (*(name for sweep in kept for name in sweep.schemes if sweep.timed), preset.reference)
    reference = able[0] if preset.reference in why else preset.reference
    return replace(preset, sweeps=kept, matmul_schemes=left(preset.matmul_schemes), reference=reference), why


def unavailable(scheme: str, device: str) -> str:
    """Why a scheme cannot be measured on ``device`` here; "" where it can."""
    return family(arm(scheme)).unavailable(arm(scheme), device) or variants.unavailable(scheme, device)


def refuse_too_long(preset: Preset, source: Source, facts: Mapping[str, Any]) -> None:
    """Raises UsageError where a timed sweep's prompts and new tokens do not fit the model's positions. ``facts``: of
    its description, whose prompts have at the least so many tokens."""
    limit = facts.get("positions")
    if limit is None:
        return
    for sweep in (sweep for sweep in preset.sweeps if sweep.timed):
        lengths = sweep.prompt_lengths or tuple(facts.get("prompts", ())[: sweep.calls * max(sweep.batch_sizes)])
        longest = max(lengths, default=sweep.prompt_tokens)
        if longest + sweep.new_tokens > limit:
            raise UsageError(
                f"a prompt of {longest} tokens and {sweep.new_tokens} new tokens exceed the {limit} positions of "
                f"{source.name}: use fewer --new-tokens or --prompt-tokens"
            )


def judged(preset: Preset, source: Source, facts: Mapping[str, Any]) -> tuple[Preset, str]:
    """The preset less the sweeps for pass@1 whose prompts and new tokens do not fit the model's positions, and why; ""
    where all do. Raises UsageError where nothing is left. ``facts``: as for ``refuse_too_long``."""
    limit, texts = facts.get("positions"), () if source.prompt else facts.get("prompts", ())
    needs = [0 if one.timed else max(texts[: one.tasks], default=0) + one.new_tokens for one in preset.sweeps]
    if limit is None or max(needs, default=0) <= limit:
        return preset, ""
    why = f"pass@1 is not judged: it takes up to {max(needs)} tokens, and {source.name} has {limit} positions"
    left = tuple(sweep for sweep, tokens in zip(preset.sweeps, needs, strict=True) if tokens <= limit)
    if not left:
        raise UsageError(f"{why}: use fewer --new-tokens")
    return replace(preset, sweeps=left), why


def refuse_no_template(preset: Preset, sources: Sequence[Source], descriptions: Sequence[Mapping[str, Any]]) -> None:
    """Raises UsageError where a chat is asked for of a model without a chat template. ``descriptions``: one of
    each of ``sources``."""
    if any(sweep.prompt_style == CHAT for sweep in preset.sweeps):
        for source, facts in zip(sources, descriptions, strict=True):
            if not source.has_text:
                raise UsageError(
                    f"{source.name} has no text, so that its prompts are random: leave --prompt-style chat out"
                )
            if not facts.get("chat_template", True):
                raise UsageError(
                    f"the tokenizer of {source.name} has no chat template: leave --prompt-style chat out, or choose "
                    "another"
                )


def for_saved(preset: Preset) -> Preset:
    """The preset for quantised checkpoints alone: as they were saved, no layer products, nothing pruned."""
    sweeps = tuple(_as_saved(sweep) for sweep in preset.sweeps if sweep.schemes and sweep.dropped_layers == ("",))
    return replace(preset, sweeps=sweeps, matmul_schemes=(), matmul_m=(), reference=AS_SAVED)


def _as_saved(sweep: EndToEnd) -> EndToEnd:
    observers = {name: ((AS_SAVED,), repeats) for name, (_, repeats) in sweep.observers.items()}
    return replace(sweep, schemes=(AS_SAVED,), observers=observers)


def for_dtype(preset: Preset, source: Source, dtype: str) -> Preset:
    """The preset in bfloat16 where that is what the checkpoint is in: its activations may be too large for float16."""
    native = dtype == "bfloat16" and source.kind in ("folder", "hub") and preset.name in _EVERYDAY
    if not native or preset.reference != REFERENCE:
        return preset
    sweeps = (sweep.with_schemes(_counterparts) for sweep in preset.sweeps)
    matmul = _counterparts(preset.matmul_schemes)
    return replace(
        preset,
        sweeps=tuple(s for s in sweeps if s.schemes),
        matmul_schemes=matmul,
        reference=arm(REFERENCE).in_bfloat16,
    )


def _counterparts(schemes: Sequence[str]) -> tuple[str, ...]:
    """What replaces schemes in float16 for a checkpoint in bfloat16; some have no counterpart."""
    return tuple(dict.fromkeys(arm(scheme).in_bfloat16 for scheme in schemes if arm(scheme).in_bfloat16))
