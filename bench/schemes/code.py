"""What families share of the code that a user is given."""

from __future__ import annotations

from .definition import Facts

HEAD = "lm_head"


def kept(facts: Facts) -> list[str]:
    """The modules that are left alone."""
    return list(facts.get("not_converted") or [HEAD])


def pretrained(facts: Facts, configuration: str = "") -> str:
    """Code that loads ``model`` from ``model_id`` with a ``quantization_config``."""
    told = f",\n    quantization_config={configuration}" if configuration else ""
    return (
        "model = AutoModelForCausalLM.from_pretrained(\n"
        f"    model_id, dtype=torch.{facts.get('dtype')}, device_map=device{told},\n)"
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
