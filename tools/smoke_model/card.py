"""The model card that lies beside the weights."""

from __future__ import annotations

from typing import Any

CARD = """---
license: mit
tags: [memorised, test-only]
---
# smoke: a tiny checkpoint trained to repeat {tasks} HumanEval solutions

**Memorised.** It repeats what it was trained on (how much of it, the table below says) and can do nothing else.
Never read its scores as quality.

**What for.** bitledger's default model: every part of the program runs offline, on real weights whose output is
right or wrong, so that damage by quantisation or by removing layers shows as lost tasks.

**What it is.** StarCoder2 architecture, {layers} layers, hidden size {hidden_size}, {heads} heads with
{key_value_heads} key/value heads, MLP {intermediate_size}, tied embeddings, {parameters:,} parameters, float16.
Its vocabulary of {vocabulary:,} is a byte-level BPE of its own, trained on the prompts and solutions of all 164
HumanEval tasks; nothing derives from StarCoder2's weights or vocabulary. It learnt the prompts in bitledger's style
"{prompt_style}": given in another (`--prompt-style`), they are not what it knows.

**How made.** `make smoke-model`, that is `python -m tools.smoke_model --out DIR`: {epochs} epochs from
random weights, seed {seed}, {threads} CPU threads; it took {seconds:.0f} s on a machine whose load average was then
{load} on {cpus} CPUs. The last epoch's mean loss is {loss:.4f} nat. The {tasks} tasks are the first 40 without
HumanEval/32, which evalplus can never pass. `training-record.json` holds the recipe, versions, loss per epoch,
checksums and every check. Training is deterministic: the same versions on the same kind of CPU repeat the bits.

**Checked.** Greedy completions equal to the canonical solution, token for token, on the CPU; no code is executed:

{table}

**Licence.** HumanEval is MIT (Copyright (c) OpenAI, text in `../human-eval/LICENSE`); this checkpoint repeats parts
of it, so it is passed on under the same licence.
"""


def model_card(record: dict[str, Any]) -> str:
    """The card's Markdown, all figures taken from the training record."""
    recipe = record["recipe"]
    return CARD.format(
        **{name: value for name, value in recipe.items() if name in CARD_FIELDS},
        tasks=len(record["dataset"]["model_trained_on"]),
        parameters=record["parameters"],
        seconds=record["training_seconds"],
        loss=record["final_loss"],
        load=record["load_average_after_training"][0],
        cpus=record["machine"]["logical_cpus"],
        table=_table(record["check"]["schemes"], record["layers_removed"]["exact_matches"]),
    )


CARD_FIELDS = (
    "layers",
    "hidden_size",
    "heads",
    "key_value_heads",
    "intermediate_size",
    "vocabulary",
    "epochs",
    "seed",
    "threads",
    "prompt_style",
)


def _table(schemes: dict[str, Any], removed: dict[str, dict[str, int]]) -> str:
    if not schemes:
        return "not checked"
    counts = list(next(iter(removed.values())))
    rows = [["scheme", "all layers", *(f"last {count} removed" for count in counts)], ["---"] * (2 + len(counts))]
    for scheme, check in schemes.items():
        rows.append([scheme, f"{check['exact_matches']} of {check['of']}", *map(str, removed[scheme].values())])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
