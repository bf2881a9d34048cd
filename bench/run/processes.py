"""How a measuring process is started: from scratch, or forked from a fork server that has done the imports.

Importing torch, transformers and bitsandbytes takes about 6 s of processor time, more than a smoke Case itself. A
*fork server* imports them once and forks a fresh process for every block (docs/adr/0005). CUDA does not survive a fork,
so where there is a GPU the fork server leaves bitsandbytes out, which initialises CUDA when it is imported, and where
something else did, processes start from scratch.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

# The programs that measure, looked up when one is started: the fault suite puts its own in their place.
CHILD = (sys.executable, "-m", "bench", "_child")
FORK_SERVER = (sys.executable, "-m", "bench", "_fork_server")
# How long the fork server may take to give a process: the first time it imports everything, from a cold disk.
START_S = 300.0
# What loading and running a model imports only then is here too: without it every child on a CPU imported 316 modules
# of its own, 1.5 s of processor time each.
PRELOADED = (
    "torch",
    "transformers.models.auto",
    "bitsandbytes",
    "bench.workloads.generation",
    "bench.workloads.matmul",
    "bench.interventions.tries",
    "functorch.compile",
    "transformers.models.starcoder2.modeling_starcoder2",
    "transformers.models.phi.modeling_phi",
    "transformers.models.auto.tokenization_auto",
    "transformers.integrations.bitsandbytes",
    "numpy.ma",
    "codecarbon.input",
    "codecarbon.external.geography",
    "pandas",
)
# bitsandbytes asks CUDA about the GPU when it is imported, CodeCarbon NVML; what these import themselves does not.
_ASKING = ("bitsandbytes", "transformers.integrations.bitsandbytes", "codecarbon")
PRELOADED_GPU = tuple(name for name in PRELOADED if not name.startswith(_ASKING))
# torch then asks NVML whether there is a GPU, which survives a fork, and not the CUDA runtime, which does not.
ASK_NVML = "PYTORCH_NVML_BASED_CUDA_CHECK"
# The driver's device file that cuInit opens and NVML does not.
CUDA_DEVICE = "nvidia-uvm"
# "off": every process starts from scratch.
OFF = "BITLEDGER_FORK_SERVER"
PR_SET_PDEATHSIG = 1

Task = Mapping[str, Any]
Entry = Callable[[dict[str, Any], int], int]
Prepare = Callable[[Task], None]


class Process(Protocol):
    """What the runner needs of a process; subprocess.Popen has it."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | Any: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


Start = Callable[[Task, int, Path], Process]


