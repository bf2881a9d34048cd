"""Whose work is whose in a Chrome trace that several ranks' traces were merged into.

torch.profiler records one process a file, but people merge the files of a job: with a label before each pid
("[TP01] 4242", as SGLang does), with one pid for all events of a rank, or as they are. Correlation ids are counted in
each process, so that the same number joins a kernel with a call of its own process only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.record.codes import distinct
from bench.record.errors import RecordError
from bench.record.timeline import LAUNCH, Calls, Copies, Kernels, Spans, Threads

Pid = int | str | None
Column = NDArray[np.int64]
AnyWork = TypeVar("AnyWork", Kernels, Copies)
Work = tuple[Kernels, Copies]
# (index of the pid that the file gives it, device): a part of the GPU's work that is of one process.
Place = tuple[int, int]

_LABELLED = re.compile(r"(.*\D)(\d{1,18})\s*", re.DOTALL)
# A process that has asked in time for so many fewer of the kernels is not the one.
_WORSE = 0.01
# The rest was asked for before the recording began.
_LEAST = 0.5
_DEVICES = 1 << 32


def labelled(pid: Pid) -> tuple[str, int]:
    """("[TP01] ", 4242) of "[TP01] 4242"; -1 where there is no number that a system gives."""
    if isinstance(pid, str) and (found := _LABELLED.fullmatch(pid)):
        return found.group(1), int(found.group(2))
    try:
        number = int(pid) if pid is not None else -1
    except ValueError:
        return str(pid), -1
    return "", number if abs(number) < 2**62 else -1


@dataclass(frozen=True)
class Given:
    """The GPU's work by the processes of the host. ``notes``: what was assumed, and what was numbered anew."""

    kernels: Kernels
    copies: Copies
    notes: tuple[str, ...] = ()


class MergedRanks:
    """The processes of a trace: those that called the GPU, or without a GPU those that ran operators; one where fewer
    than two did."""

    def __init__(self, known: Sequence[tuple[Pid, Pid]], calls: Calls, operators: Spans) -> None:
        """``known``: (pid, tid) of each thread."""
        labels = [labelled(pid) for pid, _ in known]
        numbers = {label: place for place, label in enumerate(dict.fromkeys(labels))}
        process = np.array([numbers[label] for label in labels], np.int64)
        self._calls, self._labels = calls, list(numbers)
        thread = calls.thread if len(calls) else operators.thread
        self._callers: list[int] = distinct(process[thread]).tolist()
        if len(self._callers) < 2:
            process[:] = 0
        tid = [labelled(tid)[1] for _, tid in known]
        self.threads = Threads.build(process=process, pid=[number for _, number in labels], tid=tid)

    def given(self, work: Work, gpu_pids: Sequence[Pid]) -> Given:
        """The GPU's work by the processes that asked for it. ``work``: its ``process`` is an index into ``gpu_pids``.

        Raises RecordError where the work of several processes cannot be told apart.
        """
        if len(self._callers) < 2:
            return Given(_of_one(work[0]), _of_one(work[1]))
        places, rows = _places(work)
        notes: tuple[str, ...] = ()
        whose = self._by_name(places, [labelled(pid) for pid in gpu_pids])
        if whose is None:
            whose, notes = self._by_calls(places, work, rows)
        process = np.array(whose, np.int32)
        kernels, copies = work
        kernels, copies = replace(kernels, process=process[rows[0]]), replace(copies, process=process[rows[1]])
        return self._own_devices(kernels, copies, notes)

    def _by_name(self, places: Sequence[Place], gpu: Sequence[tuple[str, int]]) -> list[int] | None:
        """[places] the process by its very pid or by its label; None where these do not tell."""
        for part in (slice(None), slice(1)):
            known = {self._labels[caller][part]: caller for caller in self._callers}
            whose = [known.get(gpu[pid][part], -1) for pid, _ in places]
            if len(known) == len(self._callers) and -1 not in whose:
                return whose
        return None

    def _by_calls(
        self, places: Sequence[Place], work: Work, rows: tuple[Column, Column]
    ) -> tuple[list[int], tuple[str, ...]]:
        """[places] the process whose calls explain its work; of several alike the one whose turn it is, in the order of
        processes and GPUs, which is noted."""
        fit = _Fit(work, rows, self._calls, self.threads.process[self._calls.thread].astype(np.int64))
        callers = sorted(self._callers, key=lambda caller: self._labels[caller][1])
        alike = [fit.alike(place, callers) for place in range(len(places))]
        if not all(alike):
            raise RecordError(_NOT_TOLD.format(len(callers)))
        whose, guessed, taken = [-1] * len(places), False, Counter[int]()
        for place in sorted(range(len(places)), key=lambda number: (len(alike[number]), *_turn(places[number]))):
            left = [caller for caller in alike[place] if not taken[caller]] or alike[place]
            guessed |= len(left) > 1 or (len(alike[place]) > 1 and len(places) > len(fit.launching))
            whose[place] = left[0]
            taken[left[0]] += 1
        if fit.launching - set(whose):
            raise RecordError(_NOT_TOLD.format(len(callers)))
        if not guessed:
            return whose, ()
        told = ", ".join(f"GPU {places[n][1]} is of process {self._labels[whose[n]][1]}" for n in range(len(places)))
        return whose, (f"the order of processes and GPUs is taken for whose work is whose: {told}",)

    def _own_devices(self, kernels: Kernels, copies: Copies, notes: tuple[str, ...]) -> Given:
        """Another number for a GPU where several processes call theirs the same: each sees its own as the first."""
        pairs = {_place(code) for table in (kernels, copies) for code in distinct(_code(table)).tolist()}
        pairs = {(process, device) for process, device in pairs if device >= 0}  # -1 is no GPU's number
        free = max((device for _, device in pairs), default=0) + 1
        numbers: dict[Place, int] = {}
        used: set[int] = set()
        for process, device in sorted(pairs):
            if device in used:
                numbers[process, device] = free + len(numbers)
            used.add(device)
        if not numbers:
            return Given(kernels, copies, notes)
        told = ", ".join(f"that of process {self._labels[p][1]} is {new}" for (p, _), new in numbers.items())
        note = f"several processes number their GPUs from the same one, as each sees only its own: here {told}"
        return Given(_renumbered(kernels, numbers), _renumbered(copies, numbers), (*notes, note))


