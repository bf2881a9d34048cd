"""A box for programs that nobody has read: bubblewrap's namespaces, with nothing in it but Python.

In the box there is no network, no other process, no file of the host's but the interpreter, read-only, and one small
tmpfs. The program runs as nobody that the host knows, under hard limits. What it writes to standard output is all that
leaves the box. See docs/adr/0010.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import re
import selectors
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from bench.record.errors import MachineError

from . import threads_only
from .users import own_user, threads_elsewhere

HERE = Path(__file__).parent
BOX = "/box"
End = Literal["done", "time", "output"]
_MIB = 1 << 20
_VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
# What the interpreter in the box begins with: inside.py, already compiled, comes first of all that it is sent.
_BEGIN = "import marshal,os;jobs=os.fdopen(os.dup(0),'rb');exec(marshal.load(jobs));main(jobs)"
# No folder of the user's or of packages to import from. Not -I, which would leave out the variables below too.
_ALONE = ("-P", "-s", "-S", "-c")
# The same hashes, so the same order of sets, each time; texts in UTF-8, whatever the machine's locale is.
_VARIABLES = {"PYTHONHASHSEED": "0", "PYTHONUTF8": "1", "PYTHONCOERCECLOCALE": "0", "OPENBLAS_NUM_THREADS": "1"}
_INSIDE = {"HOME": "/tmp", "PATH": os.defpath, **_VARIABLES}  # noqa: S108 - the box's own
_LIBRARIES = ("/lib", "/lib32", "/lib64")
REMEDY = (
    "install bubblewrap (Debian: apt-get install bubblewrap) where namespaces are allowed, evaluate on another "
    "machine, or say --no-sandbox where the machine itself may be lost"
)


@dataclass(frozen=True)
class Limits:
    """Of one program. ``memory``: B of address space; ``scratch``: B of its tmpfs; ``output``: B that may leave;
    ``threads``: all that it has at a time, those that have just ended and bubblewrap's own included."""

    memory: int = 4096 * _MIB
    scratch: int = 64 * _MIB
    output: int = 512 * _MIB
    threads: int = 64


@dataclass(frozen=True)
class Outcome:
    """What came out, a line each, and how it ended: by itself, over time, or over the limit of output."""

    lines: list[bytes]
    end: End


@dataclass
class Sandbox:
    """Makes boxes. ``bubblewrap``: its path; "" runs programs unprotected, because the user said so."""

    bubblewrap: str
    limits: Limits = field(default_factory=Limits)

    @property
    def facts(self) -> dict[str, Any]:
        """For the record."""
        if not self.bubblewrap:
            return {"sandbox": "none", "limits": asdict(self.limits)}
        version = subprocess.run([self.bubblewrap, "--version"], capture_output=True, text=True, check=False).stdout
        return {
            "sandbox": version.strip(),
            "limits": asdict(self.limits),
            "new_processes": "refused" if threads_only.program() else "counted as threads",
        }

    @contextlib.contextmanager
    def box(self, code: str, entry_point: str, whether: bool = False) -> Iterator[Box]:
        """A new box with one program, which is not begun before the first question.

        ``whether``: of each answer only whether there is one leaves the box.
        """
        with contextlib.ExitStack() as held:
            user = held.enter_context(own_user()) if self.bubblewrap and _is_root() else None
            rules = {"code": code, "entry_point": entry_point, "whether": whether, **self._rules(user)}
            process = held.enter_context(self._process())
            yield Box(process, self.limits.output, _inside() + marshal.dumps(rules))

    @contextlib.contextmanager
    def _process(self) -> Iterator[subprocess.Popen[bytes]]:
        with threads_only.handed_over(bool(self.bubblewrap)) as (options, handles):
            process = subprocess.Popen(
                self._command(options), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                cwd="/", env={"PATH": os.defpath, **_VARIABLES}, start_new_session=True, pipesize=_MIB,
                pass_fds=handles,
            )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    pipe.close()  # type: ignore[union-attr]

    def _rules(self, user: int | None) -> dict[str, Any]:
        """What inside.py does to itself before the program begins."""
        limits = {
            "RLIMIT_AS": self.limits.memory,
            "RLIMIT_FSIZE": self.limits.scratch,
            "RLIMIT_CORE": 0,
            "RLIMIT_NOFILE": 64,
        }
        if not self.bubblewrap:
            return {"user": None, "limits": limits, "path": []}
        limits["RLIMIT_NPROC"] = self.limits.threads + (0 if _is_root() else threads_elsewhere())
        return {"user": user, "limits": limits, "path": [BOX]}

    def _command(self, options: Sequence[str]) -> list[str]:
        """``options``: more of bubblewrap's."""
        if not self.bubblewrap:
            return [sys.executable, *_ALONE, _BEGIN]
        interpreter = str(Path(sys.base_prefix) / "bin" / _VERSION)
        return [*self._box, *options, interpreter, *_ALONE, _BEGIN]

    @cached_property
    def _box(self) -> list[str]:
        return [*_ordinary(), self.bubblewrap, *_walls(self.limits.scratch)]


