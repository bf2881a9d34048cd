"""evalplus beside the own judge: the process that sanitises, the box of its judge, and both where evalplus is here."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

from bench.cli import main
from bench.quality import peer, sanitise
from bench.quality.samples import Judgement, Sample, fenced
from bench.quality.sandbox import Sandbox
from bench.quality.tasks import humaneval_plus, shipped
from bench.quality.verbs import evaluate
from bench.record.errors import MeasurementError

here = pytest.mark.skipif(find_spec("evalplus") is None, reason="evalplus is not installed (extra quality)")
boxed = pytest.mark.skipif(
    shutil.which("bwrap") is None
    or bool(subprocess.run(["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"], capture_output=True).returncode),
    reason="bubblewrap makes no namespaces here",
)
TASK = humaneval_plus(None, ["HumanEval/23"])[0]  # strlen
ANSWER = f"Sure! Here it is:\n```python\n{TASK.solution}\n```\nIt counts the letters."


def programs(folder: Path, *texts: str) -> Path:
    file = folder / "samples.jsonl"
    file.write_text("".join(json.dumps({"task_id": TASK.task_id, "solution": text}) + "\n" for text in texts))
    return file


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """What stands in for evalplus: it upper-cases, dies at "die", fails at "fail" and never ends at "long"."""
    package = tmp_path / "packages/evalplus"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "sanitize.py").write_text(
        "import os\n"
        "def sanitize(code, entrypoint=None):\n"
        "    if code == 'die': os._exit(3)\n"
        "    if code == 'fail': raise ValueError\n"
        "    while code == 'long': pass\n"
        "    print('a word of its own')\n"
        "    return code.upper() + entrypoint\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    monkeypatch.setattr(sanitise, "version", lambda: "evalplus 0.3.1")


def sanitised(*texts: str) -> sanitise.Sanitised:
    samples = [Sample("T/0", number, text) for number, text in enumerate(texts)]
    return sanitise.sanitise(samples, {"T/0": "f"})


def test_an_answer_at_which_the_sanitiser_dies_or_fails_stays_and_the_others_do_not(stand_in):
    found = sanitised("a", "die", "b", "die", "fail", "c")
    assert [one.program for one in found.samples] == ["Af", "die", "Bf", "die", "fail", "Cf"]
    assert found.facts() == {"by": "evalplus 0.3.1", "changed": 3, "left": 3}


def test_an_answer_that_is_given_up_loses_its_fences(stand_in, monkeypatch):
    """With them it is no Python at all, and without evalplus they would go too."""
    monkeypatch.setattr(sanitise, "_asked", lambda questions: [None] * len(questions))
    found = sanitised("```python\ndef f():\n    return 1\n```\nIt works.")
    assert ([one.program for one in found.samples], found.left) == (["def f():\n    return 1"], 1)


def test_an_answer_that_takes_too_long_stays(stand_in, monkeypatch, tmp_path):
    program = "import bench.quality.sanitise as s; s.SECONDS = 0.2; s.main()"
    monkeypatch.setattr(sanitise, "_command", lambda: [sys.executable, "-c", program])
    found = sanitised("long", "a")
    assert [one.program for one in found.samples] == ["long", "Af"]
    assert found.left == 1


def test_an_evalplus_that_cannot_be_imported_is_said(tmp_path, monkeypatch):
    (tmp_path / "evalplus").mkdir()
    (tmp_path / "evalplus/__init__.py").write_text("raise ImportError('tree_sitter')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sanitise, "version", lambda: "evalplus 0.3.1")
    with pytest.raises(Exception, match="cannot be imported"):
        sanitised("a")


@pytest.mark.parametrize("words", [("--sanitize",), ("--judge", "evalplus"), ("--dataset", "mbppplus")])
def test_without_evalplus_it_is_said_what_to_install(words, tmp_path, monkeypatch, capsys):
    def missing(_name):
        raise sanitise.metadata.PackageNotFoundError

    monkeypatch.setattr(sanitise.metadata, "version", missing)
    monkeypatch.setattr("bench.quality.verbs.evaluate.find_spec", lambda _: None)
    assert main(["evaluate", str(programs(tmp_path, TASK.solution)), *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install 'bitledger[quality]'" in line


@pytest.mark.parametrize("as_json", [False, True])
def test_what_was_judged_here_is_kept_where_the_other_judge_fails(as_json, tmp_path, monkeypatch, capsys):
    def fails(*_):
        raise MeasurementError("EvalPlus's judge failed: exit 1")

    monkeypatch.setattr(evaluate, "version", lambda: "evalplus 0.3.1")
    monkeypatch.setattr(evaluate, "find", lambda *_, **__: Sandbox(""))
    monkeypatch.setattr(evaluate, "_judged", lambda *_: (Judgement(TASK.task_id, 0, "pass", "pass"),))
    monkeypatch.setattr(evaluate, "_of_evalplus", fails)
    out, asked = tmp_path / "scores.json", ["--json"] if as_json else []
    words = ["evaluate", str(programs(tmp_path, TASK.solution)), "--tasks", TASK.task_id, "--no-cache"]
    assert main([*words, "--judge", "evalplus", "--out", str(out), *asked]) != 0
    printed, told = capsys.readouterr()
    assert "EvalPlus's judge failed" in told
    assert json.loads(out.read_text())["scores"]["plus"]["passed"] == 1
    assert (json.loads(printed)["scores"]["plus"]["passed"] == 1) if as_json else "1 of 1" in printed


def test_the_file_that_the_other_judge_needs_is_asked_for_before_anything_is_judged(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(evaluate, "version", lambda: "evalplus 0.3.1")
    monkeypatch.setattr(evaluate, "_mbpp_of_evalplus", lambda _: (TASK,))
    monkeypatch.setattr(evaluate, "_judged", lambda *_: pytest.fail("judged"))
    words = ["--dataset", "mbppplus", "--judge", "evalplus"]
    assert main(["evaluate", str(programs(tmp_path, TASK.solution)), *words]) == 2
    assert "give --data" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("--judge", "evalplus"), ("--sanitize",)])
def test_a_run_has_no_place_for_them(words, tmp_path, capsys):
    assert main(["evaluate", str(tmp_path), *words]) == 2
    assert words[0] in capsys.readouterr().err


def test_fenced_answers_are_noticed():
    plain, fence = Sample("T/0", 0, "def f(): pass\n"), Sample("T/0", 1, ANSWER)
    assert fenced([plain] * 10) is None
    assert fenced([plain] * 9 + [fence]) is None
    assert "--sanitize" in fenced([plain, fence]).remedy


@boxed
def test_nothing_of_the_user_can_be_read_or_written_from_the_box_of_the_other_judge(tmp_path, monkeypatch):
    (tmp_path / "secret").write_text("mine")
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    box = peer.command(tmp_path / "work", "humanevalplus", 1, shutil.which("bwrap"))
    places = [str(Path.home() / "there"), "/usr/there", f"{sys.prefix}/there", f"{sys.base_prefix}/there"]
    program = f"""