def _places(work: Work) -> tuple[list[Place], tuple[Column, Column]]:
    """The places, and the index of each row's."""
    codes = [_code(table) for table in work]
    known = distinct(np.concatenate(codes))
    one, other = (np.searchsorted(known, code) for code in codes)
    return [_place(code) for code in known.tolist()], (one, other)


def _turn(place: Place) -> tuple[bool, int, int]:
    """By device, then by pid; work that the file gives no device comes last, so that it takes no GPU's turn."""
    pid, device = place
    return device < 0, device, pid


def _place(code: int) -> Place:
    """What ``_code`` made of it."""
    process, device = divmod(code, _DEVICES)
    return process, device if device < _DEVICES // 2 else device - _DEVICES


def _code(table: Kernels | Copies) -> Column:
    return table.process.astype(np.int64) * _DEVICES + table.device.astype(np.int64) % _DEVICES


def _of_one(table: AnyWork) -> AnyWork:
    return replace(table, process=np.zeros_like(table.process))


class _Fit:
    """How well a process's calls explain a place's work: it begins after the call of its own process."""

    def __init__(self, work: Work, rows: tuple[Column, Column], calls: Calls, host: Column) -> None:
        self._place = np.concatenate(rows)
        self._start = np.concatenate([table.start for table in work])
        self._correlation = np.concatenate([table.correlation for table in work])
        order = np.lexsort((calls.start, calls.correlation))  # of one id the earliest first
        self._calls, self._host = Calls(**{name: column[order] for name, column in vars(calls).items()}), host[order]
        # A process whose launches have no id of any work here has none of it.
        here = np.isin(calls.correlation, distinct(self._correlation[self._correlation >= 0]))
        self.launching = set(distinct(host[(calls.kind == LAUNCH) & here]).tolist())

    def alike(self, place: int, processes: Sequence[int]) -> list[int]:
        """The processes that may have asked for the place's work; none where none asked for most of it."""
        fits = [self._share(place, process) for process in processes]
        least = max(_LEAST, max(fits) - _WORSE)
        return [process for process, share in zip(processes, fits, strict=True) if share >= least]

    def _share(self, place: int, process: int) -> float:
        """The share of the place's work that the process has asked for before it began."""
        mine = (self._place == place) & (self._correlation >= 0)
        theirs = self._calls.where(self._host == process)
        if not mine.any() or not len(theirs):  # a trace may hold no calls at all
            return 0.0
        wanted = self._correlation[mine]
        at = np.minimum(np.searchsorted(theirs.correlation, wanted), len(theirs) - 1)
        joined = (theirs.correlation[at] == wanted) & (theirs.start[at] <= self._start[mine])
        return float(joined.mean())


_NOT_TOLD = (
    "it holds the work of {} processes, merged so that nothing tells whose kernels are whose: give the trace of one "
    "rank, as the profiler wrote it"
)


def _renumbered(table: AnyWork, numbers: dict[Place, int]) -> AnyWork:
    device = table.device.copy()
    for (process, old), new in numbers.items():
        device[(table.process == process) & (table.device == old)] = new
    return replace(table, device=device)
