"""Programs that tell whether the judge's own frame reaches them: ``f`` is asked for x + 1, and each says whether plain
Python lets it pass. One for every way that we know; each is run in plain Python too, and both must say the same."""

from __future__ import annotations

import sys

RIGHT = "def f(x):\n    return x + 1\n"
# Since Python 3.14 an annotation is evaluated only when somebody asks for it (PEP 649).
EAGER = sys.version_info < (3, 14)


def _uses(expression: str) -> str:
    return f"def f(x):\n    {expression}\n    return x + 1\n"


def _asserts(condition: str, *imports: str) -> str:
    return "".join(f"import {name}\n" for name in imports) + f"assert {condition}, {condition!r}\n" + RIGHT


_JUDGES_OWN = ("os", "sys", "time", "marshal", "resource", "_json", "_signal", "math", "annotations", "dump", "Limit",
               "TooSlow", "rules", "jobs", "answers", "answer", "given", "program", "main")  # fmt: skip

# Name → (program, whether it passes).
PROGRAMS: dict[str, tuple[str, bool]] = {
    "an annotation's name is not imported": ("def f(x: List[int]) -> int:\n    return x + 1\n", not EAGER),
    "a default's name is not imported": ("def f(x, t=List):\n    return x + 1\n", False),
    "its own future import": ("from __future__ import annotations\ndef f(x: Nothing):\n    return x + 1\n", True),
    "a future import that is not the first statement": ("x = 1\nfrom __future__ import annotations\n" + RIGHT, False),
    "annotations are values": ("def f(x: int):\n    return x + (f.__annotations__['x'] is int)\n", True),
    "an annotated variable": ("a: int = 1\ndef f(x):\n    return x + a\n", True),
    "annotations of the module": ("a: int = 1\nimport sys\ndef f(x):\n"
                                  "    return x + len(sys.modules[__name__].__annotations__)\n", True),
    **{f"the name {name}": (_uses(name), False) for name in _JUDGES_OWN},
    **{f"import {name}": (f"import {name}\n" + RIGHT, False) for name in ("inside", "bench", "tests", "values")},
    "what stands in __main__": ("import __main__\n"
                                "assert not {'dump', 'Limit', 'TooSlow', 'marshal', 'jobs'} & set(vars(__main__))\n"
                                + RIGHT, True),
    "a submodule that nobody imported": ("import concurrent\nconcurrent.futures\n" + RIGHT, False),
    "os.path": (_asserts("os.path.join('a', 'b')", "os"), True),
    "the main part is not run": (RIGHT + "if __name__ == '__main__':\n    raise SystemExit\n", True),
    "it is a module": ("import sys\ndef f(x):\n    return sys.modules[__name__].one() + x\ndef one():\n    return 1\n",
                       True),
    "a class of it is pickled": ("import pickle\nclass A:\n    one = 1\ndef f(x):\n"
                                 "    return pickle.loads(pickle.dumps(A())).one + x\n", True),
    "a dataclass whose annotations are text": ("from dataclasses import dataclass\n@dataclass\nclass A:\n    x: 'int'\n"
                                               "def f(x):\n    return A(x).x + 1\n", True),
    "its docstring": ('"""Told."""\nassert __doc__ == "Told."\n' + RIGHT, True),
    "assert holds": ("assert False\n" + RIGHT, False),
    "__debug__": (_asserts("__debug__"), True),
    "exit ends it": ("try:\n    exit(3)\nexcept SystemExit as end:\n    assert end.code == 3\n" + RIGHT, True),
    "quit at the end": (RIGHT + "quit()\n", False),
    "help is there": (_asserts("callable(help)"), True),
    "no arguments": (_asserts("len(sys.argv) == 1", "sys"), True),
    "digits of an int": ("def f(x):\n    str(10**5000)\n    return x + 1\n", False),
    "digits of an int, up to the limit": ("def f(x):\n    str(10**4299)\n    return x + 1\n", True),
    "digits of an int, asked for": ("import sys\nsys.set_int_max_str_digits(0)\n"
                                    "def f(x):\n    str(10**5000)\n    return x + 1\n", True),
    "a warning is no error": ("import warnings\nwarnings.warn('old', DeprecationWarning)\nwarnings.warn('odd')\n"
                              + RIGHT, True),
    "a warning of the compiler's": ("s = '\\d'\n" + RIGHT, True),
    "warnings as told": (_asserts("not sys.warnoptions", "sys"), True),
    "standard input is empty": (_asserts("sys.stdin.read() == ''", "sys"), True),
    "input()": ("input()\n" + RIGHT, False),
    "what it prints": ("import sys\ndef f(x):\n    print('é ✓ 😀' * 10000)\n    print('x', file=sys.stderr)\n"
                       "    sys.stdout.flush()\n    return x + 1\n", True),
    "output that it turns elsewhere": ("import contextlib, io\ndef f(x):\n    told = io.StringIO()\n"
                                       "    with contextlib.redirect_stdout(told):\n        print(x, end='')\n"
                                       "    return int(told.getvalue()) + 1\n", True),
    "a file in the folder it is in": ("import os\nopen('kept', 'w').write('é ✓')\nassert open('kept').read() == 'é ✓'\n"
                                      "os.remove('kept')\n" + RIGHT, True),
    "bytes of text": ("import sys, locale\nassert sys.getdefaultencoding() == sys.getfilesystemencoding() == 'utf-8'\n"
                      "locale.setlocale(locale.LC_ALL, '')\n" + RIGHT, True),
    "a temporary file": ("import tempfile\nwith tempfile.TemporaryDirectory() as d:\n    open(d + '/x', 'w')\n" + RIGHT,
                         True),
    "a home": (_asserts("os.path.isdir(os.path.expanduser('~')) and os.environ['HOME']", "os"), True),
    "settings of Python's": (_asserts("not [name for name in os.environ if name.startswith('PYTHON')]", "os"), True),
    "the judge's variables": (_asserts("'BITLEDGER_TEST' not in os.environ", "os"), True),
    "handlers of signals": (_asserts("signal.getsignal(signal.SIGTERM) == signal.getsignal(signal.SIGHUP) == "
                                     "signal.SIG_DFL and signal.getsignal(signal.SIGINT) is signal.default_int_handler",
                                     "signal"), True),
    "an alarm that it takes back": ("import signal\ndef f(x):\n    signal.alarm(0)\n    return x + 1\n", True),
    "an alarm of its own": ("import signal, time\ndef stop(*_):\n    raise TimeoutError\n"
                            "def f(x):\n    before = signal.signal(signal.SIGALRM, stop)\n"
                            "    signal.setitimer(signal.ITIMER_REAL, 0.05)\n    try:\n        time.sleep(20)\n"
                            "    except TimeoutError:\n        return x + 1\n"
                            "    finally:\n        signal.signal(signal.SIGALRM, before)\n", True),
    "the main thread": (_asserts("threading.current_thread() is threading.main_thread()", "threading"), True),
    "nothing traces it": (_asserts("sys.gettrace() is None and sys.getprofile() is None", "sys"), True),
    "a coding cookie": ("# -*- coding: latin-1 -*-\ns = 'é'\n" + RIGHT, True),
    "line ends of Windows": (RIGHT.replace("\n", "\r\n"), True),
    "numbers of CPUs": (_asserts("os.cpu_count()", "os"), True),
    "threads of multiprocessing": (
        "from multiprocessing.pool import ThreadPool\ndef f(x):\n"
        "    with ThreadPool(3) as pool:\n        return sum(pool.map(int, [x, 1]))\n", True),
    "many threads at a time, again and again": (
        "import threading\ndef f(x):\n    for _ in range(3):\n        all_here = threading.Barrier(200)\n"
        "        some = [threading.Thread(target=all_here.wait) for _ in range(200)]\n"
        "        for one in some:\n            one.start()\n        for one in some:\n            one.join()\n"
        "    return x + 1\n", True),
    "built-in functions that it replaces": (
        "import builtins\nfor name in ('isinstance', 'issubclass', 'type', 'len', 'zip', 'list', 'map'):\n"
        "    setattr(builtins, name, None)\n" + RIGHT, True),
    "a built-in function that it takes away": ("import builtins\ndel builtins.sum\n" + RIGHT, True),
    "a built-in function around another": (
        "import builtins\nbefore, builtins.abs = abs, lambda n: before(n) + 1\n"
        "def f(x):\n    return abs(x)\n", True),
    "functions of modules that it replaces": (
        "import time, os, marshal, gc\ntime.perf_counter = marshal.load = os._exit = gc.collect = None\n" + RIGHT,
        True),
    "100 open files": ("held = [open('/dev/null') for _ in range(100)]\n" + RIGHT, True),
    "a large module": ("import mmap\nheld = mmap.mmap(-1, 2500 << 20)\n" + RIGHT, True),
    "a place's time": ("import zoneinfo\n"
                       "try:\n    zoneinfo.ZoneInfo('Europe/Berlin')\nexcept zoneinfo.ZoneInfoNotFoundError:\n"
                       "    assert not zoneinfo.available_timezones()\n" + RIGHT, True),
    "an event loop": ("import asyncio\nasync def g(x):\n    await asyncio.sleep(0)\n    return x + 1\n"
                      "def f(x):\n    return asyncio.run(g(x))\n", True),
    "a database": ("import sqlite3\ndef f(x):\n    return sqlite3.connect(':memory:').execute('select ?+1', (x,))"
                   ".fetchone()[0]\n", True),
}  # fmt: skip
