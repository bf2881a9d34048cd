"""A real Slurm on loopback: munged, slurmctld, and several slurmd, each a node by its name, all on this host."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.run.processes import die_with_parent

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol")
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def missing() -> str:
    """Why there can be no cluster here, or ""."""
    absent = [name for name in PROGRAMS if shutil.which(name, path=_PATH) is None]
    if absent:
        return f"no {', '.join(absent)}: on Debian, apt-get install slurm-wlm munge"
    return "" if os.geteuid() == 0 else "slurmd starts jobs as their user, which only root may"


class NoClusterError(Exception):
    """The daemons do not come up on this host, such as in a container without the rights that they need."""


class Cluster:
    """Use ``cluster``. ``environment`` is what its clients need."""

    def __init__(self, folder: Path, nodes: tuple[str, ...]) -> None:
        self.folder = folder
        self.nodes = nodes
        self.environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": _PATH}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        for name in ("state", "spool", "run", "log"):
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        (self.folder / "slurm.conf").write_text(self._configuration())
        run, log = self.folder / "run", self.folder / "log"
        self._begin(
            "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={run}/munge.sock",
            f"--pid-file={run}/munged.pid", f"--log-file={log}/munged.log", f"--seed-file={self.folder}/munge.seed",
        )  # fmt: skip
        wait_until(lambda: (run / "munge.sock").exists(), "munged", self.logs)
        self._begin("slurmctld", "-D", "-i")
        for name in self.nodes:
            self.start_node(name)
        wait_until(lambda: self.states() == dict.fromkeys(self.nodes, "IDLE"), "all nodes idle", self.logs)

    def start_node(self, name: str) -> None:
        self._begin("slurmd", "-D", "-N", name, key=name)

    def lose_node(self, name: str) -> None:
        """As when its power fails: slurmd and everything that it started are gone at once."""
        daemon = self._processes.pop(name)
        daemon.kill()
        daemon.wait(10)
        self.end_steps(name)

    def lose_daemon(self, name: str) -> None:
        """As when the network fails: Slurm believes the node lost, and what it started goes on."""
        daemon = self._processes.pop(name)
        daemon.kill()
        daemon.wait(10)

    def control(self, name: str, state: str) -> None:
        """Tell Slurm not to give the node new jobs ("drain"), or to do so again ("resume")."""
        done = self.run("scontrol", "update", f"nodename={name}", f"state={state}", "reason=test")
        assert done.returncode == 0, done.stderr

    def end_steps(self, name: str) -> None:
        """Kill what a node that has no slurmd any more still runs. All of it is stopped first, slurmstepd before what
        it watches: who dies in a power failure reports nobody's end."""
        doomed = sorted(_steps_of(name), key=lambda pid: not _is_slurmstepd(pid))
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in doomed:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)

    def states(self) -> dict[str, str]:
        told = self.run("sinfo", "--noheader", "--Node", "--format=%N|%T").stdout
        pairs = (line.split("|") for line in told.splitlines() if "|" in line)
        return {name: state.upper() for name, state in pairs}

    def run(self, *command: str, seconds: float = 60, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=seconds, check=False, cwd=cwd
        )

    def logs(self) -> str:
        files = sorted((self.folder / "log").glob("*.log"))
        return "\n".join(f"== {file.name}\n{file.read_text(errors='replace')[-2000:]}" for file in files)

    def stop(self) -> None:
        self.run("scancel", "--user=root", "--signal=KILL")
        names = [name for name in self._processes if name not in ("munged", "slurmctld")]
        for name in (*names, "slurmctld", "munged"):
            process = self._processes.pop(name, None)
            if process is None:
                continue
            if name in self.nodes:
                self.end_steps(name)
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)

    def _begin(self, *command: str, key: str = "") -> None:
        program = shutil.which(command[0], path=_PATH) or command[0]
        with (self.folder / "log" / f"{key or command[0]}-output.log").open("ab") as output:
            self._processes[key or command[0]] = subprocess.Popen(
                (program, *command[1:]), env=self.environment, stdout=output, stderr=output, start_new_session=True,
                preexec_fn=die_with_parent,  # so that nothing stays where the tests are killed
            )  # fmt: skip

    def _configuration(self) -> str:
        host, folder = socket.gethostname().partition(".")[0], self.folder
        ports = free_ports(1 + len(self.nodes))
        nodes = "\n".join(
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=2 State=UNKNOWN"
            for name, port in zip(self.nodes, ports[1:], strict=True)
        )
        # A node is given up after 10 s without an answer, a cancelled job after 5 s, and a job that comes back to the
        # queue waits 5 s (cred_expire, the least that Slurm takes).
        return f"""ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.sock,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/linear
MpiDefault=none
SwitchType=switch/none
MailProg=/bin/true
SlurmdTimeout=10
KillWait=5
MinJobAge=600
ReturnToService=2
SchedulerParameters=sched_interval=1,bf_interval=2,batch_sched_delay=1
{nodes}
PartitionName=main Nodes={",".join(self.nodes)} Default=YES MaxTime=60 State=UP
"""


@contextmanager
def cluster(folder: Path, nodes: tuple[str, ...]) -> Iterator[Cluster]:
    """A cluster of these nodes, ended again whatever happens. Raises NoClusterError where it does not come up."""
    made = Cluster(folder, nodes)
    try:
        try:
            made.start()
        except AssertionError as error:
            raise NoClusterError(f"Slurm does not come up here: {error}") from error
        yield made
    finally:
        made.stop()


def wait_until(
    true: Callable[[], object], what: str, told: Callable[[], str] = lambda: "", seconds: float = 60.0
) -> None:
    """Ask until it holds. Raises AssertionError with what ``told`` says."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds:.0f} s\n{told()}")
        time.sleep(0.2)


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses now."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _steps_of(node: str) -> set[int]:
    """A node's slurmstepd processes, which leave slurmd's session but hold its log open, and what they started, which
    says in its environment where it is."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            named = f"SLURMD_NODENAME={node}".encode() in (entry / "environ").read_bytes().split(b"\0")
            if named or (_is_slurmstepd(int(entry.name)) and _open_in(entry, node)):
                found.add(int(entry.name))
    return found


def _is_slurmstepd(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().startswith("slurmstepd")
    except OSError:
        return False


def _open_in(entry: Path, node: str) -> bool:
    links = []
    for link in (entry / "fd").iterdir():
        with suppress(OSError):
            links.append(str(link.readlink()))
    return any(f"/spool/{node}" in link or f"slurmd-{node}.log" in link for link in links)
