"""Addresses in running text that tell which machine or whose: of a network, of a network card, of mail."""

from __future__ import annotations

import re
from collections.abc import Callable

# Four numbers may be a version (curand 10.3.5.147): a text that is nothing else, or one after "==", "-" or "v", is.
_V4 = r"(?<![\w.=@-])(?<!v)(?:\d{1,3}\.){3}\d{1,3}(?![\w.-])"
_V6 = r"(?<![\w:.])f[ed][0-9a-f]{2}:[0-9a-f:]{4,}[0-9a-f](?![\w:])"
_MAC = r"(?<![\w:-])(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}(?![\w:-])"
_MAIL = r"(?<![\w.+-])[\w.+-]+@(?:(?:[\w-]+\.)+[A-Za-z]{2,}\b|(?:\d{1,3}\.){3}\d{1,3}(?![\w.]))"
_ANY = re.compile("|".join((_MAIL, _MAC, _V6, _V4)))
_EVERYBODYS = ("127.", "0.0.0.0", "255.")  # noqa: S104 - to be left in a text, nothing is bound to it
_VERSION = re.compile(r"\d+(?:\.\d+){3}")


def without_addresses(text: str, masked: Callable[[str], str]) -> str:
    """The text with what ``masked`` gives for each address; loopback and the masks of networks stay."""
    if not ("@" in text or text.count(":") > 3 or text.count(".") > 2) or _VERSION.fullmatch(text):
        return text
    return _ANY.sub(lambda found: found[0] if found[0].startswith(_EVERYBODYS) else masked(found[0]), text)
