"""Programs of a second attack: on what the box leaves of the machine, and on the judge's frame and what it reads.

``f`` is asked for x + 1. ``CALLS`` and ``TELL`` as for the programs of hostile_kernel.py and hostile_judge.py.
"""

from tests.quality.hostile_judge import TELL
from tests.quality.hostile_kernel import CALLS

_KERNEL = {
    "holds memory as data on its way to itself": """
import socket
def f(x):
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    return x + 1
""",
    "holds memory in larger buffers of sockets": """
import socket
def f(x):
    here, there = socket.socketpair()
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        here.setsockopt(socket.SOL_SOCKET, option, 1 << 30)
    return x + 1
""",
    "loads another protocol into the kernel": """
import socket
def f(x):
    for family in (2, 10):
        for kind, protocol in ((5, 132), (1, 132), (6, 33), (2, 136), (1, 262), (3, 1)):
            try:
                socket.socket(family, kind, protocol)
                return x + 1
            except OSError:
                pass
""",
    "takes the machine's rings for reading files": """
def f(x):
    made = 0
    for _ in range(8):
        made += call(206, 0, 8000, ctypes.byref(ctypes.c_ulong(0))) == 0
    return x + 1 if made else None
""",
    "makes 20,000 timers": """
def f(x):
    made = 0
    while made < 20_000 and call(222, 107, 1, None, ctypes.byref(ctypes.c_int())) == 0:
        made += 1
    return x + 1 if made == 20_000 else None
""",
    "has the machine write out its disks": """
def f(x):
    return x + 1 if call(162, 81) == 0 or call(306, 267, os.open("/usr", os.O_RDONLY)) == 0 else None
""",
    "reads the machine's name": """
import socket
def f(x):
    names = {os.uname().nodename, socket.gethostname(), open("/proc/sys/kernel/hostname").read().strip()}
    return x + 1 if names != {"box"} else None
""",
    "has the machine keep its memory when it crashes": """
import resource
def f(x):
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    return x + 1 if (soft, hard) != (1, 1) else None
""",
    "goes before all others": """
def f(x):
    for kind in (os.SCHED_FIFO, os.SCHED_RR):
        try:
            os.sched_setscheduler(0, kind, os.sched_param(1))
            return x + 1
        except OSError:
            pass
    try:
        os.nice(-1)
        return x + 1
    except OSError:
        return None
""",
    "holds memory as attributes of files": """
def f(x):
    for k in range(4000):
        os.close(os.open(f"/tmp/{k}", os.O_CREAT | os.O_WRONLY))
        for place in range(4):
            os.setxattr(f"/tmp/{k}", f"user.{place}", bytes(60_000))
    return x + 1
""",
    "makes 400,000 names of a file": """
def f(x):
    os.close(os.open("/tmp/one", os.O_CREAT | os.O_WRONLY))
    for k in range(400_000):
        os.link("/tmp/one", f"/tmp/{k}")
    return x + 1
""",
    "makes a sparse file of 10 GB": """
def f(x):
    with open("/tmp/sparse", "wb") as file:
        file.truncate(10 << 30)
    return x + 1
""",
    "is the last to be ended where memory is short": """
def f(x):
    for process in ("self", "1"):
        try:
            with open(f"/proc/{process}/oom_score_adj", "w") as file:
                file.write("-1000")
            return x + 1
        except OSError:
            pass
""",
    "writes to its parent's memory": """
def f(x):
    before = os.getuid() == 65534
    file = os.open("/proc/1/mem", os.O_RDWR)
    return None if before else x + 1
""",
    "stops its parents": """
import signal
def f(x):
    for process in (os.getppid(), 1):
        os.kill(process, signal.SIGSTOP)
    os.kill(os.getpid(), signal.SIGSTOP)
""",
    "ends all of its group": """
import signal
def f(x):
    os.killpg(0, signal.SIGKILL)
""",
    "opens the machine's disks and memory": """
import stat
def f(x):
    for path in ("/dev/mem", "/dev/kmem", "/dev/port", "/dev/sda", "/dev/vda", "/dev/nvidia0", "/dev/kvm", "/dev/fuse",
                 "/dev/userfaultfd", "/dev/vsock", "/dev/loop0", "/dev/console", "/proc/kcore"):
        try:
            os.open(path, os.O_RDONLY)
            return x + 1
        except OSError:
            pass
    for kind in (stat.S_IFBLK, stat.S_IFCHR):
        try:
            os.mknod("/tmp/disk", kind | 0o600, os.makedev(8, 0))
            return x + 1
        except OSError:
            pass
""",
    "follows its parent out of the box": """
def f(x):
    for way in ("root", "cwd", "fd/0", "exe", "ns/mnt", "ns/user"):
        for process in ("1", str(os.getppid())):
            try:
                found = os.listdir(f"/proc/{process}/{way}") if way in ("root", "cwd") else []
                if {"home", "var", "srv", "opt"} & set(found):
                    return x + 1
            except OSError:
                pass
""",
}
_JUDGE = {
    "takes all handles": """
def f(x):
    os.closerange(3, 256)
    return x + 1
""",
    "answers when it ends": """
import atexit
atexit.register(tell, b"v 9\\nt [0.1]\\n")
def f(x):
    raise SystemExit(0)
""",
    "changes what its callers hold": """
import sys
def f(x):
    frame = sys._getframe(1)
    while frame:
        for name in ("answer", "line", "seconds", "given", "job"):
            if name in frame.f_locals:
                frame.f_locals[name] = None
        frame = frame.f_back
    return x
""",
    "traces its callers": """
import sys
def trace(frame, event, held):
    if frame.f_code.co_name in ("dump", "_tagged"):
        for name in frame.f_locals:
            frame.f_locals[name] = True
    return trace
def f(x):
    sys.settrace(trace)
    frame = sys._getframe(1)
    frame.f_trace = trace
    return x
""",
    "puts other code into its callers": """
import sys
def f(x):
    held = sys._getframe(1).f_globals
    held["dump"].__code__ = (lambda value: '{"__eq__":1}').__code__
    return object()
""",
    "replaces all built-in functions": """
import builtins
for name in ("isinstance", "issubclass", "type", "len", "zip", "list", "dict", "all", "any", "abs", "bool", "float"):
    setattr(builtins, name, lambda *_, **__: True)
def f(x):
    return object()
""",
    "takes all modules away": """
import sys
sys.modules.clear()
def f(x):
    return object()
""",
    "raises what the judge raises": """
import sys
def f(x):
    raise sys._getframe(1).f_globals["TooSlow"]
""",
    "a class of errors that will not say its name": """
class Kind(type):
    @property
    def __name__(self):
        while True:
            pass
class Odd(Exception, metaclass=Kind):
    pass
def f(x):
    raise Odd
""",
    "a class that is all classes": """
class Kind(type):
    def __subclasscheck__(self, other):
        return True
    __instancecheck__ = __subclasscheck__
    def __eq__(self, other):
        return True
    __hash__ = type.__hash__
class All(metaclass=Kind):
    def __eq__(self, other):
        return True
    __class__ = int
def f(x):
    return All()
""",
    "a dict's keys without an end": """
from collections import UserDict
class Endless(UserDict):
    def keys(self):
        while True:
            yield 1
    def __getitem__(self, key):
        return 1
def f(x):
    return Endless()
""",
    "a list that is another one each time": """
from collections import UserList
class Other(UserList):
    @property
    def data(self):
        return [Other()]
    @data.setter
    def data(self, value):
        pass
def f(x):
    return Other()
""",
    "a decimal of a thousand million digits": """
from decimal import Decimal
def f(x):
    return Decimal("1e999999999")
""",
    "a ratio that says what it likes": """
from fractions import Fraction
class Any(Fraction):
    numerator = denominator = property(lambda self: 1)
    def as_integer_ratio(self):
        return True, True
def f(x):
    return Any(x)
""",
    "its own decimals": """
import decimal
class Decimal:
    def as_integer_ratio(self):
        while True:
            pass
decimal.Decimal = Decimal
def f(x):
    return Decimal()
""",
    "classes that are none of NumPy's": """
def f(x):
    tell(b'v {"kin":["float32","x"]}\\nv {"kin":["float32",[1,[2]]]}\\n', b'v {"kin":[[],1]}\\n',
         b'v {"kin":["ndarray",{"kin":["a",1]}]}\\n')
""",
    "a number of NumPy's that is a text without an end": """
def f(x):
    tell(b'v {"kin":["float32","', b"1" * 60_000, b'"]}\\n')
""",
    "a number of NumPy's with a range of values": """
def f(x):
    tell(b'v {"kin":["complex64",{"tuple":[', b"1," * 20_000, b'1]}]}\\n')
""",
    "says that it begins, again": """
def f(x):
    tell(b"begun\\nbegun\\nv 9\\nt [0.1]\\n")
""",
    "answers before it is asked": """
for number in range(3, 64):
    try:
        os.write(number, b"v 9\\nt [0.1]\\n")
    except OSError:
        pass
def f(x):
    return x
""",
    "an alarm of its own after its answer": """
def f(x):
    signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    import time
    time.sleep(0.5)
    return x + 1
""",
    "goes on in threads when it has answered": """
import threading
def spin():
    while True:
        tell(b"v 9\\nt [0.1]\\n")
def f(x):
    for _ in range(20):
        threading.Thread(target=spin, daemon=True).start()
    return x
""",
}
PROGRAMS = {name: CALLS + program for name, program in _KERNEL.items()}
PROGRAMS |= {name: TELL + program for name, program in _JUDGE.items()}
