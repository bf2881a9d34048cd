"""Paths in running text, and what of them tells nothing of a user."""

from __future__ import annotations

import re

from .addresses import GONE

_PART = r"[^\s/\"'`:;,()<>|\[\]{}*?=&]+"
_BEGIN = rf"(?<![\w./~\\{GONE}-])"
# A path in quotes may have blanks in it; Windows names a server's folders too, and programs write each \ twice.
PATH = re.compile(
    r"(?<=[\"'])~?/\w[^\"'\\:*?<>|=\r\n]*/[^\"'\\:*?<>|=\r\n]*(?=\\?[\"'])"
    rf"|(?:(?<=file://)(?:\w[\w.-]*)?|(?<=-[ILo])|(?<=-[A-Za-z])(?=/(?:home|Users)/)|{_BEGIN}(?:\.\.?|(?<!:)/(?=/\w))?)"
    rf"(?:~[\w.-]*)?/(?:{_PART}/)+(?:{_PART})?"
    r"|(?:\b[A-Za-z]:\\{1,4}(?=[^\\\s]+\\)|(?<![\w\\])(?:\\\\\w[\w.$-]+\\(?!\\)|\\{4}\w[\w.$-]+\\\\))"
    r"(?:[^\\/:*?\"'<>|\r\n]+\\{1,2})*[^\\\s\"',;)]*"
)
_SEPARATOR = re.compile(r"[/\\]")
OF_SYSTEM = ("/proc/", "/sys/", "/dev/")
_INSTALLED = re.compile(r"/(?:(?:site|dist)-packages|(?:lib/)?python3\.\d+)/(?!site-packages|dist-packages)(.+)")
# Folders in which each has the name of a user, a group or a project, and what is no folder.
_OF_OWNERS = re.compile(
    r"(?i)[/\\](?:(?:home|users)[/\\]+[^/\\]+|users?|(?:net)?scratch\d*|proj(?:ects?)?|groups?|labs?|lustre\d*|gpfs\d*|beegfs|fsx|efs"
    r"|nobackup|staff|students|people|ptmp|fs\d+|exports?|mnt|media|volumes|vol\d*|nfs\d*|work|workspaces?|data|docker)"
    r"[/\\]+[^/\\]+$"
)
_FILE = re.compile(
    r"\.(?:py|so|jsonl?|gz|txt|log|csv|sqlite|safetensors|ya?ml|toml|h|hpp|cuh?|cpp|c|html|md|svg|out|err|pt|bin|cfg|ini"
    r"|(?:nsys|ncu)-rep)$"
)


def ending(path: str) -> str:
    """What is left of a path: what lies in an installed package, else its end, but nothing of somebody's folder."""
    if inside := _INSTALLED.search(path):
        return f"{GONE}/{inside[1]}"
    path = path.rstrip("/\\")
    return GONE if _OF_OWNERS.search(path) and not _FILE.search(path) else f"{GONE}/{_SEPARATOR.split(path)[-1]}"
