"""Takes out of texts, records and plans who measured and where: host, user, folders, secrets, and what a command line
held beside its options.

Nodes, GPUs and jobs are named anew and alike everywhere, in the order of their names, because analysis sets records of
one node beside each other. Of a path its end stays: the name of the file, or what lies in an installed package, by
which frames of a stack are classified. Folders of the system itself (/proc, /sys, /dev) tell nothing of a user.

What cannot be known is not found: a name that stands in no field of names, in no path and in no variable of this
process. ``also`` names it.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from . import naming
from .files import replace_text
from .naming import GONE, NAMES_OF, OF_A_MACHINE, OF_SYSTEM, PATH, WORDS, field
from .origin import NODE_VARIABLE
from .packed import unpacked
from .secrets import MASK, Masker, mask_argv

# Beside the records of an anonymous run: how it was made so, and what was taken out.
ANONYMOUS = "anonymous.json"
# Whose names are looked for in running text.
_WORDS = ("host", "user", "GPU")
_SHORTEST = 3
# How gzipped bytes begin in base64.
_PACKED = "H4sI"
# What a user's own text follows on a command line, and what that text is called.
PROMPT, OWN_PROMPT = "--prompt", "prompt of the user's own"
# Stands for a known folder until the rest of its path is gone too.
_ROOT = "/\0"
# Of a path its home folder, and whose it is.
_OWNER = re.compile(r"(?:[A-Za-z]:|[\w.-]+)?[/\\]+(?:home|Users)[/\\]+([^/\\]+)")
_GPU = re.compile(r"\b(?:GPU|MIG)-[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b")
_NUMBERS = re.compile(r"[\d.]+")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_VALUE = re.compile(r"[\w.-]+")
# How PyTorch's handlers name a trace: by host and process.
_OF_HOST = re.compile(r"(.+?)_\d+(?:\.\d+)+\.pt\.trace\.json")
# Letters of Slurm's own commands; what "id" prints of users and groups; a job's number.
_SLURM = re.compile(r"(?<=\s-[AJpqw])[ =]?[\w.,\[\]-]+")
_ID = re.compile(r"(?<=\d\()[A-Za-z_][\w.-]*(?=\))|(?<=logged in as: )[\w.-]+")
_JOB = re.compile(r"(?:(?i:(?<=\bjob ))|(?<=\bslurm-))\d{4,}")
# Variables that name a cluster's own things. Those of a job tell attempts apart and are numbered.
_OF_CLUSTER = frozenset(("SLURM_JOB_PARTITION", "SLURM_CLUSTER_NAME"))
JOBS = frozenset(("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID"))
# What a model wrote or was asked is the same on every machine, and looks like paths where it is a program.
_WRITTEN = frozenset(("completions", "prompts", "outcomes"))


class Anonymiser:
    """``hosts``, ``gpus``, ``jobs``: all names that may occur; others get the next number when they are met.
    ``roots``: folders to take out wherever they stand. ``also``: words to take out everywhere.

    ``taken``: what was taken out, and of how many fields and different texts.
    """

    def __init__(
        self,
        hosts: Iterable[str] = (),
        users: Iterable[str] = (),
        *,
        gpus: Iterable[str] = (),
        jobs: Iterable[str] = (),
        roots: Iterable[Path] = (),
        also: Iterable[str] = (),
    ) -> None:
        self.taken: Counter[str] = Counter()
        self._names = {kind: _numbered(kind, names) for kind, names in
                       (("host", hosts), ("GPU", gpus), ("job", jobs), ("user", users))}  # fmt: skip
        self._domains: set[str] = set()
        for name in sorted(self._names["host"]):
            self._add_short(name)
        self._also = frozenset(word for word in also if word)
        self._roots = tuple(sorted({str(root) for root in roots if len(root.parts) > 2}, key=len, reverse=True))
        self._masker = Masker()
        self._apart: dict[str, str] = {}
        self._known: dict[str, str] = {}
        self._words = self._compiled()

    def text(self, text: str) -> str:
        """Without secrets, paths, and names of hosts and users."""
        if text in self._apart:
            return self._apart[text]
        if text not in self._known:
            if len(self._known) > 100_000:
                self._known.clear()
            made, plain = self._cleaned(text), naming.unescaped(text)
            found = made if plain == text else self._cleaned(plain)
            self._known[text] = made if found == plain else found
        return self._known[text]

    def _cleaned(self, text: str) -> str:
        text = self._without_paths(naming.without_links(text, self._elsewhere))
        text = self._without_assigned(text)
        if "uid=" in text or "logged in as" in text:
            text = _ID.sub(lambda name: self.name("user", name[0]), text)
        if "SBATCH" in text or "sbatch" in text or "srun" in text:
            text = _SLURM.sub(f" {MASK}", text)
        if "ob " in text or "JOB " in text or "slurm-" in text:
            text = _JOB.sub(lambda number: self.name("job", number[0]), text)
        return naming.without_addresses(self.words(text), self._address)

    def _without_assigned(self, text: str) -> str:
        parts: list[str] = []
        at = 0
        while found := naming.ASSIGNED.search(text, at):
            name, between, value = found.groups()
            made = self._assigned(name, value)
            parts += (text[at : found.end(1)], "" if made is None else f"{between}{made}")
            at = found.end(1) if made is None else found.end()  # of x=host=n17 the second is a field
        return "".join((*parts, text[at:]))

    def _assigned(self, name: str, value: str) -> str | None:
        """What stands behind a field's name in running text, None where nobody is named so; a number and a word of
        everybody's name nobody."""
        known = field(name)
        kind = NAMES_OF.get(known)
        if not kind and known not in OF_A_MACHINE:
            return None
        if value.lower() in WORDS or (_NUMBER.fullmatch(value) and kind != "job" and not known.startswith("serial")):
            return value
        if kind and _VALUE.fullmatch(value):
            return self.name(kind, value)
        self._count("field of a machine")
        return MASK

    def keep_apart(self, folders: Iterable[str], public: Iterable[str] = ()) -> None:
        """The folders of models must not become the same: they are numbered where they would, and known wherever they
        stand, blanks and all. ``public``: names that anybody may look up, which stay."""
        self._apart |= {text: text for text in public}
        made: dict[str, list[str]] = {}
        for text in sorted(set(folders)):
            made.setdefault(self.words(f"{GONE}/{Path(text).name}"), []).append(text)
        for name, several in made.items():
            self._apart |= {text: name if number == 1 else f"{name}-{number}" for number, text in enumerate(several, 1)}

    def words(self, text: str) -> str:
        """Without secrets and names, but with its paths."""
        masked = self._masker.text(text)
        self._count("secret", masked != text)
        found = _GPU.sub(lambda uuid: self.name("GPU", uuid[0]), masked)
        return self._words.sub(self._renamed, found) if self._words else found

    def file_name(self, path: str) -> str:
        """A relative path without secrets, names and addresses in the names of its folders and its file."""
        *_, name = path.rpartition("/")
        if found := _OF_HOST.match(name):
            self.name("host", found[1])
        return "/".join(naming.without_addresses(self.words(part), self._address) for part in path.split("/"))

    @property
    def known(self) -> int:
        """How many names are known by now."""
        return sum(map(len, self._names.values()))

    def _elsewhere(self, _found: str) -> str:
        self._count("link or number of a machine")
        return GONE

    def _address(self, _found: str) -> str:
        self._count("address")
        return MASK

    def document(self, value: Any, name: str = "") -> Any:
        """Parsed JSON, ``name`` being that of its field."""
        known = field(name)
        if isinstance(value, str):
            return self._packed(value) if value.startswith(_PACKED) else self._named(value, name)
        if isinstance(value, Mapping):
            if known in ("env", "environ"):
                self._count("variables of a process", bool(value))
                return {}
            return {self.text(str(key)): self.document(item, str(key)) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.document(item, name) for item in value]
        return value

    def _packed(self, text: str) -> str:
        """JSON that a Record keeps packed (bench/analysis/ledger/stored.py); as it is where nothing is taken out."""
        try:
            held = json.loads(unpacked(base64.b64decode(text, validate=True)))
        except (ValueError, RecursionError):
            return MASK
        made = self.document(held)
        if made == held:
            return text
        return base64.b64encode(gzip.compress(json.dumps(made, separators=(",", ":")).encode(), mtime=0)).decode()

    def _named(self, text: str, name: str) -> str:
        known = field(name)
        if known in NAMES_OF and text:
            return self.name(NAMES_OF[known], text)
        if known in OF_A_MACHINE and text:
            self._count("field of a machine")
            return MASK
        if naming.is_secret_field(name, text):
            self._count("secret")
            return MASK
        return self.words(text) if known in _WRITTEN else self.text(text)

    def record(self, document: Mapping[str, Any], *, identity: bool = True) -> dict[str, Any]:
        """A Record's JSON document. ``identity``: the Case too, whose id then has to be made again by the caller."""
        kept = {"metrics", "run_id", "schema_version", "status", "instrument"} | (set() if identity else {"case"})
        environment = self.environment(document["environment"])  # first: it names what the texts may hold
        made = {
            name: value if name in kept else self.document(value, name)
            for name, value in document.items()
            if name not in ("environment", "argv", "artifacts")
        }
        return made | {
            "run_id": self.words(document["run_id"]) if identity else document["run_id"],
            "environment": environment,
            "argv": list(self.argv(document["argv"])),
            "artifacts": [
                {**one, "path": self.file_name(one["path"]) if identity else one["path"],
                 "description": self.text(one["description"])} for one in document["artifacts"]
            ],
        }  # fmt: skip

    def environment(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON of an Environment."""
        made: dict[str, Any] = self.document({name: document[name] for name in document if name != "variables"})
        # What a machine is made of is no name, also where its host is called like it (h100).
        if isinstance(made.get("cpu"), dict) and "model" in made["cpu"]:
            made["cpu"]["model"] = document["cpu"]["model"]
        for gpu, was in zip(made.get("gpus", ()), document.get("gpus", ()), strict=True):
            if isinstance(gpu, dict) and "name" in gpu:
                gpu["name"] = was["name"]
        made["variables"] = {}
        for name, value in document.get("variables", {}).items():
            if name in _OF_CLUSTER:
                self._count("name of a cluster")
            elif name == NODE_VARIABLE:
                made["variables"][name] = self.name("host", value)
            else:
                made["variables"][name] = self.name("job", value) if name in JOBS else self.text(value)
        return made

    def argv(self, argv: Sequence[str]) -> tuple[str, ...]:
        """A command line less a prompt of the user's own and what another program was given after "--", and of paths
        their ends."""
        end = argv.index("--") + 1 if "--" in argv else len(argv)
        masked = [
            GONE if before == PROMPT else f"{PROMPT}={GONE}" if word.startswith(f"{PROMPT}=") else self._argument(word)
            for before, word in pairwise(("", *mask_argv(argv[:end])))
        ]
        self._count("arguments of another program", end < len(argv))
        return (*masked, *((MASK,) if end < len(argv) else ()))

    def _argument(self, word: str) -> str:
        option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
        if value in self._apart:
            return f"{option}{equals}{self._apart[value]}"
        if value.startswith(("/", "~")):
            self._count("path")
            value = naming.ending(value)
        return self.text(f"{option}{equals}{value}")

    def name(self, kind: str, name: str) -> str:
        """Of a host, GPU, job or user another one, the same each time."""
        known = self._names[kind]
        if name in known.values():
            return name  # it is one already
        self._count(f"name of a {kind}")
        if name not in known:
            known[name] = f"{kind}-{1 + _most(kind, known.values())}"
            if kind == "host":
                self._add_short(name)
            self._words = self._compiled()
            self._known.clear()
        return known[name]

    def _add_short(self, name: str) -> None:
        """A host is also called by its name without the domain, and others of that domain with it."""
        short, _, domain = name.partition(".")
        if domain and not _NUMBERS.fullmatch(name):
            self._names["host"].setdefault(short, self._names["host"][name])
            self._domains.add(domain.lower())

    def _without_paths(self, text: str) -> str:
        if "/" not in text and "\\" not in text:
            return text
        for whole, name in self._apart.items():
            if whole != name and whole in text:
                self._count("path")
                text = re.sub(rf"(?<![\w./~-]){re.escape(whole)}(?![\w-])", name, text)
        for root in self._roots:
            if root in text:
                text = re.sub(rf"(?<![\w.-]){re.escape(root)}(?![\w-])", _ROOT, text)
        return PATH.sub(self._end, text).replace(_ROOT, GONE)

    def _end(self, found: re.Match[str]) -> str:
        path = found[0]
        if path.startswith(OF_SYSTEM):
            return path
        self._count("path")
        if owner := _OWNER.match(path):
            whole = owner[0] == path.rstrip("/\\")
            if whole or (len(owner[1]) >= _SHORTEST and owner[1].lower() not in WORDS):
                made = self.name("user", owner[1])
                if whole:
                    return f"{GONE}/{made}"
        return naming.ending(path)

    def _compiled(self) -> re.Pattern[str] | None:
        names = (name for kind in _WORDS for name in self._names[kind])
        long = {name for name in names if len(name) >= _SHORTEST and name.lower() not in WORDS} | self._also
        words = "|".join(re.escape(word) for word in sorted(long, key=len, reverse=True))
        if not words:
            return None
        domains = "|".join(re.escape(domain) for domain in sorted(self._domains, key=len, reverse=True))
        behind = rf"(?:\.(?:{domains}))?" if domains else ""
        return re.compile(rf"(?<![A-Za-z0-9])({words}){behind}(?![A-Za-z0-9])", re.IGNORECASE)

    def _renamed(self, found: re.Match[str]) -> str:
        word = found[1].lower()
        for kind in _WORDS:
            for name, alias in self._names[kind].items():
                if name.lower() == word:
                    self._count(f"name of a {kind}")
                    return alias
        self._count("word that was given")
        return MASK

    def _count(self, what: str, really: bool = True) -> None:
        if really:
            self.taken[what] += 1


def _most(kind: str, aliases: Iterable[str]) -> int:
    """The largest number that was given."""
    return max((int(found[1]) for alias in aliases if (found := re.fullmatch(rf"{kind}-(\d+)", alias))), default=0)


def _numbered(kind: str, names: Iterable[str]) -> dict[str, str]:
    """In the order of the names, after the numbers that an earlier time gave."""
    given = set(filter(None, names))
    known = {name: int(found[1]) for name in given if (found := re.fullmatch(rf"{kind}-(\d+)", name))}
    new, first = sorted(given - set(known)), max(known.values(), default=0) + 1
    width = len(str(len(new)))
    return {name: name for name in known} | {
        name: f"{kind}-{number:0{width}d}" for number, name in enumerate(new, first)
    }


def of_folder(folder: Path) -> Anonymiser | None:
    """What is written to a run folder passes this one; None where the run is not anonymous."""
    return own() if (folder / ANONYMOUS).exists() else None


def begin(folder: Path) -> None:
    """The run in ``folder`` is anonymous from now on. Raises OSError where the folder cannot be written."""
    document = {
        "made_by": "run --anonymous",
        "left_out": ["host, user, folders, secrets, serial numbers, names of clusters"],
    }
    replace_text(folder / ANONYMOUS, json.dumps(document, indent=1) + "\n")


@cache
def own() -> Anonymiser:
    """For what this process itself measures."""
    return Anonymiser(naming.own_hosts(), naming.own_users(), roots=naming.own_roots())