def start_from_scratch(task: Task, records_fd: int, log: Path) -> Process:
    """A new interpreter that reads the task from its standard input and writes Records to ``records_fd``."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            CHILD,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(records_fd,),
            start_new_session=True,  # ctrl-C reaches the parent alone, which then ends the child in order
            env=_environment(),
        )
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError), process.stdin:
        process.stdin.write(json.dumps({**task, "records_fd": records_fd, "parent": os.getpid()}).encode())
    return process


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"}


def die_with_parent(parent: int | None = None, number: int = signal.SIGKILL) -> None:
    """Ask Linux to kill this process when its parent dies, so that no orphan keeps a GPU busy.

    ``parent``: its process id, where this process knows it: the parent may be gone before this is called. ``number``:
    of the signal.
    """
    parent = parent or os.getppid()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:
            os._exit(1)


class ForkServer:
    """Starts processes by forking one that has imported everything. Use as a context; one child at a time.

    The fork server process starts with the first ``start``. Where it cannot serve (it died, or holds threads, which a
    fork would lose), processes start from scratch instead.
    """

    def __init__(self, command: tuple[str, ...] | None = None, *, gpu: bool = False) -> None:
        self._command = command or FORK_SERVER
        self._gpu = gpu
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._useless = os.environ.get(OFF) == "off"

    def __enter__(self) -> ForkServer:
        return self

    def __exit__(self, *_: object) -> None:
        if self._socket is not None:
            self._socket.close()
        if self._process is not None and not self._useless:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(2)
        self._end()

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def start(self, task: Task, records_fd: int, log: Path) -> Process:
        """A forked process for this task, or one from scratch."""
        if not self._useless:
            try:
                return self._fork(task, records_fd, log)
            except (OSError, ValueError, EOFError):
                self._useless = True
                self._end()  # or it might still fork a second process for this task
        return start_from_scratch(task, records_fd, log)

    def _fork(self, task: Task, records_fd: int, log: Path) -> Process:
        if self._socket is None:
            self._open()
        assert self._socket is not None
        self._socket.settimeout(START_S)
        body = json.dumps(dict(task)).encode()
        with log.open("wb") as output:
            header = len(body).to_bytes(8, "little")
            socket.send_fds(self._socket, [header], [records_fd, output.fileno()])
            self._socket.sendall(body)
        answer = _receive(self._socket)
        if "pid" not in answer:
            raise ValueError(answer.get("error", "the fork server gave no process"))
        self._socket.settimeout(None)
        return _Forked(answer["pid"], self._socket)

    def _open(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                (*self._command, str(theirs.fileno()), "gpu" if self._gpu else "cpu"),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                # numpy's BLAS would start threads on import, which a fork loses; torch's threads start at first use.
                env=_environment() | {"OPENBLAS_NUM_THREADS": "1"},
            )
        self._socket = ours


class _Forked:
    """A grandchild of ours: the fork server waits for it and tells how it ended."""

    def __init__(self, pid: int, fork_server: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._fork_server = fork_server

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._fork_server], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(FORK_SERVER, timeout or 0)
            try:
                self.returncode = _receive(self._fork_server)["code"]
            except (EOFError, OSError):
                self.returncode = -signal.SIGKILL  # the fork server was killed, and its child dies with it
        return self.returncode

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def _receive(connection: socket.socket) -> dict[str, Any]:
    """One JSON line. Raises EOFError when the other side is gone."""
    line = b""
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            raise EOFError("the fork server is gone")
        line += byte
    return dict(json.loads(line))


def serve(
    descriptor: int,
    entry: Entry,
    preloaded: tuple[str, ...] = PRELOADED,
    prepare: Prepare = lambda _task: None,
) -> int:
    """The fork server's own loop: import, then fork a process for each task until the parent hangs up.

    ``prepare``: what it does before each fork, in its own process."""
    die_with_parent()
    with socket.socket(fileno=descriptor) as connection:
        if _hung_up(connection):  # the parent was gone before this process could ask to die with it
            return 0
        preload(preloaded)
        _freeze()
        while True:
            header, descriptors, _, _ = socket.recv_fds(connection, 8, 2)
            if not header:
                return 0
            task = json.loads(_exactly(connection, int.from_bytes(header, "little")))
            prepare(task)
            _freeze()
            _serve_one(connection, task, descriptors, entry)


def _freeze() -> None:
    """Else each process looks through all that was imported for circles, which copies its memory. (docs/adr/0005)"""
    gc.collect()
    gc.freeze()


def _hung_up(connection: socket.socket) -> bool:
    """Whether the other side is gone."""
    poll = select.poll()
    poll.register(connection, 0)  # a hang-up is told without asking for it
    return bool(poll.poll(0))


def preload(names: tuple[str, ...]) -> None:
    """Import ``names``, with torch asking NVML about GPUs meanwhile."""
    chosen = os.environ.get(ASK_NVML)
    os.environ[ASK_NVML] = "1"
    try:
        for name in names:
            if find_spec(name.partition(".")[0]) is not None:  # CodeCarbon need not be there
                import_module(name)
    finally:
        os.environ.pop(ASK_NVML)
        if chosen is not None:
            os.environ[ASK_NVML] = chosen


def _exactly(connection: socket.socket, count: int) -> bytes:
    body = b""
    while len(body) < count:
        part = connection.recv(min(1 << 20, count - len(body)))
        if not part:
            raise EOFError("the parent is gone")
        body += part
    return body


def _serve_one(connection: socket.socket, task: dict[str, Any], descriptors: list[int], entry: Entry) -> None:
    obstacle = _obstacle()
    task["parent"] = os.getpid()
    pid = None if obstacle else os.fork()
    if pid == 0:
        connection.close()
        os._exit(_run_forked(task, descriptors, entry))
    # Our copies of the pipe must go, or the runner never sees its end.
    for descriptor in descriptors:
        os.close(descriptor)
    if pid is None:
        connection.sendall(json.dumps({"error": obstacle}).encode() + b"\n")
        return
    connection.sendall(json.dumps({"pid": pid}).encode() + b"\n")
    _, status = os.waitpid(pid, 0)
    connection.sendall(json.dumps({"code": os.waitstatus_to_exitcode(status)}).encode() + b"\n")


def _run_forked(task: dict[str, Any], descriptors: list[int], entry: Entry) -> int:
    """In the forked process: its own session, its output to the log, and then the task."""
    records_fd, log = descriptors
    os.setsid()
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        return entry(task, records_fd)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        return 1


def _obstacle() -> str:
    """Why a fork of this process would not be like a fresh one; "" where nothing speaks against it."""
    if (threads := _threads()) != 1:
        return f"{threads} threads: a fork would lose them"
    return "CUDA is initialised, and does not survive a fork" if _cuda_is_open() else ""


def _cuda_is_open() -> bool:
    """Whether this process has initialised CUDA: then it holds the driver's device file open."""
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if CUDA_DEVICE in str(entry.readlink()):
                return True
    return False


def _threads() -> int:
    """Threads of this process (proc(5), /proc/self/task)."""
    return len(list(Path("/proc/self/task").iterdir()))
