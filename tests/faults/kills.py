"""kill -9 of parent, child or fork server at any moment: is every acknowledged Record there, does a resume finish?

    python -m tests.faults.kills --moments 200 --real 10 --out benchmarks/results/kills.json

A folder is struck again and again: each start resumes what the kill before left, until few Records are missing; then
the rest is measured and the whole is looked at. What must not be lost is told by the file of acknowledged Records, to
which the program's parent adds a line when ``Writer.append`` has returned (tests/faults/program.py).
``--real``: that many moments more, with the real measuring processes and the smoke model. With --moments 0 or --real 0
the file keeps what it says of that setting.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.instruments import cpu
from bench.record.store import RECORDS, load
from bench.run.processes import ForkServer
from tests.faults.plans import plan, planned
from tests.faults.run import Done, Running, Scene, launcher

RESULT = Path(__file__).parents[2] / "benchmarks" / "results" / "kills.json"
NOBODY = "nobody"
VICTIMS = ("parent", "child", "fork server")
WEIGHTS = (2, 2, 1)  # without its fork server a run starts interpreters, which takes long
KILLED = "killed by SIGKILL"


@dataclass(frozen=True)
class Setting:
    """What is struck. ``horizon_s``: a run without a kill takes about so long."""

    name: str
    horizon_s: float
    plan: Callable[[Path], None]
    told: dict[str, Any]


# Eight blocks of six Records, each after 0 to 40 ms. Their limit is far: interpreters start slowly on a busy machine.
FAST = Setting(
    "workload of milliseconds",
    2.0,
    lambda folder: plan(folder, repeats=4, schemes=("fp16", "nf4"), batches=(1, 2, 4), limit_s=120.0),
    {"seconds": 0.02},
)
REAL = Setting(
    "smoke model",
    25.0,
    lambda folder: plan(folder, repeats=2, schemes=("fp16", "nf4"), instruments=("generation",), limit_s=120.0),
    {"real": True},
)


@dataclass
class Tally:
    """What all moments together came to."""

    struck: list[dict[str, Any]] = field(default_factory=list)
    folders: int = 0
    acknowledged: int = 0
    lost: int = 0
    missing: int = 0
    twice: int = 0
    orphans: int = 0
    unread: int = 0
    truncated: int = 0
    unexplained: int = 0

    def wrong(self) -> int:
        """How much is not as it must be."""
        return self.lost + self.missing + self.twice + self.orphans + self.unread + self.unexplained

    def to_json(self) -> dict[str, Any]:
        """The result's figures."""
        counts = {name: value for name, value in vars(self).items() if name != "struck"}
        return {"moments": len(self.struck), "victims": Counter(one["victim"] for one in self.struck), **counts}


def strike(
    setting: Setting, moments: int, seed: int, launch: ForkServer, each: Callable[[dict[str, Any]], None]
) -> Tally:
    """Kill at ``moments`` moments drawn from ``seed``; ``each`` is told every one."""
    draw, tally = random.Random(seed), Tally()
    while len(tally.struck) < moments:
        place = Path(tempfile.mkdtemp(prefix="bitledger-kills-"))
        scene = Scene(place, launch, told=setting.told)
        setting.plan(scene.run)
        for one in _until_few_are_left(scene, setting, draw, tally):
            if one["victim"] == NOBODY:  # the run was faster than the moment
                continue
            tally.struck.append(one)
            each(one)
            if len(tally.struck) == moments:
                break
        _finish(scene, tally)
        shutil.rmtree(place)
    return tally


def _until_few_are_left(scene: Scene, setting: Setting, draw: random.Random, tally: Tally) -> Iterator[dict[str, Any]]:
    total = len(planned(scene.run))
    while True:
        left = 1 - len(set(scene.keys(ok=True))) / total if (scene.run / RECORDS).exists() else 1.0
        if left < 0.3:
            return
        yield _moment(scene, draw.choices(VICTIMS, WEIGHTS)[0], draw.uniform(0, setting.horizon_s * left), tally)


def _moment(scene: Scene, victim: str, at_s: float, tally: Tally) -> dict[str, Any]:
    """One start of the program and one kill."""
    before = (scene.run / RECORDS).read_bytes() if (scene.run / RECORDS).exists() else b""
    began, had = time.monotonic(), len(scene.acknowledged())
    running = scene.start("run", "--resume", "--retry-failed", "--out", str(scene.run), "--no-report")
    while time.monotonic() < began + at_s and running.process.poll() is None:
        time.sleep(0.001)
    hit, at = _kill(running, victim), time.monotonic() - began
    done = running.done(600.0)
    _look(scene, victim if hit else NOBODY, done, before, tally)
    told = {"victim": victim if hit else NOBODY, "at_s": round(at, 3), "exit_code": done.code}
    return {**told, "acknowledged_before": had, "acknowledged_after": len(scene.acknowledged())}


