"""The part that runs inside the sandbox: one program, called with each input, its answers written down.

It knows inputs but no answers. The program shares this process and may do to it what it likes: what comes out of
standard output is judged outside as a stranger's, and what the process may touch was settled by the sandbox before
the program began. Of this file it is shown nothing: a program is to pass where it would pass in an interpreter of its
own, and only there (tests/quality/frame.py lists the ways in which the two could differ).

In, as marshalled values: the rules and the program, then one set of inputs at a time; the program is loaded anew for
each set, as EvalPlus does. Out, a line per input in order: ``v`` and the answer as JSON, tagged where JSON has no such
type (values.py reads it), ``e`` and why there is none, or ``s`` for one that took too long. A set ends with ``t`` and
the seconds of each call. After the first input without an answer all ends.

Of an answer only what it is made of is written, by the methods of the built-in types, never by ``__eq__`` or
``__iter__`` of an object that a program made (one that calls itself a NumPy scalar is asked for its item).

A sandbox starts for every program, so this imports next to nothing that is written in Python: ``json``, ``signal``,
``typing`` and ``fractions`` would take longer than the interpreter's own start.
"""

from __future__ import annotations

import _json
import _signal  # type: ignore[import-not-found]
import _sitebuiltins
import builtins
import gc
import marshal
import os
import resource
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any, BinaryIO

    Writer = Callable[[Any, int], Any]

# A program may replace these in their modules.
_read, _now, _exit, _collect = marshal.load, time.perf_counter, os._exit, gc.collect
MOST_DEPTH = 200
# What the program's module is called: not "__main__", because a program's main part reads input and prints.
NAME = "program"
_LARGE = 1 << 128


class TooSlow(BaseException):
    """The time of one call is over."""


class NotAnAnswerError(Exception):
    """A value that is no answer of a task: an object, a function, something too deep."""


def main(jobs: BinaryIO) -> None:
    """Read the rules, give up all rights that they say, answer set after set."""
    rules = marshal.load(jobs)  # noqa: S302 - the evaluation's own words; nothing goes the other way like this
    answers = os.fdopen(os.dup(1), "wb", 1 << 16)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    give_up(rules)
    _as_python_starts()
    _signal.signal(_signal.SIGALRM, _on_alarm)
    hide(rules["path"])
    answers.write(b"begun\n")
    answers.flush()
    try:
        while run(rules, jobs, answers):
            answers.flush()
    finally:
        answers.flush()
        _exit(0)


def _as_python_starts() -> None:
    """What whoever started the judge ignores (nohup: SIGHUP; a background job: SIGINT) is inherited: not by programs.

    Python itself ignores SIGPIPE and SIGXFSZ, and makes SIGINT an exception unless it is ignored at its start."""
    for number in _signal.valid_signals() - {_signal.SIGINT, _signal.SIGPIPE, _signal.SIGXFSZ}:
        if _signal.getsignal(number) is _signal.SIG_IGN:
            _signal.signal(number, _signal.SIG_DFL)
    _signal.signal(_signal.SIGINT, _signal.default_int_handler)


def give_up(rules: dict[str, Any]) -> None:
    """The rights of another user, and hard limits on memory, processes and file sizes."""
    if rules["user"] is not None:
        os.setgroups([])
        os.setresgid(rules["user"], rules["user"], rules["user"])
        os.setresuid(rules["user"], rules["user"], rules["user"])
    for name, most in rules["limits"].items():
        kind = getattr(resource, name)
        # What the machine's own hard limit is cannot be exceeded.
        _, hard = resource.getrlimit(kind)
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (least, least))


def hide(path: list[str]) -> None:
    """Make this interpreter look like one that has just started, with ``path`` to look for modules in too."""
    sys.path += path
    for name in [name for name in os.environ if name.startswith("PYTHON")]:
        del os.environ[name]
    # What the module site does, which is not imported because it would look for packages.
    builtins.exit = builtins.quit = _sitebuiltins.Quitter("exit", "Ctrl-D (i.e. EOF)")
    builtins.help = _sitebuiltins._Helper()
    sys.modules["__main__"] = type(sys)("__main__")
    # The program's function is called by call, run, main and the command line; a script would call it at once.
    sys.setrecursionlimit(sys.getrecursionlimit() + 3)


