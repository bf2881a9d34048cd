"""A small disk, and a disk that may only be read, for one program: mounts in a namespace of its own."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache

from tests.faults.fault import resume_command, skip
from tests.faults.run import Done, Scene

_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")
# The run's folder moves to the disk; afterwards what is there is copied back, because the disk goes with the namespace.
_SMALL = """
disk=$1; back=$2; size=$3; shift 3
mkdir "$disk" && mount -t tmpfs -o size="$size" none "$disk" && cp -r "$back" "$disk/run" || exit 99
"$@"; code=$?
rm -f "$disk/run/filler"; cp -r "$disk/run/." "$back"
exit $code
"""
# Full before the program starts; what it must not touch is compared afterwards, and what it left over is told.
_FULL = """
disk=$1; run=$2; kind=$3; shift 3
mkdir "$disk" && mount -t tmpfs -o size=4m,nr_inodes=96 none "$disk" && cp -r "$run" "$disk/run" || exit 99
mkdir "$disk/filler"
if [ "$kind" = bytes ]; then cat /dev/zero > "$disk/filler/0" 2>/dev/null
else n=0; while true > "$disk/filler/$n"; do n=$((n+1)); done 2>/dev/null; fi
find "$disk" -path "$disk/filler" -prune -o -type f -print > "$run.before"
"$@"; code=$?
find "$disk" -path "$disk/filler" -prune -o -type f -print > "$run.after"
find "$disk/run" -type d -empty -delete
diff -r -x artifacts "$run" "$disk/run" >&2 && diff "$run.before" "$run.after" >&2 || exit 98
exit $code
"""
_READ_ONLY = """
disk=$1; shift 1
mount --bind "$disk" "$disk" && mount -o remount,bind,ro "$disk" || exit 99
exec "$@"
"""


@cache
def _may_mount() -> bool:
    """Whether this machine lets a process have mounts of its own."""
    try:
        command = (*_NAMESPACE, "mount", "-t", "tmpfs", "none", tempfile.gettempdir())
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _inside(scene: Scene, script: str, *arguments: str, **told: object) -> Done:
    if not _may_mount():
        skip("no mounts in a namespace here: user namespaces are forbidden, or unshare is missing")
    done = scene.interpreter(*_NAMESPACE, "sh", "-c", script, "sh", *arguments, **told)
    assert done.code != 99, done.output
    return done


def on_small_disk(scene: Scene, size: str, command: Sequence[str] = (), **told: object) -> Done:
    """Run a command line (default: resume the run) with the scene's run on a disk of ``size``.

    What was there at the end is in the scene's folder again.
    """
    disk = scene.place / "disk"
    moved = [text.replace(str(scene.run), f"{disk}/run") for text in command or resume_command(scene)]
    done = _inside(scene, _SMALL, str(disk), str(scene.run), size, *scene.python(*moved), **told)
    return Done(done.code, done.output.replace(f"{disk}/run", str(scene.run)))


def on_full_disk(scene: Scene, kind: str, command: Sequence[str]) -> Done:
    """Run a command line on a disk that is full before: ``kind`` "bytes" or "inodes". In ``command`` DISK stands
    for it, and the scene's run lies there. Fails where a file was changed, cut short or left over."""
    disk = scene.place / "disk"
    words = [text.replace(str(scene.run), f"{disk}/run").replace("DISK", str(disk)) for text in command]
    done = _inside(scene, _FULL, str(disk), str(scene.run), kind, *words, acks="/dev/null")
    assert done.code != 98, done.output
    disk.rmdir()
    return Done(done.code, done.output.replace(f"{disk}/run", str(scene.run)).replace(str(disk), "DISK"))


def read_only(scene: Scene, command: Sequence[str]) -> Done:
    """Run a command line while the scene's folder may only be read."""
    return _inside(scene, _READ_ONLY, str(scene.run), *scene.python(*command), acks="/dev/null")
