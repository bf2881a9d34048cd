"""What each hostile program did to the judge of before: docs/safety.md shows it.

Seen on commit 8577bb8 as root, two cores under load, 150 s at most for each; what is not named here did nothing.
``python -m tests.quality.before --write`` makes the table again.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.quality.hostile import AGAIN, JUDGE, KERNEL, PLAIN

PAGE = Path(__file__).parents[2] / "docs" / "safety.md"
HEADING = "## Hostile programs\n"
# Program → what it did.
BEFORE = {
    "writes past its answers": "busied the judge for 37 s",
    "reads the caller's keyring": "passed: it read the secret",
    "leaves a note in the keyring": "passed: the note was in the caller's keyring",
    "lists the machine's keys": "passed",
    "makes a user namespace": "made one",
    "mounts a tmpfs of its own": "passed: 1.5 GB of the machine's memory in 1.4 s",
    "uses io_uring": "passed",
    "handles the faults of pages": "passed",
    "is traced": "was traced",
    "reads its parent's memory": "passed",
    "talks to the host by vsock": "passed",
    "asks the kernel by netlink": "passed",
    "uses any other kind of socket": "passed",
    "holds memory that no process has": "passed",
    "holds memory as files without a name": "50 MB of them, and no limit",
    "holds memory as messages": "passed",
    "makes 400,000 files": "as many as its time allowed: 400,000 in 2 s",
    "makes 400,000 links in shared memory": "nothing as root; no limit as an ordinary user",
    "makes folders in folders": "as many as its time allowed",
    "turns off the randomness of addresses": "passed",
    "a ratio of 16 million digits": "busied the judge for more than 150 s",
    "60,000 numbers that hash alike": "busied the judge for more than 150 s",
    "150 million lines": "busied the judge for more than 150 s, with 7.7 GB",
    "500 MB of empty lists": "busied the judge for 137 s, with 1.4 GB",
    "a line without an end": "busied the judge for 12 s",
    "an answer before the time is over, and another for ever": "busied the judge for more than 150 s",
    "times that take the judge's memory": "busied the judge for more than 150 s",
    "an error with a name of 100 MB": "324 MB of the judge's memory",
    "a number of 50 million digits": "206 MB of the judge's memory",
    "a program of half characters": "the whole file was refused",
    # On commit 695e5a15, as root, with the limits of the tests and of evaluate.
    "holds memory as data on its way to itself": "passed: 227 MB with the handles that it had",
    "holds memory in larger buffers of sockets": "passed: 455 MB with the handles that it had",
    "loads another protocol into the kernel": "passed",
    "takes the machine's rings for reading files": "60,000 of the machine's 65,536",
    "makes 20,000 timers": "as many as its time allowed: 96,364 in 5 s",
    "has the machine write out its disks": "passed: 266 times in 1 s",
    "reads the machine's name": "passed",
    "has the machine keep its memory when it crashes": "passed",
}
KINDS = (
    ("gets out, stops the run, or passes without solving", PLAIN),
    ("goes for the kernel, the machine's memory, the host's secrets", KERNEL),
    ("attacks whoever reads the answers", JUDGE),
    ("found by a second attack: before is the judge that held all of the above", AGAIN),
)


def section() -> str:
    """The table as it stands in the page."""
    count = sum(len(programs) for _, programs in KINDS)
    lines = [
        HEADING,
        f"{count} programs are judged by `tests/quality/test_sandbox.py`, as root and as an ordinary user. None passes",
        "or reaches the secrets that lie in the environment and in the kernel's keyring for it, each costs no more",
        "than its own time, and the honest program after it passes. Before is the judge that had neither the filter of",
        "system calls, nor counted files, nor bounds of what it reads; `nothing` means that it held then too.",
        "",
        "| Program | Before |",
        "|---|---|",
    ]
    for kind, programs in KINDS:
        lines.append(f"| *{kind}* | |")
        lines += [f"| {name} | {BEFORE.get(name, 'nothing')} |" for name in programs]
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """The whole page with the table as it should be; what follows it stays."""
    before, found, after = text.partition(HEADING)
    _, more, rest = after.partition("\n## ")
    return (before if found else text.rstrip() + "\n\n") + section() + more + rest


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        sys.stdout.write(section())
