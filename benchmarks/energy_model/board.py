"""SIMULATED: a board whose true joules are known, and whose counter shows them at its ticks only.

Power is (idle + work)·(1 + noise), with a noise drawn anew for every ``correlated`` seconds. Idle power falls towards
its level as an exponential of ``constant`` seconds, or in a straight line; or the work warms the board, and idle power
with it. A window opens at a tick, holds whole calls, and closes at the first tick after them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.instruments.energy_pass import RESTS
from bench.record.schema import Record
from tests import factories as make

TOKENS = 128
Drift = Literal["decay", "line", "warmed by the work"]


@dataclass(frozen=True)
class World:
    """Powers in W, times in s. ``noise``: relative standard deviation of the power; ``processes``: of a process's own
    factor on all power; ``change``: W that idle power drifts by, downwards, or that work makes it rise by in the end.
    ``rests``: idle windows on each side of the work, all of which take as long as the work's (as RESTS)."""

    busy: float = 300.0
    idle: float = 100.0
    noise: float = 0.01
    correlated: float = 1.0
    processes: float = 0.02
    drift: Drift = "decay"
    change: float = 0.0
    constant: float = 20.0
    tick: float = 0.1
    seconds: float = 2.0
    windows: int = 3
    rests: int = RESTS
    call: float = 0.37
    calls: float = 0.01


class Board:
    """Time goes on by ``run`` and ``until_tick``; ``joules`` is the truth, which the counter shows at a tick."""

    def __init__(self, world: World, rng: np.random.Generator) -> None:
        self._world, self.rng = world, rng
        self._factor = 1.0 + world.processes * rng.standard_normal()
        self._phase = world.tick * rng.random()
        self._noise: dict[int, float] = {}
        self._warm = 0.0
        self.now = self.joules = 0.0

    def run(self, seconds: float, *, work: bool) -> None:
        """Go on for so long, with work or without."""
        end = self.now + seconds
        while self.now < end - 1e-12:
            block = math.floor(self.now / self._world.correlated + 1e-9)
            step = min(end, (block + 1) * self._world.correlated, self.now + 0.5) - self.now
            self.joules += step * self._power(block, step, work=work)
            self.now += step

    def until_tick(self, *, another: bool = False) -> None:
        """Wait for the counter to tick; ``another``: at a tick, for the next one."""
        gap = self._world.tick - (self.now - self._phase) % self._world.tick
        self.run(gap if another or gap < self._world.tick - 1e-9 else 0.0, work=False)

    def _power(self, block: int, step: float, *, work: bool) -> float:
        if block not in self._noise:
            self._noise[block] = self.rng.standard_normal()
        world = self._world
        power = world.idle + self._drifted(step, work=work) + (world.busy - world.idle) * work
        return power * self._factor * (1.0 + world.noise * self._noise[block])

    def _drifted(self, step: float, *, work: bool) -> float:
        """W of idle power above its level, in the middle of the step."""
        world, middle = self._world, self.now + 0.5 * step
        if world.drift == "decay":
            return world.change * math.exp(-middle / world.constant)
        if world.drift == "line":
            return world.change * (1.0 - middle / world.constant)
        before, goal = self._warm, world.change * work
        self._warm = goal + (before - goal) * math.exp(-step / world.constant)
        return 0.5 * (before + self._warm)


def record(world: World, rng: np.random.Generator, scheme: str, repeat: int) -> Record:
    """An energy record of one process: idle windows, work, idle windows."""
    board = Board(world, rng)
    idle = [_window(board, world) for _ in range(world.rests)]
    work = [_window(board, world, call=world.call) for _ in range(world.windows)]
    idle += [_window(board, world) for _ in range(world.rests)]
    zero = work[0].opened
    metrics: dict[str, object] = {
        "window_time": [w.closed - w.opened for w in work],
        "window_tail_time": [w.closed - w.ended for w in work],
        "window_tokens": [w.tokens for w in work],
        "energy_gpu": [w.joules for w in work],
        "work_begin": [w.opened - zero for w in work],
        "work_end": [w.ended - zero for w in work],
        "edge_time_gpu": [edge - zero for w in work for edge in (w.opened, w.closed)],
    }
    if idle:
        metrics |= {
            "idle_time": [w.closed - w.opened for w in idle],
            "idle_energy_gpu": [w.joules for w in idle],
            "idle_begin": [w.opened - zero for w in idle],
        }
    return make.record("energy", make.case(scheme, device="cuda"), metrics, repeat=repeat)


def true_net(world: World) -> float:
    """J per token that the work draws above the idle board, of a process whose factor is 1."""
    return (world.busy - world.idle) * world.call / TOKENS


@dataclass(frozen=True)
class _Window:
    opened: float
    ended: float
    closed: float
    joules: float
    tokens: int


def _window(board: Board, world: World, call: float | None = None) -> _Window:
    """Of whole calls, or of nothing to do. The wait for the opening tick is short or long, as chance has it."""
    board.run(0.001, work=False)
    board.until_tick(another=True)
    opened, before, tokens = board.now, board.joules, 0
    while board.now == opened or (call is not None and board.now - opened < world.seconds):
        if call is None:
            board.run(world.seconds * max(world.windows, world.rests) / (2 * world.rests), work=False)
        else:
            board.run(call * (1.0 + world.calls * board.rng.standard_normal()), work=True)
            tokens += TOKENS
    ended = board.now
    board.until_tick()
    return _Window(opened, ended, board.now, board.joules - before, tokens)
