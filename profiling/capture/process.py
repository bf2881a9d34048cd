"""Run one tool to its end, or to its time limit, with all that it prints in a log file."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.record.errors import MachineError, MeasurementError
from bench.record.logs import masked_tail
from bench.run.processes import die_with_parent

from ..availability import find_tool
from ..commands import Command
from ..surroundings import cleaned

_TAIL_BYTES = 1 << 20
_GRACE_S = 10.0
_OWN = "bitledger: "


@dataclass(frozen=True)
class Finished:
    """How a tool ended. ``output`` is the tail of what it printed, without the steps of its progress bars."""

    tool: str
    code: int
    limit_s: float
    timed_out: bool
    output: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.output)

    def problem(self) -> str:
        """One clause on what went wrong: our own target's error where it printed one, else the tool's last line."""
        if self.timed_out:
            return f"{self.tool} was ended after its limit of {self.limit_s:.0f} s: use --limit, or fewer --steps"
        own = [line[len(_OWN) :] for line in self.output if line.startswith(_OWN)]
        if own:
            return own[-1]
        last = self.output[-1][:300] if self.output else "it printed nothing"
        how = f"was killed by {signal.Signals(-self.code).name}" if self.code < 0 else f"ended with code {self.code}"
        return f"{self.tool} {how}: {last}"


def run_tool(command: Command, log: Path, limit_s: float) -> Finished:
    """Run it. Raises MachineError where it cannot be started; how it ended is in what is returned."""
    tool = Path(command.argv[0]).name
    argv = (find_tool(command.argv[0]) or command.argv[0], *command.argv[1:])
    environment = cleaned() | {"PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"} | dict(command.environment)
    with log.open("ab") as output:
        begin = output.tell()
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,  # a group of its own, so that the tool and what it started end together
                # Where we are killed it is asked to end, and takes what it started along; killed it would leave that.
                preexec_fn=partial(die_with_parent, os.getpid(), signal.SIGTERM),
            )
        except OSError as error:
            raise MachineError(
                f"not collected: {tool} cannot be started ({error.strerror}); install it again"
            ) from None
        code, timed_out = _wait(process, limit_s)
    return Finished(tool, code, limit_s, timed_out, _lines(log, begin))


def _wait(process: subprocess.Popen[bytes], limit_s: float) -> tuple[int, bool]:
    """Wait for the end, or make one; whatever happens, nothing of the group is left running."""
    try:
        return process.wait(limit_s), False
    except subprocess.TimeoutExpired:
        _signal(process, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
        return process.returncode or -signal.SIGKILL, True
    finally:
        _signal(process, signal.SIGKILL)
        process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _lines(log: Path, begin: int) -> tuple[str, ...]:
    text = masked_tail(log, begin, _TAIL_BYTES)
    return tuple(line.strip() for line in re.split(r"[\r\n]+", text) if line.strip())


def require_success(finished: Finished) -> None:
    """Raises MeasurementError where the tool failed or took too long."""
    if finished.code or finished.timed_out:
        raise MeasurementError(finished.problem())


def tool_version(name: str) -> str:
    """The version that a tool tells, or "unknown"."""
    try:
        done = subprocess.run(
            (find_tool(name) or name, "--version"),
            capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL, env=cleaned(),
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    match = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return match[0] if match else "unknown"
