"""What the box is made of: bubblewrap's options, and the files of the host that are in it."""

from __future__ import annotations

import os
import re
import sys
import sysconfig
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

BOX = "/box"
VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
# The same hashes, so the same order of sets, each time; texts in UTF-8, whatever the machine's locale is.
VARIABLES = {"PYTHONHASHSEED": "0", "PYTHONUTF8": "1", "PYTHONCOERCECLOCALE": "0", "OPENBLAS_NUM_THREADS": "1"}
SHARED_MEMORY = 65536
_INSIDE = {"HOME": "/tmp", "PATH": os.defpath, **VARIABLES}  # noqa: S108 - the box's own
_LIBRARIES = ("/lib", "/lib32", "/lib64")
# Lists of keys and of the kernel's addresses and timers that a program has no use for.
_HIDDEN = ("/proc/keys", "/proc/key-users", "/proc/kallsyms", "/proc/timer_list", "/proc/kmsg")


def ordinary(status: Path = Path("/proc/self/status")) -> list[str]:
    """What takes an ordinary user's capabilities away again: a container may hand some on for the profilers, and
    bubblewrap refuses to start with any that it does not know the reason of."""
    match = re.search(r"^CapAmb:\s*([0-9a-f]+)$", status.read_text(), re.MULTILINE)
    if is_root() or match is None or int(match[1], 16) == 0:
        return []
    return ["setpriv", "--inh-caps=-all", "--ambient-caps=-all", "--"]


def walls(scratch: int, disable_userns: bool) -> list[str]:
    """bubblewrap's options. ``scratch``: B of its tmpfs; ``disable_userns``: for an ordinary user's box, where
    bubblewrap can (0.8): no new user namespaces in it, whatever the filter of calls says."""
    shared = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    # Not the machine's name.
    shared += ["--hostname", "box"]
    if is_root():
        # Real rights, to become another real user inside: limits on processes do not hold for root under another name.
        rights = ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        rights = ["--unshare-user", "--uid", "65534", "--gid", "65534"]
        rights += ["--disable-userns"] if disable_userns else []
    binds = [*_system(), *_numpy()]
    return [
        *shared, *rights, "--die-with-parent", "--new-session", "--clearenv",
        *(word for name, value in _INSIDE.items() for word in ("--setenv", name, value)),
        "--proc", "/proc", *(word for name in _hidden() for word in ("--ro-bind", "/dev/null", name)),
        "--dev", "/dev", "--perms", "1777", "--size", str(SHARED_MEMORY), "--tmpfs", "/dev/shm",  # noqa: S108
        "--perms", "1777", "--size", str(scratch), "--tmpfs", "/tmp", "--chdir", "/tmp",  # noqa: S108
        # After these, because an interpreter may lie in there.
        *_folders(target for _, target in binds), *_links(),
        *(word for source, target in binds for word in ("--ro-bind", str(source), target)),
        *(word for path in _installed() for word in ("--size", "4096", "--tmpfs", path, "--remount-ro", path)),
        "--remount-ro", "/dev", "--remount-ro", "/",
    ]  # fmt: skip


def _hidden() -> list[str]:
    return [name for name in _HIDDEN if Path(name).exists()]


def _folders(targets: Iterable[str]) -> list[str]:
    """What leads to the targets, open to everybody: bubblewrap would make it for its own user alone."""
    above = sorted({str(path) for target in targets for path in Path(target).parents} - {"/", "/tmp"}, key=len)  # noqa: S108
    return [word for path in above for word in ("--perms", "0755", "--dir", path)]


def _links() -> list[str]:
    names = [name for name in _LIBRARIES if Path(name).is_symlink()]
    return [word for name in names for word in ("--symlink", f"usr{name}", name)]


def _system() -> list[tuple[Path, str]]:
    """The interpreter and the libraries that it is linked to, no more: host's path → path in the box."""
    base = Path(sys.base_prefix)
    libraries = [Path("/usr/lib") / str(sysconfig.get_config_var("MULTIARCH") or "none"), Path("/usr/lib64")]
    libraries += [Path(name) for name in _LIBRARIES if not Path(name).is_symlink()]
    own = base / "lib" / VERSION if base == Path("/usr") else base / "lib"
    others = (base / "bin" / VERSION, own, Path("/etc/ld.so.cache"), Path("/usr/share/zoneinfo"))
    found = [path for path in (*libraries, *others) if path.exists()]
    return [(path, str(path)) for path in dict.fromkeys(found)]


def _installed() -> list[str]:
    """Folders of installed packages, of any Python whose libraries are in the box, to be hidden: the tasks and their
    solutions may be among them."""
    library = Path(sys.base_prefix) / "lib"
    kinds = ("site-packages", "dist-packages")
    return sorted(str(path) for kind in kinds for path in library.glob(f"python*/{kind}") if path.is_dir())


def _numpy() -> list[tuple[Path, str]]:
    """NumPy of this environment, which some programs use."""
    spec = find_spec("numpy")
    if spec is None or spec.origin is None:
        return []
    package = Path(spec.origin).parent
    return [(path, f"{BOX}/{path.name}") for path in (package, package.parent / "numpy.libs") if path.is_dir()]


def is_root() -> bool:
    return os.geteuid() == 0
