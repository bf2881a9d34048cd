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
import contextlib
import getpass
import gzip
import json
import os
import re
import socket
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from .addresses import without_addresses
from .files import replace_text
from .origin import NODE_VARIABLE
from .packed import unpacked
from .secrets import MASK, Masker, mask_argv

# Beside the records of an anonymous run: how it was made so, and what was taken out.
ANONYMOUS = "anonymous.json"
GONE = "…"
# Whose names are looked for in running text.
_WORDS = ("host", "user", "GPU")
# Who is called so is nobody in particular (accounts of images, our own too, folders that many have); shorter names
# stand in too many other words.
_NOBODY = frozenset(
    ("root", "nobody", "user", "localhost", "daemon", "unknown", "none", "admin", "guest", "ubuntu", "debian", "fedora",
     "centos", "runner", "vagrant", "docker", "jovyan", "conda",
     "bitledger", "builder", "jenkins", "ec2-user", "azureuser", "vscode", "opc", "app", "apps", "data",
     "model", "models", "project", "projects", "public", "python", "runs", "scratch", "share", "shared", "src", "test",
     "tmp", "users", "work", "workspace",
     # Words of kernels, schemes and presets.
     "bench", "benchmark", "bf16", "bitsandbytes", "build", "code", "cpu", "cuda", "default", "dev", "fp16", "fp32",
     "fp4", "full", "gemm", "gpu", "hub", "huggingface", "int4", "int8", "kernel", "linux", "local", "main", "nf4",
     "node", "nvidia", "pytorch", "quick", "smoke", "tests", "torch", "transformers", "triton")
)  # fmt: skip
_SHORTEST = 3
# How gzipped bytes begin in base64.
_PACKED = "H4sI"
# What a user's own text follows on a command line, and what that text is called.
PROMPT, OWN_PROMPT = "--prompt", "prompt of the user's own"
# Stands for a known folder until the rest of its path is gone too.
_ROOT = "/\0"
_PART = r"[^\s/\"'`:;,()<>|\[\]{}*?=&]+"
_PATH = re.compile(
    rf"(?:(?<=file://)(?:\w[\w.-]*)?|(?<=-[ILo])|(?:(?<=-[A-Za-z])|(?<=\.\.))(?=/(?:home|Users)/)"
    rf"|(?<![\w./~\\{GONE}-]))(?:~[\w.-]*)?/(?:{_PART}/)+(?:{_PART})?"
    r"|\b[A-Za-z]:\\(?:[^\\\s\"']+\\)+[^\\\s\"']*"
)
_SEPARATOR = re.compile(r"[/\\]")
_OF_SYSTEM = ("/proc/", "/sys/", "/dev/")
_INSTALLED = re.compile(r"/(?:(?:site|dist)-packages|(?:lib/)?python3\.\d+)/(?!site-packages|dist-packages)(.+)")
# Of a path its home folder, and whose it is.
_OWNER = re.compile(r"(?:[A-Za-z]:|[\w.-]+)?[/\\](?:home|Users)[/\\]([^/\\]+)")
_GPU = re.compile(r"\b(?:GPU|MIG)-[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b")
_NUMBERS = re.compile(r"[\d.]+")
_HOME = re.compile(rb"/(?:home|Users)/([A-Za-z0-9][A-Za-z0-9._-]+)")
# Fields of any document, by their names in small letters without "_", "-" and blanks.
_NAMES_OF = {
    **dict.fromkeys(("hostname", "host", "nodename", "node", "nodelist", "computername"), "host"),
    **dict.fromkeys(("user", "username", "login", "logname", "owner"), "user"),
    **dict.fromkeys(("uuid", "gpuuuid"), "GPU"),
}
_OTHERS = frozenset(
    ("cwd", "pwd", "home", "cmdline", "commandline", "environ", "ip", "ipaddress", "mac", "macaddress", "serial",
     "serialnumber", "cluster", "clustername", "partition")
)  # fmt: skip
# Variables that name a cluster's own things. Those of a job tell attempts apart and are numbered.
_OF_CLUSTER = frozenset(("SLURM_JOB_PARTITION", "SLURM_CLUSTER_NAME"))
JOBS = frozenset(("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID"))
# What a model wrote or was asked is the same on every machine, and looks like paths where it is a program.
_WRITTEN = frozenset(("completions", "prompts", "outcomes"))


