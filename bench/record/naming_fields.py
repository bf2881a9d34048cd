"""Fields that name who measured and where, by their names, in documents and in running text."""

from __future__ import annotations

import re
from functools import cache

from .secrets import SHORTEST, is_secret_name

# By their names in small letters without "_", "-" and blanks.
NAMES_OF = {
    name: kind
    for kind, names in {
        "host": "hostname host hosts nodename node nodelist jobnodelist stepnodelist computername batchhost",
        "user": "user users username login logname owner userid jobuser mailuser",
        "GPU": "uuid gpuuuid",
        "job": "jobid arrayjobid",
    }.items()
    for name in names.split()
}
# What these hold is not numbered, because nothing is set beside something else by it.
OF_A_MACHINE = frozenset(
    "cwd pwd oldpwd home workdir submitdir cmdline commandline env environ ip ipaddress ipaddr masteraddr nodeipaddr"  # noqa: SIM905
    " topologyaddr mac macaddress macaddr serial serialnumber machineid bootid containerid hostid cluster clusters"
    " clustername partition jobpartition account accountname jobaccount qos jobqos jobname reservation jobreservation"
    " wckey groupname groupid rdzvendpoint email proxy httpproxy httpsproxy remoteurl giturl".split()
)
# Before ": " other names are words of a sentence; behind an option of Slurm's there may be a blank.
_BEFORE_COLON = ("hostname", "nodename", "uuid", "serial", "number", "machine-id", "boot-id")
_BEFORE_BLANK = ("--account", "--clusters", "--partition", "--qos", "--job-name", "--nodelist", "--master_addr",
                 "--master-addr", "--rdzv_endpoint", "--rdzv-endpoint")  # fmt: skip
_BETWEEN = "|".join(
    (
        r"""\\?["']\s?[:=]\s?\\?["']|=\s?["']?""",
        *(rf"(?i:(?<={name})):\s+" for name in _BEFORE_COLON),
        *(f"(?<={name}) " for name in _BEFORE_BLANK),
    )
)
# (name, what stands between, value)
ASSIGNED = re.compile(
    rf"""(?<![\w.:])((?:--)?[A-Za-z][\w-]*(?: (?:[Nn]umber|ID|id|UUID))?)({_BETWEEN})([^\s"',;&\\()]+)"""
)
# These names alone say nothing: of a mapping, of a test.
_NO_SECRETS = frozenset(("key", "keys", "pass"))


@cache
def field(name: str) -> str:
    """How a field's name is looked up: a variable of Slurm's as what it names."""
    return re.sub(r"[ _-]|^SLURM(?:D|_SUBMIT|_LAUNCH)?_", "", name).lower()


def names_somebody(name: str) -> bool:
    """Whether a field of that name tells who or where, whatever it holds."""
    return field(name) in NAMES_OF.keys() | OF_A_MACHINE or is_secret_name(name)


def is_secret_field(name: str, text: str) -> bool:
    """Whether a field of that name holds a secret in ``text``."""
    if len(text) < SHORTEST or " " in text or name.lower() in _NO_SECRETS:
        return False
    return is_secret_name(name)
