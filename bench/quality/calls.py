"""The system calls that a judged program is refused, and their numbers on the machines that are known here.

None is needed by a program that solves a task. They make namespaces and mounts, read the kernel's keys or another
process's memory, hold memory that no limit of a process counts, or open parts of the kernel in which holes were found.
Numbers: asm/unistd_64.h (x86_64) and asm-generic/unistd.h (aarch64) of Linux.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# name → (x86_64, aarch64); None where there is no such call.
_Table = Mapping[str, tuple[int | None, int | None]]

NAMESPACES_AND_MOUNTS: _Table = {
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "swapon": (167, 224), "swapoff": (168, 225), "mknod": (133, None), "mknodat": (259, 33),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
}  # fmt: skip
KEYS: _Table = {"add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219)}
OTHER_PROCESSES: _Table = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "move_pages": (279, 239),
    "migrate_pages": (256, 238),
}  # fmt: skip
# What these make outlives the memory of a process, so RLIMIT_AS does not count it.
UNCOUNTED_MEMORY: _Table = {
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "msgget": (68, 186), "msgsnd": (69, 189),
    "semget": (64, 190), "mq_open": (240, 180), "memfd_create": (319, 279), "memfd_secret": (447, 447),
    "vmsplice": (278, 75), "inotify_init": (253, None), "inotify_init1": (294, 26),
    # Rings of which the whole machine has 65,536 entries.
    "io_setup": (206, 0), "io_destroy": (207, 1), "io_getevents": (208, 4), "io_submit": (209, 2),
    "io_cancel": (210, 3),
}  # fmt: skip
PARTS_OF_THE_KERNEL: _Table = {
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263), "seccomp": (317, 277), "personality": (135, 92), "modify_ldt": (154, None),
    "lookup_dcookie": (212, 18), "uselib": (134, None), "sysfs": (139, None), "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
}  # fmt: skip
ADMINISTRATION: _Table = {
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "reboot": (169, 142), "syslog": (103, 116), "acct": (163, 89),
    "iopl": (172, None), "ioperm": (173, None), "settimeofday": (164, 170), "clock_settime": (227, 112),
    "clock_adjtime": (305, 266), "adjtimex": (159, 171), "sethostname": (170, 161), "setdomainname": (171, 162),
    "vhangup": (153, 58), "sync": (162, 81), "syncfs": (306, 267),
}  # fmt: skip
REFUSED: _Table = {
    **NAMESPACES_AND_MOUNTS, **KEYS, **OTHER_PROCESSES, **UNCOUNTED_MEMORY, **PARTS_OF_THE_KERNEL, **ADMINISTRATION,
}  # fmt: skip

# All calls from here on came with Linux 6.8 or later: to programs they do not exist.
NEWER = 457
CLONE3 = 435
# linux/sched.h: a new namespace of any kind, which clone makes too.
NEW_NAMESPACE = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000 | 0x80
CLONE_THREAD = 0x10000
# AF_UNIX (asyncio's own pair). Not AF_INET: the box has no network, and what is on its way over its own loopback is
# memory that no limit counts, as are the protocols that a socket loads. Not AF_NETLINK, AF_VSOCK, …
FAMILIES: tuple[int, ...] = (1,)
# asm-generic/socket.h: SO_SNDBUF and SO_RCVBUF, by which one socket holds 8 MB instead of 0.2.
BUFFERS = (7, 8)
# asm-generic/ioctls.h: TIOCSTI, TIOCLINUX and TIOCSETD type on a terminal, or load code for it.
TERMINAL = (0x5412, 0x541C, 0x5423)


@dataclass(frozen=True)
class SyscallNumbers:
    """``audit``: its name in linux/audit.h; the numbers of calls that are looked at, and of those refused."""

    audit: int
    clone: int
    socket: int
    socketpair: int
    setsockopt: int
    ioctl: int
    forks: tuple[int, ...]
    refused: tuple[int, ...]


def _refused(place: int) -> tuple[int, ...]:
    return tuple(number for numbers in REFUSED.values() if (number := numbers[place]) is not None)


MACHINES: Mapping[str, SyscallNumbers] = {
    "x86_64": SyscallNumbers(0xC000003E, 56, 41, 53, 54, 16, (57, 58), _refused(0)),
    "aarch64": SyscallNumbers(0xC00000B7, 220, 198, 199, 208, 29, (), _refused(1)),
}
