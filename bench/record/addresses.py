"""What tells in running text which machine, whose, or where else something lies: addresses of networks, network cards
and mail, links, and the numbers that a system, a container or a cloud gives."""

from __future__ import annotations

import re
from collections.abc import Callable

GONE = "…"
# Where anybody may look something up.
_PUBLIC = (
    r"(?:[\w-]+\.)*(?:huggingface\.co|hf\.co|pytorch\.org|nvidia\.com|python\.org|pypi\.org|pythonhosted\.org|arxiv\.org"
    r"|readthedocs\.io|w3\.org|json-schema\.org|speedscope\.app|perfetto\.dev|example\.(?:com|org|net))"
)
# Four numbers may be a version (curand 10.3.5.147): a text that is nothing else, or one after "==", "-" or "v", is.
_V4 = r"(?<![\w.@-])(?<!==)(?<!v)(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\w)"
# A name of C++ (fa::add) has no group of four that begins so.
_V6 = r"(?<![\w:.])(?:f[ed]|[23][0-9a-f])[0-9a-f]{2}:[0-9a-f:]{4,}[0-9a-f](?![\w:])"
_MAC = r"(?<![\w:.-])[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![\w:-])"
_MAC += r"|(?<![\w.])[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}(?!\.?\w)|(?<=guid )(?:0x)?[0-9a-f]{16}\b"
_MAIL = r"(?<![\w.+-])[\w.+-]+@(?:(?:[\w-]+\.)+[A-Za-z]{2,}\b|(?:\d{1,3}\.){3}\d{1,3}(?![\w.])|[\w-]+(?=:[~/…]))"
# Names of two letters and of other endings may be those of modules (torch.nn.io).
_HOST = (
    rf"(?<![\w.@/{GONE}-])(?!github\.com/|{_PUBLIC}(?![\w.]))(?:[A-Za-z0-9][A-Za-z0-9-]*\.)+(?:com|org|edu|gov|mil|internal|intranet|lan|corp)(?![\w-]|\.\w)"
    rf"|(?<![\w.@/{GONE}-])(?!{_PUBLIC})(?:[A-Za-z][A-Za-z0-9-]*\.){{2,}}(?:net|de|uk|fr|es|nl|ch|se|fi|dk|pl|cz|eu|ca|jp|cn|kr|au|br)(?![\w-]|\.\w)"
)
_NUMBERED = (
    r"\bip-\d{1,3}(?:-\d{1,3}){3}\b|\b[A-Za-z0-9]+(?:-[A-Za-z0-9]+)+\.local\b|\b(?:[\w-]+\.)+svc(?:\.cluster\.local)?\b"
)
_ANY = re.compile("|".join((_MAIL, _MAC, _V6, _V4, _HOST, _NUMBERED)))
_EVERYBODYS = ("127.", "0.0.0.0", "255.")  # noqa: S104 - to be left in a text, nothing is bound to it
_VERSION = re.compile(r"\d+(?:\.\d+){3}")
_LINK = re.compile(
    rf"\b(?!file:)([a-z][a-z0-9+.-]*://)(?!{GONE}|(?:localhost|127\.0\.0\.1|\[::1\])(?![\w.])|{_PUBLIC}(?::\d+)?(?![\w.:@-])"
    r"|github\.com/(?:pytorch|huggingface|bitsandbytes-foundation|NVIDIA|triton-lang|vllm-project|benfred)/)"
    r"""[^\s"'<>|\\]+"""
    r"|\b\w+@[\w.-]+:[\w.~/-]+\.git\b|\barn:aws[\w:/.*-]+|\bprojects/[\w-]+/(?:zones|regions|locations)/[\w/.-]+"
)
_IDS = re.compile(
    r"(?<![\w-])(?<!GPU-)(?<!MIG-)(?:pod)?[0-9a-f]{8}([-_])[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}(?![\w-])"
    r"|(?:(?<=docker[-/])|(?<=containerd[-/])|(?<=containers/)|(?<=libpod-)|(?<=crio-)|(?<=overlay2/)|(?<=\w/pod))[0-9a-f]{12,64}\b"
    r"|(?<=machine-id )[0-9a-f]{32}\b|\bi-[0-9a-f]{17}\b"
    r"|\b(?!layer|block)[A-Za-z][\w-]*\[(?!0-9\])\d+-\d[\d,-]*\]",
    re.IGNORECASE,
)
_LONG = re.compile(r"[0-9A-Fa-f]{12}")  # found sooner than the rest
# A letter of ASCII as a link, JSON, a program or a page may write it.
_ESCAPED = re.compile(r"\\/|(?:%(?:25)*|\\u00|\\x)([2-7][0-9A-Fa-f])|&#(?:x([2-7][0-9A-Fa-f])|0*(\d\d\d?));")
# These would be read as marks of a page or of JSON.
_MARKS = frozenset("<>&\"'\\")


def without_addresses(text: str, masked: Callable[[str], str]) -> str:
    """The text with what ``masked`` gives for each address; loopback and the masks of networks stay."""
    if not ("@" in text or text.count(":") > 3 or "." in text or text.count("-") > 3 or "guid" in text):
        return text
    if _VERSION.fullmatch(text):
        return text
    return _ANY.sub(lambda found: found[0] if found[0].startswith(_EVERYBODYS) else masked(found[0]), text)


def without_links(text: str, masked: Callable[[str], str]) -> str:
    """The text with what ``masked`` gives for each link that is not to a public page, and each number of a machine."""
    if "://" in text or ".git" in text or "arn:" in text or "projects/" in text:
        text = _LINK.sub(lambda found: (found[1] or "") + masked(found[0]), text)
    return _IDS.sub(lambda found: masked(found[0]), text) if "[" in text or _LONG.search(text) else text


def unescaped(text: str) -> str:
    """The text with its escaped letters as they are read, but for marks."""
    return _ESCAPED.sub(_letter, text) if "\\" in text or "%" in text or "&#" in text else text


def _letter(found: re.Match[str]) -> str:
    code = int(found[1] or found[2] or "0", 16) or int(found[3] or ord("/"))
    letter = chr(code)
    return found[0] if letter in _MARKS or not 32 < code < 127 else letter
