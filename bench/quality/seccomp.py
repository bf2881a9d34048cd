"""A seccomp filter: threads but no processes, so one limit on memory holds for all; none of the calls of calls.py."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import struct
from collections.abc import Iterator, Mapping, Sequence

from . import calls

# linux/filter.h and linux/seccomp.h: opcodes, places in struct seccomp_data (the lower halves of arguments), verdicts.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _END = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _MACHINE, _FIRST, _SECOND, _THIRD = 0, 4, 16, 24, 32
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_ENDS = {
    "allowed": _ALLOW,
    # As if there were too many.
    "too many": _ERROR | errno.EAGAIN,
    "refused": _ERROR | errno.EPERM,
    "unknown": _ERROR | errno.ENOSYS,
    "no family": _ERROR | errno.EAFNOSUPPORT,
}
# Opcode, operand, and the labels to go to where it holds and where not ("" is the next line).
_Line = tuple[int, int, str, str]


def program(machine: str = platform.machine()) -> bytes:
    """The filter for a kind of machine (this one), as ``bwrap --seccomp`` reads it; b"" for one that is not known here.

    clone3 does not exist then, because a filter cannot read its flags: C libraries take clone in its place.
    """
    if machine not in calls.MACHINES:
        return b""
    known = calls.MACHINES[machine]
    return _assembled(
        [
            (_LOAD, _MACHINE, "", ""),
            (_EQUAL, known.audit, "", "unknown"),
            (_LOAD, _NUMBER, "", ""),
            # Those of x32 are among these.
            (_AT_LEAST, calls.NEWER, "unknown", ""),
            (_EQUAL, calls.CLONE3, "unknown", ""),
            *((_EQUAL, fork, "too many", "") for fork in known.forks),
            *((_EQUAL, number, "refused", "") for number in known.refused),
            (_EQUAL, known.clone, "clone", ""),
            (_EQUAL, known.socket, "socket", ""),
            (_EQUAL, known.socketpair, "socket", ""),
            (_EQUAL, known.setsockopt, "setsockopt", ""),
            (_EQUAL, known.ioctl, "ioctl", "allowed"),
        ],
        {
            "clone": [
                (_LOAD, _FIRST, "", ""),
                (_ANY_BIT, calls.NEW_NAMESPACE, "refused", ""),
                (_ANY_BIT, calls.CLONE_THREAD, "allowed", "too many"),
            ],
            "socket": [
                (_LOAD, _FIRST, "", ""),
                *((_EQUAL, family, "allowed", "") for family in calls.FAMILIES[:-1]),
                (_EQUAL, calls.FAMILIES[-1], "allowed", "no family"),
            ],
            "setsockopt": _none_of(_THIRD, calls.BUFFERS),
            "ioctl": _none_of(_SECOND, calls.TERMINAL),
        },
    )


def _none_of(argument: int, values: Sequence[int]) -> list[_Line]:
    """Refused where the argument is one of these."""
    return [
        (_LOAD, argument, "", ""),
        *((_EQUAL, value, "refused", "") for value in values[:-1]),
        (_EQUAL, values[-1], "refused", "allowed"),
    ]


def _assembled(main: Sequence[_Line], parts: Mapping[str, Sequence[_Line]]) -> bytes:
    """The main part, the others, then one line for each end. A jump counts the lines that it leaves out."""
    lines, places = list(main), {}
    for label, part in parts.items():
        places[label] = len(lines)
        lines += part
    places |= {label: len(lines) + place for place, label in enumerate(_ENDS)}

    def jump(label: str, here: int) -> int:
        return places[label] - here - 1 if label else 0

    instructions = [(code, jump(yes, here), jump(no, here), value) for here, (code, value, yes, no) in enumerate(lines)]
    instructions += [(_END, 0, 0, verdict) for verdict in _ENDS.values()]
    return b"".join(struct.pack("=HBBI", *line) for line in instructions)


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
