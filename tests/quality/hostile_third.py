"""Programs of a third attack: on how a process is made and ended, on Python's own hooks, and answers that lie.

``f`` is asked for x + 1, as in hostile.py.
"""

PROGRAMS = {
    "becomes another interpreter": """
import os, sys
def f(x):
    for path in ('/proc/self/exe', sys.executable):
        try:
            os.execv(path, [path, '-S', '-c', 'import os\\nos.write(1, b"v 2\\\\nt [0.1]\\\\n")'])
        except OSError:
            pass
""",
    "becomes a file without a name": """
import os
def f(x):
    handle = os.memfd_create('x')
    with open('/proc/self/exe', 'rb') as own, open(handle, 'wb', closefd=False) as new:
        new.write(own.read(1 << 24))
    os.execve(handle, ['python', '-c', 'print(1)'], {})
""",
    "faults are written among its answers": """
import faulthandler, os
def f(x):
    faulthandler.enable(file=1)
    faulthandler.dump_traceback_later(0.01, repeat=True, file=1)
    while True: pass
""",
    "is told of every call by an audit hook": """
import sys, os
def hook(event, args):
    if event in ('marshal.dumps', 'object.__getattr__', 'os.write', 'open', 'signal.setitimer'):
        raise SystemExit(0)
sys.addaudithook(hook)
def f(x):
    return None
""",
    "profiles all threads": """
import sys, threading, os
def seen(frame, event, arg):
    for name in ('answer', 'value', 'found', 'told', 'result'):
        if name in frame.f_locals:
            frame.f_locals[name] = 2
sys.setprofile(seen); threading.setprofile(seen)
def f(x):
    return None
""",
    "answers through another name of its output": """
import os
def f(x):
    with open('/proc/self/fd/1', 'wb', buffering=0) as out:
        out.write(b'v 2\\n')
    return None
""",
    "takes its parent's handles": """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    for pid in range(1, 10):
        handle = libc.syscall(434, pid, 0)
        if handle >= 0 and pid != os.getpid():
            for n in range(10):
                if libc.syscall(438, handle, n, 0) >= 0:
                    return x + 1
""",
    "holds memory in pipes": """
import os, fcntl
def f(x):
    held = 0
    for _ in range(120):
        r, w = os.pipe()
        try: fcntl.fcntl(w, 1031, 1 << 20)
        except OSError: pass
        os.set_blocking(w, False)
        try:
            while True: held += os.write(w, b'x' * 65536)
        except OSError: pass
    return x + 1 if held > 100 << 20 else None
""",
    "locks memory": """
import ctypes, mmap
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    m = mmap.mmap(-1, 512 << 20)
    place = ctypes.addressof(ctypes.c_char.from_buffer(m))
    return x + 1 if libc.mlock(ctypes.c_void_p(place), ctypes.c_size_t(512 << 20)) == 0 else None
""",
    "watches files by the thousand": """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    made = sum(libc.inotify_init() >= 0 for _ in range(200))
    return x + 1 if made > 190 else None
""",
    "an endless count": """
import itertools
def f(x):
    return itertools.count()
""",
    "a list that says it is 10^18 long": """
class L(list):
    def __len__(self): return 10**18
    def __iter__(self):
        while True: yield 2
def f(x):
    return L([2])
""",
    "an array of objects that are all things": """
import numpy as np
class E:
    def __eq__(self, o): return True
    __hash__ = object.__hash__
    def __getattr__(self, n): return lambda *a: 2
def f(x):
    return np.array([E()], dtype=object)
""",
    "an array of another type of numbers": """
import numpy as np
class A(np.ndarray):
    def tolist(self): return 2
    def item(self): return 2
    def __eq__(self, o): return True
def f(x):
    return np.array(9).view(A)
""",
    "an error that has itself as cause": """
def f(x):
    e = ValueError(); g = ValueError(); e.__cause__ = g; g.__cause__ = e; e.__context__ = g
    raise e
""",
    "a group of a million errors": """
def f(x):
    raise BaseExceptionGroup('x', [KeyboardInterrupt()] * 10**6)
""",
    "a finaliser that answers": """
import os
class D:
    def __del__(self): os.write(1, b'v 2\\nt [0.001]\\n')
def f(x):
    return D()
""",
    "a deep chain to be freed": """
def f(x):
    a = None
    for _ in range(10**7): a = (a,)
    return 0
""",
    "changes the small numbers": """
import ctypes
def f(x):
    ctypes.memmove(id(0) + 24, id(x + 1) + 24, 4)
    return 7
""",
    "a codec that writes": """
import codecs, os
codecs.register_error('strict', lambda e: ('2', e.end))
codecs.register_error('surrogatepass', lambda e: ('2', e.end))
def f(x):
    return '\\ud800'
""",
    "replaces the encoder of JSON": """
import json, json.encoder, marshal
json.dumps = json.JSONEncoder.encode = marshal.dumps = lambda *a, **k: '2'
json.encoder.c_make_encoder = json.encoder.encode_basestring_ascii = lambda *a: '2'
def f(x):
    return 'no'
""",
    "an import hook": """
import sys
class H:
    def find_spec(self, *a): raise SystemExit(0)
sys.meta_path.insert(0, H()); sys.path_hooks.clear(); sys.modules.pop('json', None)
def f(x):
    return None
""",
    "a child by clone3": """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    args = (ctypes.c_uint64 * 11)(); args[4] = 17
    pid = libc.syscall(435, args, 88)
    return x + 1 if pid > 0 else None
""",
    "sends itself the files of another": """
import socket, array, os
def f(x):
    held = []
    sent = 0
    for _ in range(60):
        a, b = socket.socketpair()
        held.append((a, b))
        try:
            for _ in range(8):
                a.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0] * 250))]); sent += 250
        except OSError: pass
    return x + 1 if sent > 100000 else None
""",
}