import os, pathlib, socket
told = [pathlib.Path({str(tmp_path / "secret")!r}).exists(), os.environ.get("HF_TOKEN")]
for where in {places!r}:
    try:
        pathlib.Path(where).write_text("x")
    except OSError:
        pass
try:
    socket.create_connection(("127.0.0.1", 22), 1)
except OSError as error:
    told.append(type(error).__name__)
pathlib.Path("told").write_text(repr(told))
"""
    subprocess.run([*box[: box.index("-m")], "-c", program], check=True)
    assert (tmp_path / "work/told").read_text() == "[False, None, 'ConnectionRefusedError']"
    assert not any(Path(place).exists() for place in places)


@here
def test_the_program_of_a_chat_models_answer_is_judged(tmp_path, capsys):
    file = programs(tmp_path, ANSWER, TASK.solution)
    words = ["evaluate", str(file), "--no-sandbox", "--tasks", TASK.task_id, "--json"]
    assert main(words) == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["plus"] for one in document["judgements"]] == ["not run", "pass"]
    assert [finding["code"] for finding in document["findings"]] == ["programs-fenced"]
    assert main([*words, "--sanitize"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["plus"] for one in document["judgements"]] == ["pass", "pass"]
    assert document["sanitized"]["left"] == 0 and not document["findings"]


@here
@boxed
def test_the_other_judge_agrees_on_the_right_program_and_differs_from_a_wrong_verdict(tmp_path):
    right, wrong = TASK.solution, TASK.prompt + "    return 0\n"
    box = shutil.which("bwrap")
    for program, passed in ((right, True), (wrong, False)):
        found = peer.verdicts([Sample(TASK.task_id, 0, program)], "humanevalplus", shipped(), 1, box)
        assert found[TASK.task_id].base is passed and found[TASK.task_id].program == program


def test_what_is_done_with_an_answer_is_out_of_its_limit(monkeypatch):
    """A limit that ends the process while it writes an answer would cut the line in two."""
    made = ModuleType("evalplus.sanitize")
    made.sanitize = lambda code, _: code
    monkeypatch.setitem(sys.modules, "evalplus", ModuleType("evalplus"))
    monkeypatch.setitem(sys.modules, "evalplus.sanitize", made)
    for answer in sanitise.answers(iter(['{"code": "x = 1", "entry": "f"}'])):
        assert answer == "x = 1"
        assert signal.getitimer(signal.ITIMER_PROF)[0] == 0
