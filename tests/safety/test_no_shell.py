"""No shell strings, no code made of text, no pickles: what stands in the source, looked for in the source itself."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("bench", "profiling", "bundling", "scripts", "benchmarks", "fuzz")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))

SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "pty.spawn"}
SHELLS |= {"asyncio.create_subprocess_shell", "commands.getoutput"}
CODE = {"eval", "exec", "builtins.eval", "builtins.exec"}
PICKLES = {
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.load", "marshal.loads", "shelve.open", "dill.load"),
    *(
        "yaml.load",
        "yaml.unsafe_load",
        "yaml.full_load",
        "joblib.load",
        "torch.load",
        "torch.jit.load",
        "torch.hub.load",
    ),
    *("numpy.load", "np.load", "pandas.read_pickle", "runpy.run_path"),
}
# Each with its reason. A new one needs a new line here.
ALLOWED = {
    ("bench/quality/inside.py", "exec"): "runs the programs that are to be judged; only ever in the sandbox",
    ("bench/quality/inside.py", "marshal.load"): "the jobs that the judge outside has sent, in the sandbox",
    ("bench/quality/limited.py", "marshal.loads"): "the judge's own questions, in the process that compares answers",
    ("bundling/host.py", "runpy.run_path"): "version.py of the installed torch, which importing torch runs too",
}


def name_of(node):
    """Dotted name of what is called; "" where it is no name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = name_of(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return ""


def calls(path):
    """(dotted name with imports resolved, call) of every call in a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            known |= {alias.asname: alias.name for alias in node.names if alias.asname}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            first, dot, rest = name_of(node.func).partition(".")
            yield f"{known.get(first, first)}{dot}{rest}", node


def is_a_shell(name, call):
    """A shell reads the command: by a function that has one, by shell=…, or by starting "sh -c" with a made text."""
    if name in SHELLS or any(k.arg == "shell" and not is_false(k.value) for k in call.keywords):
        return True
    if not name.startswith("subprocess.") or not call.args:
        return False
    command = call.args[0]
    if isinstance(command, ast.JoinedStr) or (isinstance(command, ast.Constant) and " " in str(command.value)):
        return True
    words = [getattr(item, "value", None) for item in getattr(command, "elts", ())]
    return words[:1] in (["sh"], ["bash"], ["/bin/sh"]) and "-c" in words


def is_false(node):
    return isinstance(node, ast.Constant) and node.value is False


def found(path):
    for name, call in calls(path):
        if is_a_shell(name, call) or name in CODE | PICKLES:
            yield path.relative_to(ROOT).as_posix(), name, call.lineno


@pytest.fixture(scope="module")
def everywhere():
    """What is found in any file."""
    return [item for path in FILES for item in found(path)]


def test_nothing_in_the_source_is_read_by_a_shell_or_run_as_code(everywhere):
    assert len(FILES) > 200
    assert [item for item in everywhere if item[:2] not in ALLOWED] == []


def test_what_is_allowed_is_still_there(everywhere):
    """An exception that nobody needs any more must go."""
    assert {item[:2] for item in everywhere} == set(ALLOWED)


@pytest.mark.parametrize(
    "source",
    (
        "import subprocess; subprocess.run('ls | wc', shell=True)",
        "import subprocess as s; s.run(x, shell=flag)",
        "from subprocess import run; run(f'ls {x}')",
        "from subprocess import check_output; check_output(['sh', '-c', x])",
        "from os import system; system('ls')",
        "import os; os.popen(x)",
        "eval(x)",
        "import pickle; pickle.load(f)",
        "from torch import load; load(f)",
        "import numpy as np; np.load(f, allow_pickle=True)",
        "import yaml; yaml.load(f)",
    ),
)
def test_the_search_finds_what_it_is_for(source, tmp_path):
    path = tmp_path / "x.py"
    path.write_text(source)
    assert any(is_a_shell(name, call) or name in CODE | PICKLES for name, call in calls(path))


def test_the_search_lets_plain_commands_be(tmp_path):
    path = tmp_path / "x.py"
    path.write_text(
        "import subprocess\nsubprocess.run(['ls', x], shell=False)\nsubprocess.run(command)\nmodel.eval()\n"
    )
    assert not any(is_a_shell(name, call) or name in CODE | PICKLES for name, call in calls(path))