class Box:
    """One program in its box, to be asked for the answers of one set of inputs after another."""

    def __init__(self, process: subprocess.Popen[bytes], output: int, before: bytes) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._into, self._out = process.stdin.fileno(), process.stdout.fileno()
        self._left, self._before = output, before
        os.set_blocking(self._into, False)

    def ask(self, inputs: Sequence[Any], limits: Sequence[float], load: float, most: float) -> Outcome:
        """The lines of inside.py for these inputs; ``limits``: seconds of each call, ``load``: of loading the program,
        ``most``: of wall time in all."""
        # Version 2 keeps no references: no two inputs share a list that a program may change.
        job = marshal.dumps({"inputs": list(inputs), "seconds": list(limits), "load_seconds": load}, 2)
        text, self._before = self._before + job, b""
        return self._converse(memoryview(text), time.monotonic() + most)

    def _converse(self, rest: memoryview, until: float) -> Outcome:
        told = bytearray()
        with selectors.DefaultSelector() as ready:
            ready.register(self._into, selectors.EVENT_WRITE)
            ready.register(self._out, selectors.EVENT_READ)
            while True:
                left = until - time.monotonic()
                if left <= 0:
                    return Outcome(_lines(told), "time")
                for key, _ in ready.select(left):
                    if key.fd == self._into:
                        rest = _written(self._into, rest)
                        if not rest:
                            ready.unregister(self._into)
                        continue
                    part = os.read(self._out, _MIB)
                    told += part
                    self._left -= len(part)
                    if self._left < 0:
                        return Outcome(_lines(told), "output")
                    if not part or _is_over(told):
                        return Outcome(_lines(told), "done")


def find(unprotected: bool = False, limits: Limits | None = None) -> Sandbox:
    """The sandbox of this machine. Raises MachineError where there is none and ``unprotected`` does not allow that."""
    limits = limits or Limits()
    if unprotected:
        return Sandbox("", limits)
    path = shutil.which("bwrap")
    if path is None:
        raise MachineError(f"bubblewrap is not installed, and programs that a model wrote must not run loose: {REMEDY}")
    made = Sandbox(path, limits)
    with made.box("def f(): return 7", "f") as box:
        outcome = box.ask([[]], [5.0], 5.0, 20.0)
    if outcome.lines[:1] != [b"v 7"]:
        raise MachineError(f"bubblewrap cannot make a sandbox here (are namespaces allowed?): {REMEDY}")
    return made


@cache
def _inside() -> bytes:
    """inside.py, compiled once for all boxes."""
    source = HERE / "inside.py"
    return marshal.dumps(compile(source.read_bytes(), "inside.py", "exec", dont_inherit=True))


def _is_over(told: bytearray) -> bool:
    """Whether the last line is whole, and one after which inside.py writes no more."""
    last = told.rfind(b"\n", 0, -1) + 1
    return told.endswith(b"\n") and not told.startswith(b"v", last)


