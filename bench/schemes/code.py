"""What families share of the code that a user is given."""

from __future__ import annotations

from textwrap import indent

from .definition import Facts

HEAD = "lm_head"


def kept(facts: Facts) -> list[str]:
    """The modules that are left alone."""
    return list(facts.get("not_converted") or [HEAD])


def linears(facts: Facts) -> str:
    """Code that lists as ``linears`` the (name, module) of each Linear that is not left alone, where they are quantised
    one by one. A head that lies deeper than the model itself is told by its whole name."""
    names = kept(facts)
    left = f'name.rpartition(".")[2] not in {names!r}'
    if any("." in name for name in names):
        left = f'not f".{{name}}".endswith({tuple(f".{name}" for name in names)!r})'
    return f"""linears = [
    (name, module) for name, module in model.named_modules()
    if type(module) is torch.nn.Linear
    and {left}
]"""


def plain_linears(which: str, weight: str, bias: str) -> str:
    """Code that puts a plain Linear in the place of each ``layer`` for which the condition ``which`` holds. ``weight``
    and ``bias``: lines that make ``weight`` of it and give ``plain`` its bias."""
    return f"""for name, layer in list(model.named_modules()):
    if {which}:
        plain = torch.nn.Linear(
            layer.in_features, layer.out_features, device="meta",
        )
        weight = {weight}
        plain.weight = torch.nn.Parameter(weight, requires_grad=False)
{indent(bias, 8 * " ")}
        model.set_submodule(name, plain.eval())"""


def pretrained(facts: Facts, configuration: str = "") -> str:
    """Code that loads ``model`` from ``model_id`` with a ``quantization_config``."""
    argument = f",\n    quantization_config={configuration}" if configuration else ""
    other = facts.get("loaded_by")
    imported = f"from transformers import {other}\n" if other else ""
    return (
        f"{imported}model = {other or 'AutoModelForCausalLM'}.from_pretrained(\n"
        f"    model_id, dtype=torch.{facts.get('dtype')}, device_map=device{argument},\n)"
    )


def call(name: str, options: list[str]) -> str:
    """``name(options)``, one option a line, to stand inside ``pretrained``."""
    return f"{name}(\n" + "".join(f"        {option},\n" for option in options) + "    )"


def bare_loop(function: str, module: str) -> str:
    """Code that gives every ``bnb.nn.MODULE`` the forward that ``function`` ("bare") makes of it."""
    return (
        f"import bitsandbytes as bnb\n{function}\nfor layer in model.modules():\n"
        f"    if isinstance(layer, bnb.nn.{module}):\n        layer.forward = bare(layer)"
    )
