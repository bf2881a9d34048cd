"""Programs that attack whoever reads their answers. ``f`` is asked for x + 1; ``tell`` writes past the answers.

None is stopped by its own alarm, as none asks for it.
"""

TELL = """
import os, signal
signal.signal(signal.SIGALRM, signal.SIG_IGN)
def tell(*parts):
    for number in range(3, 64):
        try:
            for part in parts:
                view = memoryview(part)
                while view:
                    view = view[os.write(number, view) :]
        except OSError:
            pass
    os._exit(0)
"""

PROGRAMS = {
    "a ratio of 16 million digits": """
def f(x):
    tell(b'v {"ratio":["0x1', os.urandom(8_000_000).hex().encode(), b'","0x3', os.urandom(8_000_000).hex().encode(),
         b'"]}\\n')
""",
    "a ratio as long as an answer may be": """
def f(x):
    tell(b'v {"ratio":["0x1', os.urandom(14_000).hex().encode(), b'","0x3', os.urandom(14_000).hex().encode(),
         b'"]}\\n')
""",
    "60,000 numbers that hash alike": """
def f(x):
    tell(b'v {"set":[', b",".join(b"%d" % (k * (2**61 - 1)) for k in range(1, 60_000)), b"]}\\n")
""",
    "as many numbers that hash alike as an answer may hold": """
def f(x):
    tell(b'v {"set":[', b",".join(b"%d" % (k * (2**61 - 1)) for k in range(1, 2_800)), b"]}\\n")
""",
    "keys that hash alike": """
def f(x):
    tell(b'v {"dict":[', b",".join(b"[%d,0]" % (k * (2**61 - 1)) for k in range(1, 2_500)), b"]}\\n")
""",
    "150 million lines": """
def f(x):
    tell(*[b"v 1\\n" * 250_000] * 600)
""",
    "500 MB of empty lists": """
def f(x):
    tell(b"v [", *[b"[]," * 333_333] * 500, b"[]]\\n")
""",
    "a line without an end": """
def f(x):
    tell(b"v ", *[b"1" * 1_000_000] * 600)
""",
    "an answer before the time is over, and another for ever": """
def f(x):
    tell(b"v 2\\n", *[b"v 3\\n" * 250_000] * 600)
""",
    "times that take the judge's memory": """
def f(x):
    tell(b"t [", *[b"[]," * 333_333] * 300, b"[]]\\n")
""",
    "an error with a name of 100 MB": """
def f(x):
    raise type("A" * 100_000_000, (Exception,), {})
""",
    "an error with a name that controls a terminal": """
def f(x):
    raise type("\\x1b]0;owned\\x07\\x1b[2J", (Exception,), {})
""",
    "a number of 50 million digits": """
def f(x):
    return 1 << 200_000_000
""",
    "brackets to the depth of a stack": """
def f(x):
    tell(b"v ", b"[" * 60_000, b"\\n")
""",
    "tuples in tuples to be hashed": """
def f(x):
    tell(b'v {"set":[', b'{"tuple":[' * 180, b"1", b"]}" * 180, b"]}\\n")
""",
    "tags that are none": """
def f(x):
    tell(b'v {"int":[1]}\\nv {"ratio":"0x1"}\\nv {"complex":[1,2,3]}\\nv {"bytes":"zz"}\\nv {"set":{"set":[[]]}}\\n')
""",
    "an object with a key twice": """
def f(x):
    tell(b'v {"int":"0x1","int":"0x2","set":[1]}\\n')
""",
    "numbers that are none": """
def f(x):
    tell(b'v NaN\\nv Infinity\\nv -Infinity\\nv 1e999999999\\nv 0x2\\nv 2_0\\n')
""",
    "bytes that are no text": """
def f(x):
    tell(b"v ", bytes(range(128, 256)) * 400, b"\\n\\x00\\x00\\n")
""",
    "half characters": """
def f(x):
    tell(b'v "', b"\\\\ud800" * 10_000, b'"\\n')
""",
    "a scalar of NumPy's that is none": """
class int16:
    def item(self):
        return self
int16.__module__ = "numpy"
def f(x):
    return int16()
""",
    "an array whose shape takes for ever": """
class ndarray:
    @property
    def shape(self):
        while True:
            pass
ndarray.__module__ = "numpy"
def f(x):
    return ndarray()
""",
    "writes from a thread while it answers": """
import os, threading
def write():
    while True:
        for number in range(3, 64):
            try:
                os.write(number, b"\\nv [\\n")
            except OSError:
                pass
threading.Thread(target=write, daemon=True).start()
def f(x):
    import time
    time.sleep(0.2)
    return x
""",
    "stops itself": """
import os, signal
def f(x):
    os.kill(os.getpid(), signal.SIGSTOP)
""",
    "drops a byte now and then": """
import os, signal, time
signal.signal(signal.SIGALRM, signal.SIG_IGN)
def f(x):
    while True:
        for number in range(3, 64):
            try:
                os.write(number, b" ")
            except OSError:
                pass
        time.sleep(0.01)
""",
    "asks for the other inputs and waits": """
import os, signal
signal.signal(signal.SIGALRM, signal.SIG_IGN)
def f(x):
    for number in range(3, 64):
        try:
            os.read(number, 1 << 20)
        except OSError:
            pass
""",
    "looks for the answers in its callers": """
import sys
def f(x):
    frame = sys._getframe(1)
    while frame:
        for held in (*frame.f_locals.values(), *frame.f_globals.values()):
            if isinstance(held, dict) and {"expected", "right", "canonical_solution"} & set(map(str, held)):
                return x + 1
        frame = frame.f_back
""",
    "changes how answers are written": """
import sys
def f(x):
    frame = sys._getframe(1)
    for name in ("dump", "_tagged", "_encode"):
        if name in frame.f_globals:
            frame.f_globals[name] = lambda *_: '{"__eq__": true}'
    return object()
""",
    "replaces the timer": """
import signal
def f(x):
    signal.setitimer(signal.ITIMER_REAL, 0)
    while True:
        pass
""",
    "a program of half characters": "\ud800 = 1\ndef f(x):\n    return x + 1\n",
}
