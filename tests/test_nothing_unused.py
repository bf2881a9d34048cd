"""What nothing of the program uses is taken out: every function, class and constant has a reader beside the tests."""

import ast
import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROGRAM = ("bench", "profiling", "bitledger")
USERS = (*PROGRAM, "benchmarks", "bundling", "fuzz", "scripts", "tools", "docs")
# A base class of a library calls them.
OVERRIDES = {"process_renderables", "on_broken_pipe", "readinto", "affinity", "_repr_html_"}


def defined(source):
    """Names that a module defines: functions and classes wherever, and what it assigns at the top."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def unused(sources, others):
    """The names of ``sources`` that stand nowhere but where they are defined."""
    words = Counter(word for text in (*sources, *others) for word in re.findall(r"\w+", text))
    names = {name for source in sources for name in defined(source) if not name.startswith("__")}
    return {name for name in names if words[name] < 2}


def test_every_name_is_used():
    files = [
        file
        for top in USERS
        for ending in ("py", "html", "js", "md", "ipynb")
        for file in (ROOT / top).rglob(f"*.{ending}")
    ]
    own = [file.read_text() for file in files if file.suffix == ".py" and file.relative_to(ROOT).parts[0] in PROGRAM]
    others = [file.read_text() for file in files if file.name != "CHANGELOG.md" and file.suffix != ".py"]
    others += [
        file.read_text() for file in files if file.suffix == ".py" and file.relative_to(ROOT).parts[0] not in PROGRAM
    ]
    assert unused(own, others) == OVERRIDES


def test_an_unused_name_is_seen():
    assert unused(["A = 1\ndef f(): return A\nclass B: pass"], ["f()"]) == {"B"}
