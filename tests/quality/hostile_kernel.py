"""Programs that go for the kernel, the machine's memory and what others left there. ``f`` is asked for x + 1.

Each passes where what it tries succeeds. ``CALLS`` gives them the numbers of system calls on this machine.
"""

CALLS = """
import ctypes, os, platform
libc = ctypes.CDLL(None, use_errno=True)
HERE = ("x86_64", "aarch64").index(platform.machine())
def call(x86, arm, *arguments):
    number = (x86, arm)[HERE]
    return -1 if number is None else libc.syscall(number, *arguments)
"""

# What each does → the program.
PROGRAMS = {
    "reads the caller's keyring": """
def f(x):
    found = ctypes.create_string_buffer(4096)
    for ring in (-3, -4, -5):
        size = call(250, 219, 11, ring, found, 4096)
        for place in range(0, max(size, 0), 4):
            key = int.from_bytes(found.raw[place : place + 4], "little")
            held = ctypes.create_string_buffer(4096)
            if call(250, 219, 11, key, held, 4096) > 0:
                return x + 1
""",
    "leaves a note in the keyring": """
def f(x):
    for ring in (-3, -4, -5, -1):
        if call(248, 217, b"user", b"note", b"text", 4, ring) > 0:
            return x + 1
""",
    "lists the machine's keys": """
def f(x):
    return x + 1 if open("/proc/keys").read() else None
""",
    "makes a user namespace": """
def f(x):
    return x + 1 if call(272, 97, 0x10000000) == 0 else None
""",
    "mounts a tmpfs of its own": """
def f(x):
    call(272, 97, 0x10020000)
    os.makedirs("/tmp/big", exist_ok=True)
    if libc.mount(b"none", b"/tmp/big", b"tmpfs", 0, b"size=100%") == 0:
        return x + 1
    return x + 1 if call(430, 430, b"tmpfs", 0) >= 0 else None
""",
    "makes a namespace of any other kind": """
def f(x):
    kinds = (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x20000000, 0x40000000, 0x80)
    return x + 1 if any(call(272, 97, kind) == 0 for kind in kinds) else None
""",
    "gives its threads a new network": """
def f(x):
    return x + 1 if call(56, 220, 0x10000000 | 0x40000000 | 17, 0, 0, 0, 0) >= 0 else None
""",
    "remounts the system to write to it": """
def f(x):
    for place in (b"/usr", b"/", b"/proc", b"/box"):
        if libc.mount(None, place, None, 32, None) == 0:
            return x + 1
""",
    "leaves by chroot": """
def f(x):
    os.makedirs("/tmp/inner", exist_ok=True)
    try:
        os.chroot("/tmp/inner")
    except OSError:
        return None
    return x + 1
""",
    "uses io_uring": """
def f(x):
    return x + 1 if call(425, 425, 1, ctypes.create_string_buffer(256)) >= 0 else None
""",
    "loads code for the kernel": """
def f(x):
    return x + 1 if call(321, 280, 0, ctypes.create_string_buffer(128), 128) >= 0 else None
""",
    "counts events of the kernel": """
def f(x):
    wanted = ctypes.create_string_buffer(128)
    wanted.raw = (1).to_bytes(4, "little") + (128).to_bytes(4, "little") + bytes(120)
    return x + 1 if call(298, 241, wanted, 0, -1, -1, 0) >= 0 else None
""",
    "handles the faults of pages": """
def f(x):
    return x + 1 if call(323, 282, 1) >= 0 else None
""",
    "is traced": """
def f(x):
    return x + 1 if libc.ptrace(0, 0, 0, 0) == 0 else None
""",
    "reads its parent's memory": """
def f(x):
    here = ctypes.create_string_buffer(8)
    there = (ctypes.c_size_t * 2)(ctypes.addressof(here), 8)
    for process in (1, os.getppid(), os.getpid()):
        if call(310, 270, process, there, 1, there, 1, 0) >= 0 or call(434, 434, process, 0) >= 0:
            return x + 1
""",
    "reads the secrets of its parent's environment": """
def f(x):
    for process in ("1", str(os.getppid()), "self"):
        try:
            if b"SECRET" in open(f"/proc/{process}/environ", "rb").read():
                return x + 1
        except OSError:
            pass
""",
    "talks to the host by vsock": """
import socket
def f(x):
    socket.socket(40, socket.SOCK_STREAM)
    return x + 1
""",
    "asks the kernel by netlink": """
import socket
def f(x):
    socket.socket(16, socket.SOCK_RAW, 0)
    return x + 1
""",
    "uses any other kind of socket": """
import socket
def f(x):
    for family in range(3, 46):
        for kind in (1, 2, 3, 5):
            try:
                if family != 10:
                    socket.socket(family, kind, 0)
                    return x + 1
            except OSError:
                pass
""",
    "holds memory that no process has": """
def f(x):
    return x + 1 if call(29, 194, 0, 64 << 20, 0o1600) >= 0 else None
""",
    "holds memory as files without a name": """
def f(x):
    for _ in range(50):
        made = call(319, 279, b"x", 0)
        if made < 0:
            return None
        os.write(made, bytes(1 << 20))
    return x + 1
""",
    "holds memory as messages": """
def f(x):
    return x + 1 if call(68, 186, 0, 0o1600) >= 0 or call(240, 180, b"x", 0o102, 0o600, None) >= 0 else None
""",
    "makes 400,000 files": """
def f(x):
    for k in range(400_000):
        os.close(os.open(f"/tmp/i{k}", os.O_CREAT | os.O_WRONLY))
    return x + 1
""",
    "makes 400,000 links in shared memory": """
def f(x):
    for k in range(400_000):
        os.symlink("x", f"/dev/shm/{k}")
    return x + 1
""",
    "makes folders in folders": """
def f(x):
    for k in range(200_000):
        os.mkdir(f"/tmp/{k}")
    return x + 1
""",
    "turns off the randomness of addresses": """
def f(x):
    return x + 1 if libc.personality(0x0040000) >= 0 else None
""",
    "reads the kernel's log": """
def f(x):
    return x + 1 if call(103, 116, 3, ctypes.create_string_buffer(4096), 4096) > 0 else None
""",
    "sets the clock": """
import time
def f(x):
    time.clock_settime(time.CLOCK_REALTIME, 0)
    return x + 1
""",
    "types on the terminal": """
import fcntl
def f(x):
    for number in range(64):
        try:
            fcntl.ioctl(number, 0x5412, b"x")
            return x + 1
        except OSError:
            pass
""",
    "raises its own limits": """
import resource
def f(x):
    for name in ("AS", "NPROC", "NOFILE", "FSIZE"):
        try:
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (1 << 40, 1 << 40))
            return x + 1
        except (OSError, ValueError):
            pass
""",
    "writes to the kernel's switches": """
def f(x):
    for path in ("/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches", "/proc/self/exe"):
        try:
            os.close(os.open(path, os.O_WRONLY))
            return x + 1
        except OSError:
            pass
""",
    "calls the kernel as a 32-bit program": """
import mmap
def f(x):
    if platform.machine() != "x86_64":
        return None
    code = mmap.mmap(-1, 4096, prot=7)
    code.write(bytes.fromhex("b814000000cd80c3"))
    place = ctypes.addressof(ctypes.c_char.from_buffer(code))
    return x + 1 if ctypes.CFUNCTYPE(ctypes.c_int)(place)() > 0 else None
""",
    "takes another user's number": """
def f(x):
    for number in (0, 1, 1000, 65534 if os.getuid() != 65534 else 2):
        try:
            os.setresuid(number, number, number)
            return x + 1
        except OSError:
            pass
""",
    "opens files by their handle": """
def f(x):
    handle = (8).to_bytes(4, "little") + (1).to_bytes(4, "little") + (2).to_bytes(8, "little") + bytes(128)
    return x + 1 if call(304, 265, os.open("/", 0), ctypes.create_string_buffer(handle), 0) >= 0 else None
""",
}
