"""Programs that try to get out, to stop the run, or to pass without solving. ``f`` is asked for x + 1.

What stood here before is PLAIN; hostile_kernel.py and hostile_judge.py hold what an attack found, and its kind.
"""

from tests.quality import hostile_judge, hostile_kernel, hostile_more, hostile_third

PLAIN = {
    "writes outside": """
def f(x):
    for path in ("/usr/bitledger", "/box/inside.py", "/etc/passwd", "/bitledger", "/dev/bitledger", "MARKER"):
        try:
            open(path, "w").write("x")
            return x + 1
        except OSError:
            pass
""",
    "sees other processes": """
import os
def f(x):
    return x + 1 if sum(name.isdigit() for name in os.listdir("/proc")) > 3 else None
""",
    "is root or may become it": """
import os
def f(x):
    try:
        os.setuid(0)
    except OSError:
        pass
    return x + 1 if os.getuid() == 0 else None
""",
    "fork bomb": """
import os
def f(x):
    made = 0
    while made < 10_000:
        if os.fork() == 0:
            while True:
                pass
        made += 1
    return x + 1
""",
    "thread bomb": """
import threading, time
def f(x):
    for _ in range(1000):
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    return x + 1
""",
    "memory bomb in many processes": """
import os
def f(x):
    for _ in range(8):
        if os.fork() == 0:
            held = bytearray(b"x" * (900 << 20))
            while True:
                pass
    return x + 1
""",
    "processes by another name": """
import ctypes, os
def f(x):
    made = []
    for number in ({"x86_64": (57, 58, 0x40000000 + 57)}.get(os.uname().machine, ())):
        made.append(ctypes.CDLL(None).syscall(number))
        if made[-1] == 0:
            os._exit(0)
    return x + 1 if any(child > 0 for child in made) else None
""",
    "memory bomb": """
def f(x):
    held = [bytearray(1 << 28) for _ in range(1000)]
    return x + 1
""",
    "fills the disk": """
def f(x):
    for number in range(1000):
        with open(f"/tmp/{number}", "wb") as file:
            file.write(bytes(1 << 24))
    return x + 1
""",
    "endless loop": """
def f(x):
    while True:
        pass
""",
    "endless loop that swallows the alarm": """
def f(x):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
""",
    "endless loop while loading": "while True:\n    pass\n",
    "os._exit": """
import os
def f(x):
    os._exit(0)
""",
    "sys.exit": """
import sys
def f(x):
    sys.exit(0)
""",
    "fake __eq__": """
class Yes:
    def __eq__(self, other):
        return True
    def __hash__(self):
        return 0
def f(x):
    return Yes()
""",
    "fake __eq__ of an int": """
class Yes(int):
    def __eq__(self, other):
        return True
    __hash__ = int.__hash__
    def __add__(self, other):
        return Yes(0)
    __repr__ = __str__ = lambda self: "2"
def f(x):
    return Yes(0)
""",
    "fake __iter__": """
class Yes(list):
    def __eq__(self, other):
        return True
    def __iter__(self):
        while True:
            yield 1
def f(x):
    return Yes([0])
""",
    "looks for the answers in memory": """
import gc
def f(x):
    for held in gc.get_objects():
        if isinstance(held, dict) and ("expected" in held or "canonical_solution" in held):
            return x + 1
""",
    "looks for the answers on the disk": """
import os
def f(x):
    for folder, _, names in os.walk("/"):
        if folder.startswith("/proc"):
            continue
        if any("HumanEval" in name or name in ("hostile.py", "evaluate.py") for name in names):
            return x + 1
""",
    "kills its parents": """
import os, signal
def f(x):
    killed = 0
    for pid in (os.getppid(), 1, -1):
        try:
            os.kill(pid, signal.SIGKILL)
            killed += 1
        except OSError:
            pass
    return x + 1 if killed == 3 else None
""",
    "opens a socket": """
import socket
def f(x):
    made = socket.socket()
    made.settimeout(2)
    for address in (("127.0.0.1", PORT), ("1.1.1.1", 80)):
        try:
            made.connect(address)
            return x + 1
        except OSError:
            pass
""",
    "huge output": """
def f(x):
    return "x" * (1 << 30)
""",
    "writes past its answers": """
import os
def f(x):
    for number in range(3, 64):
        try:
            while True:
                os.write(number, b"v 1\\n" * 100_000)
        except OSError:
            pass
""",
    "forges the times and ends": """
import os
def f(x):
    for number in range(3, 64):
        try:
            os.write(number, b"t [0.1]\\n")
        except OSError:
            pass
    os._exit(0)
""",
    "forges what is no answer": """
import os
def f(x):
    for number in range(3, 64):
        try:
            os.write(number, b'v {"dict": 3}\\nv {"__import__": "os"}\\nv ' + b"[" * 100_000 + b"\\n\\xff\\xfe\\n")
        except OSError:
            pass
    os._exit(0)
""",
    "deep recursion": """
def f(x):
    return f(x)
""",
    "deep recursion in C": """
import sys
sys.setrecursionlimit(10**9)
def f(x):
    return f(x)
""",
    "an answer that is too deep": """
def f(x):
    held = []
    for _ in range(100_000):
        held = [held]
    return held
""",
    "an answer that holds itself": """
def f(x):
    held = []
    held.append(held)
    return held
""",
    "no such function": "g = 1\n",
    "not Python": "def f(x:\n",
    "a bomb for the compiler": "f = " + "(" * 500 + ")" * 500 + "\n",
}

KERNEL = {name: hostile_kernel.CALLS + program for name, program in hostile_kernel.PROGRAMS.items()}
JUDGE = {name: hostile_judge.TELL + program for name, program in hostile_judge.PROGRAMS.items()}
AGAIN = hostile_more.PROGRAMS | hostile_third.PROGRAMS
PROGRAMS = PLAIN | KERNEL | JUDGE | AGAIN
