"""Files of a run that are damaged, or of another version of the program."""

from __future__ import annotations

import json
from collections.abc import Callable

from bench.record.chain import PLAN
from bench.record.store import RECORDS
from tests.faults.fault import Fault, Seen, Slow, resume_command, resumed, seen
from tests.faults.plans import plan
from tests.faults.processes import FOURTH, THREE
from tests.faults.run import Scene

TOLD = "bitledger: "


def _interrupted(scene: Scene) -> None:
    """A run that was killed when three of six Records were there."""
    plan(scene.run)
    running = scene.start(*resume_command(scene), child={FOURTH: "hang"})
    running.until_acknowledged(THREE)
    running.process.kill()
    running.done()


def truncated(scene: Scene) -> Seen:
    """A machine that stopped while the fourth Record was being written: it was never acknowledged."""
    _interrupted(scene)
    file = scene.run / RECORDS
    whole = file.read_bytes()
    file.write_bytes(whole + whole.splitlines()[0][:1000])
    done = scene.start(*resume_command(scene)).done()
    assert done.code == 0 and scene.whole() and file.read_bytes().startswith(whole)
    return seen(scene, done, "warning: the last line").then("that Record is measured again: 6 of 6, each once")


def _line_three(change: Callable[[bytes], bytes]) -> Callable[[Scene], Seen]:
    """The third line is changed: nothing is believed and nothing is written until the user has chosen."""

    def provoke(scene: Scene) -> Seen:
        _interrupted(scene)
        file = scene.run / RECORDS
        lines = file.read_bytes().splitlines(keepends=True)
        changed = b"".join((*lines[:2], change(lines[2])))
        file.write_bytes(changed)
        done = scene.start(*resume_command(scene)).done()
        assert file.read_bytes() == changed, "the file was touched"
        file.write_bytes(b"".join(lines))
        found = seen(scene, done, TOLD)
        file.write_bytes(b"".join(lines[:2]))
        again = resumed(scene)
        return found.then(f"nothing is written; with the line removed, {again}")

    return provoke


def _version(number: int) -> Callable[[bytes], bytes]:
    return lambda line: json.dumps({**json.loads(line), "schema_version": number}).encode() + b"\n"


def damaged_plan(scene: Scene) -> Seen:
    _interrupted(scene)
    file = scene.run / PLAN
    text = file.read_text()
    file.write_text(text[: len(text) // 2])
    found = seen(scene, scene.start(*resume_command(scene)).done(), TOLD)
    file.write_text(text)
    return found.then(f"with the plan restored, {resumed(scene)}")


def long_line(scene: Scene) -> Seen:
    """Without being read: its process may have no more than 1 GiB of memory."""
    _interrupted(scene)
    file = scene.run / RECORDS
    whole = file.read_bytes()
    with file.open("ab") as stream:
        stream.truncate(len(whole) + (1 << 30))
        stream.seek(0, 2)
        stream.write(b"\n")
    command = ("sh", "-c", 'ulimit -v 1048576; exec "$@"', "sh", *scene.python("verify", str(scene.run), "--all"))
    done = scene.interpreter(*command)
    file.write_bytes(whole)
    found = seen(scene, done, "longer than")
    return found.then(f"nothing is written; with the line removed, {resumed(scene)}")


FAULTS = (
    Fault("Last line truncated", "the first 1000 bytes of a line at the end of the file", truncated),
    Fault("Line in the middle damaged", "20 bytes of the third of three lines are zeros", _line_three(
        lambda line: line[:100] + b"\0" * 20 + line[120:]
    )),
    Slow("A line of 1 GB", "1 GiB of zeros and a line's end are added; `verify` with 1 GiB of memory", long_line),
    Slow("Records of a newer program", "the third line has schema version 99", _line_three(_version(99))),
    Slow("Records of an older program", "the third line has schema version 0", _line_three(_version(0))),
    Slow("Plan damaged", "the second half of plan.json is missing", damaged_plan),
)  # fmt: skip