def field(name: str) -> str:
    """How a field's name is looked up."""
    return re.sub(r"[ _-]", "", name).lower()


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
            self._known[text] = without_addresses(self.words(self._without_paths(text)), self._address)
        return self._known[text]

    def keep_apart(self, texts: Iterable[str]) -> None:
        """Names that must not become the same, such as the folders of two models, are numbered where they would; those
        that are a whole path are known wherever they stand, blanks and all."""
        made: dict[str, list[str]] = {}
        for text in sorted(set(texts)):
            whole = text.startswith(("/", "~"))
            made.setdefault(self.words(f"{GONE}/{Path(text).name}") if whole else self.text(text), []).append(text)
        for name, several in made.items():
            self._apart |= {text: name if number == 1 else f"{name}-{number}" for number, text in enumerate(several, 1)}

    def words(self, text: str) -> str:
        """Without secrets and names, but with its paths."""
        masked = self._masker.text(text)
        self._count("secret", masked != text)
        found = _GPU.sub(lambda uuid: self.name("GPU", uuid[0]), masked)
        return self._words.sub(self._renamed, found) if self._words else found

    def _address(self, _found: str) -> str:
        self._count("address")
        return MASK

    def document(self, value: Any, name: str = "") -> Any:
        """Parsed JSON, ``name`` being that of its field."""
        known = field(name)
        if isinstance(value, str):
            return self._packed(value) if value.startswith(_PACKED) else self._named(value, known)
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
        if name in _NAMES_OF and text:
            return self.name(_NAMES_OF[name], text)
        if name in _OTHERS and text:
            self._count("field of a machine")
            return MASK
        return self.words(text) if name in _WRITTEN else self.text(text)

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
                {**one, "path": self.words(one["path"]) if identity else one["path"],
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
        if value.startswith(("/", "~")):
            self._count("path")
            value = f"{GONE}/{Path(value).name}"
        return f"{option}{equals}{self.text(value)}"

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
            if whole != name and whole.startswith(("/", "~")) and whole in text:
                self._count("path")
                text = text.replace(whole, name)
        for root in self._roots:
            if root in text:
                text = re.sub(rf"(?<![\w.-]){re.escape(root)}(?![\w-])", _ROOT, text)
        return _PATH.sub(self._end, text).replace(_ROOT, GONE)

    def _end(self, found: re.Match[str]) -> str:
        path = found[0]
        if path.startswith(_OF_SYSTEM):
            return path
        self._count("path")
        if owner := _OWNER.match(path):
            whole = owner[0] == path.rstrip("/\\")
            if whole or (len(owner[1]) >= _SHORTEST and owner[1].lower() not in _NOBODY):
                made = self.name("user", owner[1])
                if whole:
                    return f"{GONE}/{made}"
        inside = _INSTALLED.search(path)
        return f"{GONE}/{inside[1] if inside else _SEPARATOR.split(path.rstrip('/'))[-1]}"

    def _compiled(self) -> re.Pattern[str] | None:
        names = (name for kind in _WORDS for name in self._names[kind])
        long = {name for name in names if len(name) >= _SHORTEST and name.lower() not in _NOBODY} | self._also
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
    told = {
        "made_by": "run --anonymous",
        "left_out": ["host, user, folders, secrets, serial numbers, names of clusters"],
    }
    replace_text(folder / ANONYMOUS, json.dumps(told, indent=1) + "\n")


@cache
def own() -> Anonymiser:
    """For what this process itself measures."""
    return Anonymiser(own_hosts(), own_users(), roots=own_roots())


def own_roots() -> tuple[Path, ...]:
    """The folders of the user and of this process."""
    return (Path.home(), Path.cwd())


def users_in(content: bytes) -> set[str]:
    """Whose home folders are named."""
    return {name.decode() for name in _HOME.findall(content)}


def own_hosts() -> set[str]:
    """What this machine is called."""
    name = socket.gethostname()
    return {name, name.split(".")[0]}


def own_users() -> set[str]:
    """Who runs this process, as far as it is known."""
    named = {os.environ.get(name, "") for name in ("USER", "LOGNAME", "SUDO_USER", "USERNAME")}
    with contextlib.suppress(OSError, KeyError):  # a user id that has no name
        named.add(getpass.getuser())
    home = Path("~").expanduser()
    return {name for name in (*named, home.name if len(home.parts) > 2 else "") if name}
