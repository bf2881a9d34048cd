"""An intervention that claims the same output is held to it: its tokens against the unchanged loop's, in one process.

Where it claims the same tokens, none may differ. Where it claims them up to rounding, the first token that differs in a
sequence must be a tie: the unchanged model's logits of the two tokens lie no further apart than TIE times the most that
its own logits change there between one forward over everything and the loop's steps, which other kernels compute. That
is measured on the unchanged model, so that no fault of the intervention can widen it. Where it is more than rounding
can do, nothing is called a tie.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from bench.interventions.table import ROUNDING, SAME, Claim
from bench.record.errors import MeasurementError
from bench.schemes import holder
from bench.workloads.batches import Batch
from bench.workloads.models import LoadedModel
from bench.workloads.session import Session

# Both tokens' logits can move, in both of the loops that are compared.
TIE = 4.0
# The most that rounding moves a logit, as a share of the largest, in units of the coarsest number format on the way.
# Between one forward and the loop's steps the smoke model shows under 1 of them in 16 bits, 4 in float32.
MOST_ROUNDING = 8.0
_FINEST = 2.0**-20  # sums of many float32 products are this exact, though each product is better
Tokens = Sequence[Sequence[Sequence[int]]]


class OtherTokensError(MeasurementError):
    """What claims the same output gave another."""


@dataclass(frozen=True)
class TokenDifference:
    """The first token of a sequence that differs: ``given`` by the intervention where the unchanged loop has
    ``wanted`` (None: no token there). ``gap`` between their logits, ``noise`` of the logits there and the ``most`` that
    rounding can explain of it: see above."""

    call: int
    row: int
    place: int
    wanted: int | None
    given: int | None
    gap: float | None = None
    noise: float | None = None
    most: float | None = None

    @property
    def tie(self) -> bool:
        if self.gap is None or self.noise is None or self.most is None:
            return False
        return self.noise <= self.most and self.gap <= TIE * self.noise


def first_differences(wanted: Tokens, given: Tokens) -> Iterator[TokenDifference]:
    """The first difference of every sequence that has one; [call][row][token] each."""
    for call in range(max(len(wanted), len(given))):
        one, other = _item_at(wanted, call, ()), _item_at(given, call, ())
        for row in range(max(len(one), len(other))):
            found = _first(_item_at(one, row, ()), _item_at(other, row, ()))
            if found is not None:
                yield TokenDifference(call, row, *found)


def _first(wanted: Sequence[int], given: Sequence[int]) -> tuple[int, int | None, int | None] | None:
    for place in range(max(len(wanted), len(given))):
        one, other = _item_at(wanted, place, None), _item_at(given, place, None)
        if one != other:
            return place, one, other
    return None


def _item_at(items: Sequence[Any], place: int, otherwise: Any) -> Any:
    return items[place] if place < len(items) else otherwise


def unchanged_tokens(session: Session, cache: str | None) -> list[list[list[int]]]:
    """What the eager loop gives for the session's prompts with that kind of cache, [call][row][token]."""
    loop = Session(replace(session.case, cache=cache), session.loaded, session.batches)
    made = []
    for batch in loop.batches:
        loop.generate(batch)
        made.append(loop.last_tokens())
    return made


def check(session: Session, given: Tokens, wanted: Tokens, claim: Claim) -> dict[str, Any]:
    """What the comparison found, for the record. Raises OtherTokensError where the claim is false.

    The session's model must be the unchanged one.
    """
    found = list(first_differences(wanted, given))
    if claim == ROUNDING:
        found = [_measured(session, wanted, item) for item in found]
    for item in found:
        if claim == SAME or (claim == ROUNDING and not item.tie):
            raise OtherTokensError(_reason(item))
    return {"claim": claim, "with": "the unchanged loop in the same process", "ties": [asdict(item) for item in found]}


def _reason(item: TokenDifference) -> str:
    place = f"token {item.place + 1} of call {item.call + 1}, row {item.row + 1}"
    reason = f"other tokens: {place} is {item.given} where the unchanged loop gives {item.wanted}"
    if item.gap is None or item.noise is None:
        return reason
    moved = f"the unchanged model's own logits move by {item.noise:.3g} between two ways to compute them"
    return f"{reason}; their logits are {item.gap:.3g} apart, and {moved}"


def _measured(session: Session, wanted: Tokens, item: TokenDifference) -> TokenDifference:
    if item.wanted is None or item.given is None:
        return item
    before = wanted[item.call][item.row][: item.place]
    whole, stepped = _two_ways(session.loaded.model, session.batches[item.call], item.row, before)
    gap = abs(float(whole[item.wanted] - whole[item.given]))
    most = MOST_ROUNDING * _unit(session.loaded) * float(whole.abs().max())
    return replace(item, gap=gap, noise=float((whole - stepped).abs().max()), most=most)


def _unit(loaded: LoadedModel) -> float:
    """The relative step of the coarsest number format that activations are rounded to."""
    import torch

    codes = [made.rounds(module) for module in loaded.model.modules() if (made := holder(module)) is not None]
    dtype = loaded.model.get_input_embeddings().weight.dtype
    if loaded.facts.get("linears_4bit", {}).get("computes_in") == "bfloat16":
        dtype = torch.bfloat16
    return max(torch.finfo(dtype).eps, _FINEST, *codes)


def _two_ways(model: Any, batch: Batch, row: int, made: Sequence[int]) -> tuple[Any, Any]:
    """The logits [vocabulary] after a prompt and the tokens ``made``: in one forward, and step by step."""
    import torch

    prompt = batch.inputs["input_ids"][row][batch.inputs["attention_mask"][row] == 1]
    tokens = torch.tensor([list(made)], dtype=prompt.dtype, device=prompt.device)
    with torch.inference_mode():
        whole = model(input_ids=torch.cat((prompt[None], tokens), dim=1)).logits[0, -1].float()
        out = model(input_ids=prompt[None, :-1], use_cache=True)
        for token in torch.cat((prompt[None, -1:], tokens), dim=1).unbind(1):
            out = model(input_ids=token[None], past_key_values=out.past_key_values, use_cache=True)
    return whole, out.logits[0, -1].float()
