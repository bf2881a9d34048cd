"""Keeps secrets out of what is written: the values of secret variables, and texts that look like credentials.

A variable is secret by its name (HF_TOKEN, AWS_SECRET_ACCESS_KEY, WANDB_API_KEY, …). Values of fewer than 8 characters
are left alone, because they would be found by chance in any text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

MASK = "***"
SHORTEST = 8
_NAME = re.compile(
    r"(^|[_.-])(TOKEN|SECRETS?|PASSWORD|PASSWD|PASSPHRASE|PASS|PAT|(API|ACCESS|PRIVATE|SIGNING|SECRET)?_?KEY|KEY_ID"
    r"|CREDENTIALS?|AUTH|COOKIES?|DSN|WEBHOOK|PW)([_.-]|$)"
    r"|SESSION([_.-]?(ID|KEY|TOKEN|COOKIE))?$|[_.-]PWD$|\w(PW|PASSWORD|PASSWD|(?<!COM)(?<!BY)PASS)$",
    re.IGNORECASE,
)
_IN_URL = re.compile(r"(?<=://)[^/\s:@'\"]+:[^/\s@'\"]+(?=@)")
_LOOKS_SECRET = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)"
    r"|\b(?:hf_|gh[pousr]_|github_pat_|gl(?:pat|rt|dt|cbt|ptt)-|sk-|[sr]k_(?:live|test)_|xox[abeprs]-|xapp-|wandb_v\d_"
    r"|pypi-AgE|dckr_pat_|gsk_|nvapi-|r8_|GOCSPX-|AIza|ya29\.|hv[sb]\.|SG\.[\w-]+\.)[A-Za-z0-9_-]{16,}"
    r"|\b(?:dapi[0-9a-f]{32}|npm_[A-Za-z0-9]{30,})\b"
    r"|\bA(?:KIA|SIA)[0-9A-Z]{16}\b"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}"
    r"|\b(?:ssh-\w+|ecdsa-sha2-[\w-]+) AAAA[\w+/=]{16,}(?: \S+@\S+)?"
    r"|(?<=hooks\.slack\.com/services/)[\w/]+"
    r"|(?<=\bBearer )[\w.~+/=-]{16,}|(?<=\bbearer )[\w.~+/=-]{16,}|(?<=\bBasic )[\w+/]{8,}=*"
    r"|(?<=\bCookie: )[^\n]+",
    re.DOTALL,
)
# A value that its name calls secret. What is only a number or a word is none: "password: required", "token=12345678".
_SECRET_WORDS = ("token", "secret", "passw", "passphrase", "key", "credential", "sig", "sid", "session", "auth")
_ASSIGNED = re.compile(
    r"(?<![A-Za-z])(?:[\w-]*[_-])?(?:(?:passw(?:or)?d|passphrase|api[_-]?key|access[_-]?key(?:[_-]?id)?|account[_-]?key"
    r"""|private[_-]?key(?:[_-]?id)?|credentials?)(?:\\?["'])?(?:\s?[:=]\s?(?:\\?["'])?|\s)"""
    # These are words of a sentence, too: "per token: starcoder2-3b".
    r"|(?:token|secret|signature|sig|sid|session(?:[_-]?id)?|auth)"
    r"""(?:\s?=\s?(?:\\?["'])?|\\?["']\s?:\s?\\?["']|(?<=--token)\s))"""
    r"(?=[A-Za-z.~+/_-]*\d)(?![\d.]+(?:e[+-]?\d+)?\w{0,3}\b)(?P<value>[\w.~+/=%$!@#^*-]{8,})",
    re.IGNORECASE,
)
_OPTION = re.compile(r"--?(?P<name>[\w.-]+)(?:=(?P<value>.*))?", re.DOTALL)
# What identifies a Record and its files must stay what it was when its case_id and hashes were taken.
_IDENTITY = frozenset(("case", "case_id", "run_id", "artifacts", "metrics", "schema_version"))


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """True for a variable or option whose value is none of anybody's business."""
    return _NAME.search(name) is not None


def secret_values(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """By value: the name of the variable that holds it. Of a URL with user and password only those two are secret."""
    found: dict[str, str] = {}
    for name, value in (os.environ if environ is None else environ).items():
        if is_secret_name(name) and len(value) >= SHORTEST and not _is_place(value):
            found[value] = name
        found |= dict.fromkeys(_IN_URL.findall(value), name)
    return found


def _is_place(value: str) -> bool:
    """A file or folder, such as SSH_AUTH_SOCK's: its name is no secret, and may be part of others (PATH)."""
    try:
        return value.startswith("/") and Path(value).exists()
    except (OSError, ValueError):
        return False


def mask_text(text: str, environ: Mapping[str, str] | None = None, *, begin: int = 0) -> str:
    """The text less secret values, and less what has the form of a credential.

    ``begin``: the text is cut there. What is a secret is seen in the whole text, because a part of one is not known.
    """
    return _without(text, secret_values(environ), begin)


def _without(text: str, secrets: Iterable[str], begin: int = 0) -> str:
    parts, at = [], begin
    for first, last in sorted(_spans(text, secrets)):
        if last > at:
            parts += [text[at:first], MASK] if first >= at else [MASK] if at == begin else []
            at = last
    return "".join((*parts, text[at:]))


class Masker:
    """``mask_text`` of many texts, with the environment of now."""

    def __init__(self) -> None:
        self._secrets = tuple(secret_values())
        parts = (*map(re.escape, self._secrets), _IN_URL.pattern, _LOOKS_SECRET.pattern)
        self._any = re.compile("|".join(parts), re.DOTALL)

    def text(self, text: str) -> str:
        """The text less secrets."""
        return _without(text, self._secrets) if self._any.search(text) or _assigned(text) else text


def _spans(text: str, secrets: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Where secrets begin and end; they may overlap."""
    for secret in secrets:
        at = text.find(secret)
        while at >= 0:
            yield at, at + len(secret)
            at = text.find(secret, at + len(secret))
    for pattern in (_IN_URL, _LOOKS_SECRET):
        yield from (found.span() for found in pattern.finditer(text))
    yield from (found.span("value") for found in _assigned(text))


def _assigned(text: str) -> list[re.Match[str]]:
    small = text.lower()  # to look for words first takes a tenth of the time
    return list(_ASSIGNED.finditer(text)) if any(word in small for word in _SECRET_WORDS) else []


def mask_argv(argv: Sequence[str], environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """A command line as it may be recorded: also what follows an option such as --hf-token is masked."""
    masked: list[str] = []
    secrets = secret_values(environ)
    hide = False
    for argument in argv:
        option = _OPTION.fullmatch(argument)
        named = option is not None and is_secret_name(option["name"])
        if option is not None and named and option["value"] is not None:
            masked.append(f"{argument[: option.start('value')]}{MASK}")
        else:
            masked.append(MASK if hide and option is None else _without(argument, secrets))
        hide = option is not None and named and option["value"] is None
    return tuple(masked)


def mask_record(document: Mapping[str, Any]) -> dict[str, Any]:
    """A Record's JSON document as it may be written. Case, metrics and artifacts' hashes stay as they are."""
    secrets = secret_values()
    masked = {
        name: value if name in _IDENTITY or not secrets else _deep(value, secrets) for name, value in document.items()
    }
    return masked | {
        "argv": list(mask_argv(document["argv"])),
        "reason": mask_text(document["reason"]),
    }


def found_in(content: bytes, environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The names of the variables whose secret values stand in ``content`` as they are."""
    return tuple(sorted({name for value, name in secret_values(environ).items() if os.fsencode(value) in content}))


def _deep(value: Any, secrets: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _masked(value, secrets)
    if isinstance(value, Mapping):
        return {_masked(str(key), secrets): _deep(item, secrets) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_deep(item, secrets) for item in value]
    return value


def _masked(text: str, secrets: Mapping[str, str]) -> str:
    # The longest first: one secret may be part of another.
    for value in sorted(secrets, key=len, reverse=True):
        text = text.replace(value, MASK)
    return text
