"""A seccomp filter: a program may start threads but no processes, so one limit on memory holds for all that it does."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import struct
from collections.abc import Iterator, Mapping, Sequence

# machine → (its name in linux/audit.h, the numbers of fork and vfork where there are such calls, and of clone).
_MACHINES: Mapping[str, tuple[int, tuple[int, ...], int]] = {
    "x86_64": (0xC000003E, (57, 58), 56),
    "aarch64": (0xC00000B7, (), 220),
}
_CLONE3 = 435
_CLONE_THREAD = 0x10000
# From here on the calls of x32, which are the same ones under other numbers.
_X32 = 0x40000000
# linux/filter.h and linux/seccomp.h: opcodes, places in struct seccomp_data, verdicts.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _END = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _MACHINE, _FLAGS = 0, 4, 16
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
# Opcode, operand, and the labels to go to where it holds and where not ("" is the next line).
_Line = tuple[int, int, str, str]


def program(machine: str = platform.machine()) -> bytes:
    """The filter for a kind of machine (this one), as ``bwrap --seccomp`` reads it; b"" for one that is not known here.

    A new process is refused as if there were too many. clone3 does not exist then, because a filter cannot read its
    flags: C libraries take clone in its place.
    """
    if machine not in _MACHINES:
        return b""
    name, forks, clone = _MACHINES[machine]
    return _assembled(
        [
            (_LOAD, _MACHINE, "", ""),
            (_EQUAL, name, "", "unknown"),
            (_LOAD, _NUMBER, "", ""),
            (_AT_LEAST, _X32, "unknown", ""),
            (_EQUAL, _CLONE3, "unknown", ""),
            *((_EQUAL, fork, "refused", "") for fork in forks),
            (_EQUAL, clone, "", "allowed"),
            (_LOAD, _FLAGS, "", ""),
            (_ANY_BIT, _CLONE_THREAD, "allowed", "refused"),
        ],
        {"allowed": _ALLOW, "refused": _ERROR | errno.EAGAIN, "unknown": _ERROR | errno.ENOSYS},
    )


def _assembled(lines: Sequence[_Line], ends: Mapping[str, int]) -> bytes:
    """The lines, then one for each label. A jump counts the lines that it leaves out."""
    places = {label: len(lines) + place for place, label in enumerate(ends)}

    def jump(label: str, here: int) -> int:
        return places[label] - here - 1 if label else 0

    told = [(code, jump(yes, here), jump(no, here), value) for here, (code, value, yes, no) in enumerate(lines)]
    told += [(_END, 0, 0, verdict) for verdict in ends.values()]
    return b"".join(struct.pack("=HBBI", *line) for line in told)


@contextlib.contextmanager
def handed_over(wanted: bool) -> Iterator[tuple[list[str], tuple[int, ...]]]:
    """(bubblewrap's options, the file handles that it must inherit) for the filter of this machine, if ``wanted``."""
    text = program()
    if not text or not wanted:
        yield [], ()
        return
    reader, writer = os.pipe()
    os.write(writer, text)
    os.close(writer)
    try:
        yield ["--seccomp", str(reader)], (reader,)
    finally:
        os.close(reader)
