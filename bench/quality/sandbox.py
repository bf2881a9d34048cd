"""A box for programs that nobody has read: bubblewrap's namespaces, with nothing in it but Python.

In the box there is no network, no other process, no file of the host's but the interpreter, read-only, and one small
tmpfs. The program runs as nobody that the host knows, under hard limits. What it writes to standard output is all that
leaves the box. See docs/adr/0010.
"""

from __future__ import annotations

import contextlib
import fcntl
import marshal
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from bench.record.errors import MachineError, UsageError

from . import keyring, scratch, seccomp
from .box import Asked, Box, NotBegunError
from .first import First
from .users import own_user, threads_elsewhere
from .walls import BOX, SHARED_MEMORY, VARIABLES, VERSION, is_root, ordinary, walls

HERE = Path(__file__).parent
_MIB = 1 << 20
# What the interpreter in the box begins with: inside.py, already compiled, comes first of all that it is sent.
# With built-in functions of its own, because a program may replace those of all.
_BEGIN = (
    "import builtins,marshal,os;jobs=os.fdopen(os.dup(0),'rb');"
    "frame={'__name__':'inside','__builtins__':dict(vars(builtins))};exec(marshal.load(jobs),frame);frame['main'](jobs)"
)
# No folder of the user's or of packages to import from. Not -I, which would leave out the variables below too.
_ALONE = ("-P", "-s", "-S", "-c")
INSTALL = "install bubblewrap (Debian: apt-get install bubblewrap) where namespaces are allowed"
REMEDY = f"{INSTALL}, evaluate on another machine, or say --no-sandbox where the machine itself may be lost"


# Parts of the sandbox that a machine may lack, and what is lost with them.
PARTS = {
    "seccomp": "no filter of system calls: programs may start processes, make namespaces and use all of the kernel",
    "keyring": "programs can read the kernel keyring of whoever evaluates",
    "inodes": "the files that a program makes are not counted, each takes 1 KB of the machine's memory",
}


@dataclass(frozen=True)
class Limits:
    """Of one program. ``memory``: B of address space; ``scratch``: B of its tmpfs; ``files``: files on it; ``output``:
    B that may leave; ``threads``: all that it has at a time, those that have just ended and bubblewrap's own included.
    """

    memory: int = 4096 * _MIB
    scratch: int = 64 * _MIB
    output: int = 512 * _MIB
    threads: int = 512
    files: int = 4096


class NoSandboxError(MachineError):
    """bubblewrap cannot be had. ``why``: without what to do about it."""

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}: {REMEDY}")
        self.why = why


class Stopped(Exception):  # noqa: N818 - no error: somebody ended the evaluation
    """The evaluation was ended while a program ran or was about to."""


# The process that was started, and the first one in the box that it makes.
_Running = tuple[subprocess.Popen[bytes], First | None]