def _kill(running: Running, victim: str) -> bool:
    """Kill it at the first moment from now at which it is there; False where the program ended before."""
    while running.process.poll() is None:
        found = {
            "parent": lambda: [running.process.pid], "child": running.measuring, "fork server": running.fork_servers
        }[victim]()  # fmt: skip
        for pid in found[:1]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                break
            return True
        time.sleep(0.001)
    return False


def _look(scene: Scene, victim: str, done: Done, before: bytes, tally: Tally) -> None:
    """After a kill: nobody is left, the file is readable, and each acknowledged Record is in it, as it was."""
    tally.orphans += len(scene.survivors())
    odd = done.code not in ((-signal.SIGKILL,) if victim == "parent" else (0, 1)) or "Traceback" in done.output
    tally.unexplained += odd
    if odd:
        print(f"{victim} killed, exit code {done.code}: {done.output}", file=sys.stderr)
    file = scene.run / RECORDS
    if not file.exists():
        tally.lost += len(scene.acknowledged())
        return
    try:
        loaded = load(file)
    except Exception as error:
        print(f"cannot be read: {error}", file=sys.stderr)
        tally.unread += 1
        return
    whole = before[: before.rfind(b"\n") + 1]  # a cut last line is cut off when the run goes on
    tally.unread += not file.read_bytes().startswith(whole)
    tally.truncated += len(loaded.findings)
    tally.lost += scene.lost()
    reasons = [record.reason for record in loaded.records if record.status == "failed"]
    others = [reason for reason in reasons if KILLED not in reason]
    tally.unexplained += len(others)
    if others:
        print(f"{victim} killed, failed otherwise: {others}", file=sys.stderr)


def _finish(scene: Scene, tally: Tally) -> None:
    """Resume without a kill: then each planned Record must be there, measured once."""
    done = scene.start("run", "--resume", "--retry-failed", "--out", str(scene.run), "--no-report").done(600.0)
    tally.unexplained += done.code != 0
    if done.code:
        print(f"resumed, exit code {done.code}: {done.output}", file=sys.stderr)
    measured = Counter(scene.keys(ok=True))
    tally.folders += 1
    tally.acknowledged += len(scene.acknowledged())
    tally.missing += len(set(planned(scene.run)) - set(measured))
    tally.twice += sum(count - 1 for count in measured.values())


def document(tallies: dict[str, Tally], seed: int) -> dict[str, Any]:
    """The result file, of the settings that were struck."""
    machine = {"cpu": cpu.facts().get("model"), "cores": os.cpu_count(), "python": platform.python_version()}
    return {
        "machine": {**machine, "kernel": platform.release()},
        "settings": {name: {"seed": seed, **tally.to_json()} for name, tally in tallies.items()},
        "struck": {name: tally.struck for name, tally in tallies.items()},
    }


def as_text(result: dict[str, Any]) -> str:
    """The result as JSON with one moment a line."""
    whole = json.dumps(result, indent=1)
    return (
        re.sub(r'\{\n\s+("victim".*?)\n\s+\}', lambda found: f"{{{' '.join(found[1].split())}}}", whole, flags=re.S)
        + "\n"
    )


def in_words() -> str:
    """The committed result, for the document."""
    settings = json.loads(RESULT.read_text())["settings"] if RESULT.exists() else {}
    return " ".join(
        f"{name.capitalize()}: {one['moments']} moments in {one['folders']} folders, {one['acknowledged']} "
        f"acknowledged Records, {one['lost']} lost; after `--resume` {one['missing']} missing, {one['twice']} twice; "
        f"{one['orphans']} processes left."
        for name, one in settings.items()
    )


def _tell(one: dict[str, Any]) -> None:
    print(one, flush=True)


def main() -> int:
    """Exit code 1 where anything was lost, came twice, or was left running."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.kills", description=__doc__.splitlines()[0])
    parser.add_argument("--moments", type=int, default=200)
    parser.add_argument("--real", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    tallies = {}
    with launcher() as launch:
        for setting, moments in ((FAST, options.moments), (REAL, options.real)):
            if moments:
                tallies[setting.name] = strike(setting, moments, options.seed, launch, _tell)
    result = document(tallies, options.seed)
    if options.out and options.out.exists():  # a setting that was not struck now keeps its result
        earlier = json.loads(options.out.read_text())
        for part in ("settings", "struck"):
            result[part] = {**earlier[part], **result[part]}
    print(json.dumps(result["settings"], indent=1))
    if options.out:
        options.out.write_text(as_text(result))
    return int(any(tally.wrong() for tally in tallies.values()))


if __name__ == "__main__":
    sys.exit(main())
