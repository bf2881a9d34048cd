"""The scenarios: arms without a difference, arms with one, and idle power that drifts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from .board import World

Options = dict[str, float]


@dataclass(frozen=True)
class Scenario:
    """``other``: what the second arm's world has other than the first's. ``processes``: of each arm. ``times``: the
    true ratio of gross joules."""

    name: str
    world: World
    processes: int = 3
    other: Options = field(default_factory=dict)
    times: float = 1.0

    @property
    def second(self) -> World:
        return replace(self.world, **self.other)  # type: ignore[arg-type]


_LOUD = World(noise=0.05)
_QUICK = World(windows=2)
_EXACT = World(processes=0.003, calls=0.0005)
# In which no verdict is right: the arms are the same, or nearly.
ALIKE = (
    Scenario("one process of each", _LOUD, 1),
    Scenario("windows of 1 s, two of them", replace(_LOUD, seconds=1.0, windows=2)),
    Scenario("windows of 2 s, three of them", _LOUD),
    Scenario("the same, five processes", _LOUD, 5),
    Scenario("idle falls by 60 W", replace(_LOUD, change=60.0)),
    Scenario("quick, one process", _QUICK, 1),
    Scenario("quick", _QUICK),
    Scenario("quick, quiet power, processes differ by 3 %", replace(_QUICK, noise=0.003, processes=0.03)),
    Scenario("smoke", replace(_QUICK, seconds=1.0)),
    Scenario(
        "the wait for the tick: calls of 0.9975 and 1.0025 s", replace(_EXACT, seconds=1.0, windows=2, call=0.9975),
        other={"call": 1.0025}, times=1.0025 / 0.9975,
    ),
    Scenario(
        "the wait for the tick: calls of 1.9975 and 2.0025 s", replace(_EXACT, call=1.9975),
        other={"call": 2.0025}, times=2.0025 / 1.9975,
    ),
    Scenario("the counter ticks every 0.5 s", replace(_QUICK, tick=0.5)),
    Scenario("the counter ticks every 20 ms", replace(_QUICK, tick=0.02)),
)  # fmt: skip
# In which there is a difference: longer calls at the same power.
APART = tuple(
    Scenario(f"×{times:g}, {count} of each", _QUICK, count, {"call": 0.37 * times}, times)
    for times in (1.1, 1.5)
    for count in (1, 2, 3, 5)
)
_HELD = World(busy=135.0, idle=122.0, noise=0.002, processes=0.0)
# What is net of a baseline that drifts, of which 13 of 135 W are left.
DRIFTING = tuple(
    Scenario(name, replace(_HELD, **options), count)  # type: ignore[arg-type]
    for name, options in (
        ("idle stays", {}),
        ("idle stays, power noise 0.5 % over 4 s", {"noise": 0.005, "correlated": 4.0}),
        ("idle falls by 6 W (exponential, 20 s)", {"change": 6.0}),
        ("idle falls by 6 W in 40 s (straight)", {"change": 6.0, "constant": 40.0, "drift": "line"}),
        ("idle falls by 60 W, work 200 W above it", {"busy": 300.0, "idle": 100.0, "change": 60.0, "noise": 0.01}),
        ("one idle window a side, idle falls by 6 W", {"change": 6.0, "rests": 1}),
        ("one work window of 1.5 s, idle falls by 6 W", {"change": 6.0, "windows": 1, "seconds": 1.5}),
        ("the work warms the board by 6 W (exponential, 20 s)", {"change": 6.0, "drift": "warmed by the work"}),
        ("the same, in 10 s", {"change": 6.0, "constant": 10.0, "drift": "warmed by the work"}),
        ("the same, in 5 s", {"change": 6.0, "constant": 5.0, "drift": "warmed by the work"}),
    )
    for count in (1, 3, 5)
)