def run(rules: dict[str, Any], jobs: BinaryIO, answers: BinaryIO) -> bool:
    """Call the program with each input of the next set; whether all were answered."""
    try:
        call(rules, _read(jobs), answers)
    except TooSlow:
        answers.write(b"s\n")
    except BaseException as error:
        answers.write(f"e {type(error).__name__}\n".encode("ascii", "replace"))
    else:
        return True
    return False


def call(rules: dict[str, Any], job: dict[str, Any], answers: BinaryIO) -> None:
    """Write the answers. Raises what the program raises, TooSlow, or what dump does."""
    with Limit(job["load_seconds"]):
        program = load(rules["code"])
    function, asked = vars(program)[rules["entry_point"]], rules["asked"]
    seconds = []
    for given, most in zip(job["inputs"], job["seconds"]):  # noqa: B905 - as many, by construction
        begun = _now()
        with Limit(most):
            answer = function(*given)
            if asked == "items" and type(answer) not in _EXACT:
                # EvalPlus makes a set of it, also of a generator.
                answer = [*answer]
        if asked == "whether" and type(answer) is not bool:
            # Where EvalPlus asks only whether there is an answer: a match object cannot cross.
            answer = answer is not None
        line = dump(answer)
        seconds.append(_now() - begun)
        answers.write(f"v {line}\n".encode("ascii"))
    answers.write(f"t {dump(seconds)}\n".encode("ascii"))


def load(code: str) -> ModuleType:
    """The program as a module of its own. Raises what the program raises."""
    if sys.modules.pop(NAME, None):
        _collect()  # the files and memory of the one that was loaded for the set before
    program = sys.modules[NAME] = type(sys)(NAME)
    # This file has its own, so that a program may replace some.
    vars(program)["__builtins__"] = vars(builtins)
    # Without dont_inherit the program would have this file's future import, and no annotation be evaluated.
    exec(compile(code, "<program>", "exec", dont_inherit=True), vars(program))  # noqa: S102 - what the sandbox is for
    return program