@dataclass
class Sandbox:
    """Makes boxes. ``bubblewrap``: its path; "" runs programs unprotected, because the user said so; ``without``: the
    PARTS that are not had here; ``disable_userns``: whether bubblewrap itself can forbid new user namespaces."""

    bubblewrap: str
    limits: Limits = field(default_factory=Limits)
    without: frozenset[str] = frozenset()
    disable_userns: bool = False
    _running: set[_Running] = field(default_factory=set, init=False, repr=False, compare=False)
    _lock: Any = field(default_factory=threading.Lock, init=False, repr=False, compare=False)
    _is_stopped: bool = field(default=False, init=False, repr=False, compare=False)

    @property
    def facts(self) -> dict[str, Any]:
        """For the record."""
        if not self.bubblewrap:
            return {"sandbox": "none", "limits": asdict(self.limits)}
        version = subprocess.run([self.bubblewrap, "--version"], capture_output=True, text=True, check=False).stdout
        return {
            "sandbox": version.strip(),
            "limits": asdict(self.limits),
            "new_processes": "counted as threads" if "seccomp" in self.without else "refused",
            "sandbox_without": sorted(self.without),
        }

    @contextlib.contextmanager
    def box(self, code: str, entry_point: str, asked: Asked = "answer") -> Iterator[Box]:
        """A new box with one program, which is not begun before the first question.

        ``asked``: what of each answer leaves the box. The thread that calls this loses its session keyring, see
        keyring.py. Raises Stopped after ``stop``, NotBegunError where the machine has no room for another box.
        """
        with contextlib.ExitStack() as held:
            user = held.enter_context(own_user()) if self.bubblewrap and is_root() else None
            rules = {"code": code, "entry_point": entry_point, "asked": asked, **self._rules(user)}
            process, first = held.enter_context(self._process())
            watch = self._watch(first.pid) if first else None
            try:
                yield Box(process, self.limits.output, _inside() + marshal.dumps(rules), watch)
            except NotBegunError:
                if not self._is_stopped:
                    raise
            if self._is_stopped:
                raise Stopped

    def stop(self) -> None:
        """End all programs that run, for good: whoever waits for one, or makes another box, gets Stopped."""
        with self._lock:
            self._is_stopped = True
            for process, first in self._running:
                _kill(process, first)

    @contextlib.contextmanager
    def _process(self) -> Iterator[_Running]:
        if self.bubblewrap and "keyring" not in self.without:
            keyring.leave()
        process, info = self._started()
        first = None
        try:
            if self.bubblewrap:
                # Nothing is asked of the box before it is known how to end it.
                first = First(info, None if is_root() else self.limits.memory)
            self._note((process, first))
            yield process, first
        finally:
            with self._lock:
                self._running.discard((process, first))
            _kill(process, first)
            process.wait()
            os.close(info)
            if first:
                first.close()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    pipe.close()  # type: ignore[union-attr]

    def _started(self) -> tuple[subprocess.Popen[bytes], int]:
        """A process, and the pipe in which bubblewrap tells of the box. Raises NotBegunError."""
        try:
            return self._start()
        except OSError as error:
            raise NotBegunError(f"a box of the sandbox cannot be started ({error.strerror})") from error

    def _start(self) -> tuple[subprocess.Popen[bytes], int]:
        info, write_info = os.pipe()
        try:
            with seccomp.handed_over(bool(self.bubblewrap) and "seccomp" not in self.without) as (options, handles):
                process = subprocess.Popen(
                    self._command([*options, "--info-fd", str(write_info)]), cwd="/", start_new_session=True,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                    env={"PATH": os.defpath, **VARIABLES}, pass_fds=(*handles, write_info),
                )  # fmt: skip
        except BaseException:
            os.close(info)
            raise
        finally:
            os.close(write_info)
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):  # a user's pipes may hold only so much together
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _MIB)  # type: ignore[arg-type]
        return process, info

    def _note(self, running: _Running) -> None:
        with self._lock:
            if self._is_stopped:
                raise Stopped
            self._running.add(running)

    def _watch(self, first: int | None) -> scratch.Watch | None:
        if "inodes" in self.without:
            return None
        sizes = {"/tmp": self.limits.scratch, "/dev/shm": SHARED_MEMORY}  # noqa: S108 - the box's own
        return scratch.Watch(first, self.limits.files, sizes)

    def _rules(self, user: int | None) -> dict[str, Any]:
        """What inside.py does to itself before the program begins."""
        limits = {
            "RLIMIT_AS": self.limits.memory,
            "RLIMIT_FSIZE": self.limits.scratch,
            # Not 0, which stops the kernel from writing a core but not from handing one to a program of the machine's.
            "RLIMIT_CORE": 1,
            "RLIMIT_NOFILE": 256,
            # Of CPU, s: should the judge be killed, nothing goes on for ever.
            "RLIMIT_CPU": 3600,
            "RLIMIT_RTPRIO": 0,
            "RLIMIT_NICE": 0,
            # Timers are counted here too.
            "RLIMIT_SIGPENDING": 1024,
            "RLIMIT_MSGQUEUE": 0,
        }
        if not self.bubblewrap:
            return {"user": None, "limits": limits, "path": []}
        limits["RLIMIT_NPROC"] = self.limits.threads + (0 if is_root() else threads_elsewhere())
        return {"user": user, "limits": limits, "path": [BOX]}

    def _command(self, options: Sequence[str]) -> list[str]:
        """``options``: more of bubblewrap's."""
        if not self.bubblewrap:
            return [sys.executable, *_ALONE, _BEGIN]
        interpreter = str(Path(sys.base_prefix) / "bin" / VERSION)
        return [*self._box, *options, interpreter, *_ALONE, _BEGIN]

    @cached_property
    def _box(self) -> list[str]:
        return [*ordinary(), self.bubblewrap, *walls(self.limits.scratch, self.disable_userns)]


def accepted(parts: Iterable[str]) -> frozenset[str]:
    """``parts`` that a user goes without. Raises UsageError for one that is none."""
    given = frozenset(parts)
    unknown = sorted(given - set(PARTS))
    if unknown:
        raise UsageError(f"--sandbox-without: no part {unknown[0]!r}: give some of {', '.join(PARTS)}")
    return given


def find(unprotected: bool = False, limits: Limits | None = None, without: Collection[str] = ()) -> Sandbox:
    """The sandbox of this machine. Raises NoSandboxError where there is none and ``unprotected`` does not allow that,
    MachineError where one of its PARTS is lacking that ``without`` does not name."""
    limits = limits or Limits()
    if unprotected:
        return Sandbox("", limits)
    path = shutil.which("bwrap")
    if path is None:
        raise NoSandboxError("bubblewrap is not installed, and programs that a model wrote must not run loose")
    # In a thread of its own: the session keyring of the one that asks is not to be lost.
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(_tried, Sandbox(path, limits)).result()
    lacking = sorted(made.without - set(without))
    if lacking:
        what = "; ".join(f"{part} ({PARTS[part]})" for part in lacking)
        raise MachineError(
            f"the sandbox of this machine lacks {what}: evaluate on another machine, or accept that with "
            f"--sandbox-without {','.join(lacking)}"
        )
    return made


def _tried(plain: Sandbox) -> Sandbox:
    """The best that works here. Raises NoSandboxError where none does."""
    strict = [] if is_root() else [replace(plain, disable_userns=True)]
    filtered = [*strict, plain] if seccomp.program() else []
    for made in (*filtered, replace(plain, without=frozenset({"seccomp"}))):
        files = _files_of_trial(made)
        if files is not None:
            lacking = {"keyring"} if keyring.leave() else set()
            return replace(made, without=made.without | lacking | ({"inodes"} if files < 1 else set()))
    raise NoSandboxError("bubblewrap cannot make a sandbox here (are namespaces allowed?)")


def _files_of_trial(made: Sandbox) -> int | None:
    """How many files a box is seen to hold, 0 where that is not seen; None where there can be no box."""
    try:
        with made.box("def f(): return 7", "f") as box:
            outcome = box.ask([[]], [5.0], 5.0, 20.0)
            files = box.watch.count() if box.watch else None
    except NotBegunError:
        return None
    return (files or 0) if outcome.lines[:1] == [b"v 7"] else None


def _kill(process: subprocess.Popen[bytes], first: First | None) -> None:
    if first:
        first.kill()
    process.kill()


@cache
def _inside() -> bytes:
    """inside.py, compiled once for all boxes."""
    source = HERE / "inside.py"
    return marshal.dumps(compile(source.read_bytes(), "inside.py", "exec", dont_inherit=True))
