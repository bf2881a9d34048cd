"""Evaluates samples: each program in the sandbox, against the answers of the task's own solution, made there too."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import cache
from queue import SimpleQueue

from .answers import Both, Kept
from .journal import Journal, journal
from .limited import Limited
from .programs import judgement, right_answers
from .samples import Judgement, Sample, read_samples, stalled
from .sandbox import Sandbox
from .tasks import PlusTask

__all__ = ["Judgement", "Sample", "evaluate", "read_samples", "stalled"]

# How often the thread that waits for judgements looks for a signal, s.
AWAKE = 0.3
_Found = list[Judgement]


def evaluate(
    tasks: Sequence[PlusTask],
    samples: Sequence[Sample],
    sandbox: Sandbox,
    workers: int,
    done: Callable[[str], None] = lambda _task_id: None,
    kept: Kept | None = None,
) -> tuple[Judgement, ...]:
    """A judgement per sample, in the samples' order. ``done`` hears of each task that is finished; ``kept``: right
    answers of earlier runs, and beside them the judgements of one that was interrupted: these are not made again.

    Raises MeasurementError where a task's own solution gives no answers: then the sandbox or the data is at fault.
    Whatever else ends it, an interrupt too, ends all programs at once.
    """
    # A copy, because what is stopped is stopped for good.
    sandbox = replace(sandbox)
    by_task: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_task[sample.task_id].append(sample)
    work = [task for task in tasks if task.task_id in by_task]
    notes = journal(kept.folder.with_name("judging"), work, samples, sandbox) if kept else Journal(None)

    found: dict[tuple[str, int], Judgement] = {}
    with _judges(sandbox, kept, notes, workers) as judges, ThreadPoolExecutor(max_workers=workers) as pool:
        # Few inputs first: EvalPlus gave few to tasks whose solutions are slow, and none of those should be the last.
        ordered = sorted(work, key=lambda task: len(task.plus))
        waiting = {pool.submit(judges.judged, task, by_task[task.task_id]): task for task in ordered}
        try:
            for future in _as_finished(waiting):
                found |= {(j.task_id, j.number): j for j in future.result()}
                done(waiting[future].task_id)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            judges.stop()
            raise
    notes.end()
    return tuple(found[sample.task_id, sample.number] for sample in samples)


def _as_finished(futures: Iterable[Future[_Found]]) -> Iterator[Future[_Found]]:
    """As concurrent.futures.as_completed, but this thread wakes now and then: where the kernel gives a signal to
    another thread, a wait without a limit goes on, and Python's handler of ctrl-C does not run."""
    left = set(futures)
    while left:
        finished, left = wait(left, timeout=AWAKE, return_when=FIRST_COMPLETED)
        yield from finished


@dataclass(frozen=True)
class _Judges:
    """What all workers share. ``comparers``: a process for each worker, which borrows one."""

    sandbox: Sandbox
    kept: Kept | None
    notes: Journal
    comparers: SimpleQueue[Limited]
    all_comparers: tuple[Limited, ...]

    def judged(self, task: PlusTask, samples: Sequence[Sample]) -> _Found:
        """Equal programs are run once."""
        judgements = {sample.program: earlier for sample in samples if (earlier := self.notes.get(sample))}
        left = {sample.program: sample for sample in samples if sample.program not in judgements}
        if left:
            right = self._right_answers(task)
            # A kept answer that is long is a hash; the whole one is made when the first wrong program needs it.
            again = cache(lambda: right_answers(task, self.sandbox))
            for program, sample in left.items():
                judgements[program] = self._judgement(task, sample, right, again)
        return [replace(judgements[sample.program], number=sample.number) for sample in samples]

    def _right_answers(self, task: PlusTask) -> Both:
        right = self.kept.get(task) if self.kept else None
        if right is None:
            right = right_answers(task, self.sandbox)
            if self.kept:
                self.kept.put(task, right)
        return right

    def _judgement(self, task: PlusTask, sample: Sample, right: Both, again: Callable[[], Both]) -> Judgement:
        comparer = self.comparers.get()
        try:
            made = judgement(task, sample, right, again, self.sandbox, comparer.is_right)
        finally:
            self.comparers.put(comparer)
        self.notes.add(sample, made)
        return made

    def stop(self) -> None:
        """End the programs and comparers that run."""
        self.sandbox.stop()
        for comparer in self.all_comparers:
            comparer.close()


@contextlib.contextmanager
def _judges(sandbox: Sandbox, kept: Kept | None, notes: Journal, workers: int) -> Iterator[_Judges]:
    comparers: SimpleQueue[Limited] = SimpleQueue()
    made = tuple(Limited() for _ in range(workers))
    for one in made:
        comparers.put(one)
    try:
        yield _Judges(sandbox, kept, notes, comparers, made)
    finally:
        for one in made:
            one.close()
