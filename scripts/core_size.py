"""What the core's size is made of: files and lines by room, as docs/adr/0029 tells them.

python scripts/core_size.py
"""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
HANGING = {"cluster", "quality", "studies"}  # rooms that the core does without
KINDS = ("files", "lines", "blank", "docstring", "comment", "import", "signature", "statement")


def room(file: Path) -> str:
    """Where a file of the core stands; rooms of the analysis apart."""
    parts = file.parts[:-1]
    return "/".join(parts[:3] if parts[:2] == ("bench", "analysis") else parts[:2])


def kinds(text: str) -> Counter[str]:
    """How many lines of a module are of which kind."""
    tree, of = ast.parse(text), dict[int, str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            of |= dict.fromkeys(range(node.lineno, node.body[0].lineno), "signature")
        elif isinstance(node, ast.Import | ast.ImportFrom):
            of |= dict.fromkeys(range(node.lineno, (node.end_lineno or 0) + 1), "import")
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            told = node.body[0]
            of |= dict.fromkeys(range(told.lineno, (told.end_lineno or 0) + 1), "docstring")
    found = Counter({"files": 1})
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        plain = "blank" if not bare else "comment" if bare.startswith("#") else "statement"
        found.update(("lines", plain if plain == "blank" else of.get(number, plain)))
    return found


def main() -> None:
    """Print a line for each room, and one for all."""
    found: dict[str, Counter[str]] = {}
    for top in ("bench", "profiling"):
        for file in sorted((ROOT / top).rglob("*.py")):
            place = file.relative_to(ROOT)
            if place.parts[1] not in HANGING:
                found.setdefault(room(place), Counter()).update(kinds(file.read_text()))
    print(f"{'room':28}" + "".join(f"{kind:>10}" for kind in KINDS))
    for name, counts in (*sorted(found.items()), ("all", sum(found.values(), Counter()))):
        print(f"{name:28}" + "".join(f"{counts[kind]:10,}" for kind in KINDS))


if __name__ == "__main__":
    main()