class Limit:
    """Raises TooSlow when the seconds are over."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __enter__(self) -> None:
        _signal.setitimer(_signal.ITIMER_REAL, self.seconds)

    def __exit__(self, *_error: object) -> None:
        _signal.setitimer(_signal.ITIMER_REAL, 0)


def _on_alarm(_number: int, _frame: object) -> None:
    raise TooSlow


def dump(value: object) -> str:
    """A value as one line of JSON, with the name of its class where that is none of the built-in ones.

    Raises NotAnAnswerError.
    """
    kind = type(value)
    try:
        tagged = _tagged(value, MOST_DEPTH)
        is_known = kind in _EXACT or (type(tagged) is dict and "ratio" in tagged)
        written = _encode(tagged if is_known else {"kin": [f"{kind.__name__}", tagged]}, 0)
    except (ValueError, RecursionError) as error:
        raise NotAnAnswerError(type(error).__name__) from None
    # A tuple of parts before Python 3.14, where the encoder may also be one text.
    return written if isinstance(written, str) else "".join(written)


# What json.dumps uses: no circles are looked for (the depth was), no default, ASCII, no spaces, NaN allowed.
_encode: Any = _json.make_encoder(
    None, None, _json.encode_basestring_ascii, None, ":", ",", False, False, True,  # type: ignore[arg-type]
)  # fmt: skip


def _tagged(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value if kind is not int or -_LARGE < value < _LARGE else _large(value)
    if depth == 0:
        raise NotAnAnswerError("too deep")
    for base, write in _WRITERS:
        if issubclass(kind, base):
            return write(value, depth - 1)
    for module, name, written in _MODULES:
        # Without its module there is no value of it, and importing it takes time.
        if module in sys.modules and issubclass(kind, base := getattr(sys.modules[module], name)):
            return written(base, value, depth - 1)
    if kind.__module__ == "numpy" and kind.__name__ in _LONG:
        return _ratio(kind, value)
    if kind.__module__ == "numpy" and (kind.__name__ in _NUMPY or _is_single(kind, value)):
        return _tagged(kind.item(value), depth - 1)
    raise NotAnAnswerError(kind.__name__)


def _is_single(kind: Any, value: Any) -> bool:
    """Whether it is an array of one item, which equals what that equals."""
    return bool(kind.__name__ in ("ndarray", "matrix") and value.size == 1)


def _items(base: Any, tag: str) -> Writer:
    def write(value: Any, depth: int) -> Any:
        return {tag: [_tagged(item, depth) for item in base.__iter__(value)]}

    return write


def _list(value: Any, depth: int) -> Any:
    items = [*list.__iter__(value)]
    if _PLAIN.issuperset(map(type, items)):
        # Most answers that are long are lists of numbers; a call per item would take as long as making them.
        whole = [item for item in items if type(item) is int]
        if not whole or (min(whole) > -_LARGE and max(whole) < _LARGE):
            return items
    return [_tagged(item, depth) for item in items]


def _dict(value: Any, depth: int) -> Any:
    return {"dict": [[_tagged(key, depth), _tagged(item, depth)] for key, item in dict.items(value)]}


def _large(value: int) -> Any:
    """In base 16, which takes time in proportion to the digits; base 10 takes their square."""
    return {"int": hex(value)}


def _ratio(base: Any, value: Any, _depth: int = 0) -> Any:
    try:
        top, bottom = base.as_integer_ratio(value)
    except (ValueError, OverflowError):
        raise NotAnAnswerError(f"{base.__name__} without a value") from None
    if type(top) is not int or type(bottom) is not int:
        raise NotAnAnswerError(f"{base.__name__} of objects")
    return {"ratio": [hex(top), hex(bottom)]}


def _data(_base: Any, value: Any, depth: int) -> Any:
    return _tagged(value.data, depth)


def _map(_base: Any, value: Any, depth: int) -> Any:
    return _tagged({**value}, depth)


_PLAIN = frozenset((bool, int, float, str, type(None)))
_EXACT = _PLAIN | {list, tuple, dict, set, frozenset, complex, bytes}
# What else equals a built-in value: module, class, how it is written.
_MODULES: tuple[tuple[str, str, Callable[[Any, Any, int], Any]], ...] = (
    ("decimal", "Decimal", _ratio),
    ("fractions", "Fraction", _ratio),
    ("collections", "UserList", _data),
    ("collections", "UserString", _data),
    ("collections", "UserDict", _map),
    ("collections", "ChainMap", _map),
    ("types", "MappingProxyType", _map),
)
_LONG = ("longdouble", "float128")
# Scalars of NumPy, by the names that their types have in versions 1 and 2.
_NUMPY = frozenset((
    "bool", "bool_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "intc", "uintc",
    "longlong", "ulonglong", "float16", "float32", "float64", "complex64", "complex128", "str_", "bytes_",
))  # fmt: skip
# Subclasses are written by what they hold: a Counter is a dict to whoever compares it.
_WRITERS: tuple[tuple[type, Writer], ...] = (
    (list, _list),
    (tuple, _items(tuple, "tuple")),
    (dict, _dict),
    (frozenset, _items(frozenset, "set")),
    (set, _items(set, "set")),
    (str, lambda value, _depth: str.__str__(value)),
    (int, lambda value, depth: _tagged(int.__add__(value, 0), depth)),
    (float, lambda value, _depth: float.__add__(value, 0.0)),
    (complex, lambda value, _depth: {"complex": [complex.__complex__(value).real, complex.__complex__(value).imag]}),
    (bytes, lambda value, _depth: {"bytes": bytes.hex(value)}),
    (type({}.keys()), lambda value, depth: {"set": [_tagged(item, depth) for item in value]}),
    (type({}.items()), lambda value, depth: {"set": [_tagged(item, depth) for item in value]}),
)