def _lines(told: bytearray) -> list[bytes]:
    return bytes(told).removesuffix(b"\n").split(b"\n") if told else []


def _written(pipe: int, rest: memoryview) -> memoryview:
    """What is left to be written; nothing where the reader is gone."""
    try:
        return rest[os.write(pipe, rest[:_MIB]) :]
    except BlockingIOError:
        return rest
    except BrokenPipeError:
        return memoryview(b"")


def _is_root() -> bool:
    return os.geteuid() == 0


def _ordinary(status: Path = Path("/proc/self/status")) -> list[str]:
    """What takes an ordinary user's capabilities away again: a container may hand some on for the profilers, and
    bubblewrap refuses to start with any that it does not know the reason of."""
    match = re.search(r"^CapAmb:\s*([0-9a-f]+)$", status.read_text(), re.MULTILINE)
    if _is_root() or match is None or int(match[1], 16) == 0:
        return []
    return ["setpriv", "--inh-caps=-all", "--ambient-caps=-all", "--"]


def _walls(scratch: int) -> list[str]:
    """bubblewrap's options."""
    shared = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    if _is_root():
        # Real rights, to become another real user inside: limits on processes do not hold for root under another name.
        rights = ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        rights = ["--unshare-user", "--uid", "65534", "--gid", "65534"]
    binds = [*_system(), *_numpy()]
    return [
        *shared, *rights, "--die-with-parent", "--new-session", "--clearenv",
        *(word for name, value in _INSIDE.items() for word in ("--setenv", name, value)),
        *_folders(target for _, target in binds), *_links(),
        *(word for source, target in binds for word in ("--ro-bind", str(source), target)),
        *(word for path in _installed() for word in ("--size", "4096", "--tmpfs", path, "--remount-ro", path)),
        "--proc", "/proc", "--dev", "/dev", "--size", "65536", "--tmpfs", "/dev/shm",  # noqa: S108
        "--perms", "1777", "--size", str(scratch), "--tmpfs", "/tmp", "--chdir", "/tmp",  # noqa: S108
        "--remount-ro", "/dev", "--remount-ro", "/",
    ]  # fmt: skip


def _folders(targets: Iterable[str]) -> list[str]:
    """What leads to the targets, open to everybody: bubblewrap would make it for its own user alone."""
    above = sorted({str(path) for target in targets for path in Path(target).parents} - {"/"}, key=len)
    return [word for path in above for word in ("--perms", "0755", "--dir", path)]


def _links() -> list[str]:
    names = [name for name in _LIBRARIES if Path(name).is_symlink()]
    return [word for name in names for word in ("--symlink", f"usr{name}", name)]


def _system() -> list[tuple[Path, str]]:
    """The interpreter and the libraries that it is linked to, no more: host's path → path in the box."""
    base = Path(sys.base_prefix)
    libraries = [Path("/usr/lib") / str(sysconfig.get_config_var("MULTIARCH") or "none"), Path("/usr/lib64")]
    libraries += [Path(name) for name in _LIBRARIES if not Path(name).is_symlink()]
    own = base / "lib" / _VERSION if base == Path("/usr") else base / "lib"
    found = [path for path in (*libraries, base / "bin" / _VERSION, own, Path("/etc/ld.so.cache")) if path.exists()]
    return [(path, str(path)) for path in dict.fromkeys(found)]


def _installed() -> list[str]:
    """Folders of installed packages, to be hidden: the tasks and their solutions may be among them."""
    library = Path(sys.base_prefix) / "lib" / _VERSION
    return [str(path) for path in (library / "site-packages", library / "dist-packages") if path.is_dir()]


def _numpy() -> list[tuple[Path, str]]:
    """NumPy of this environment, which some programs use."""
    spec = find_spec("numpy")
    if spec is None or spec.origin is None:
        return []
    package = Path(spec.origin).parent
    return [(path, f"{BOX}/{path.name}") for path in (package, package.parent / "numpy.libs") if path.is_dir()]
