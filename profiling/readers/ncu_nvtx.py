"""NVTX ranges around a launch, as one path: "domain:outer/inner"."""

from __future__ import annotations

import re

# ncu writes each range of the stack as "Domain:Range:PL_Type:PL_Value:CLR_Type:Color:Msg_Type:Msg".
_QUOTED = re.compile(r'"([^"]*)"')
_ATTRIBUTES = 6
DEFAULT_DOMAIN = "<default domain>"


def path(stacks: dict[str, list[str]]) -> str:
    """Domain → names from the outermost range to the innermost, as one text; the default domain is not named."""
    texts = []
    for domain, names in stacks.items():
        joined = "/".join(names)
        texts.append(joined if domain in ("", DEFAULT_DOMAIN) else f"{domain}:{joined}")
    return " ".join(text for text in texts if text)


def path_of_csv(cell: str) -> str:
    """The path in a cell of ncu's Push/Pop_Range column, "" where it holds none."""
    stacks: dict[str, list[str]] = {}
    for text in _QUOTED.findall(cell):
        domain, colon, rest = text.partition(":")
        if colon:
            # A range's name may hold colons itself, so its attributes are counted from the right.
            name = rest.rsplit(":", _ATTRIBUTES)[0] if rest.count(":") >= _ATTRIBUTES else rest.partition(":")[0]
            stacks.setdefault(domain, []).append(name)
    return path(stacks)
