"""The carried figures are what scripts/starcoder2_data.py makes of the authors' files, where those are here."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.quality.against import compare, read_verdicts
from bench.quality.evaluate import evaluate, read_samples
from bench.quality.sandbox import find
from bench.quality.tasks import humaneval_plus
from bench.record.errors import MachineError

ROOT = Path(__file__).parents[2]
DATA = ROOT / "bench" / "studies" / "starcoder2" / "data"
SHARED = ROOT.parent / "shared" / "data"
needs_shared = pytest.mark.skipif(not (SHARED / "greenllms").is_dir(), reason="the authors' files are not here")
sys.path.insert(0, str(ROOT / "scripts"))

import starcoder2_data  # noqa: E402
import starcoder2_samples as texts  # noqa: E402


@needs_shared
@pytest.mark.slow
@pytest.mark.parametrize("name", ["energy", "ear", "prompts", "samples", "verdicts"])
def test_a_carried_file_is_made_of_the_authors_files(name: str, made: dict):
    assert (DATA / f"{name}.json").read_text(encoding="utf-8") == starcoder2_data.written(made[name])


@pytest.fixture(scope="module")
def made() -> dict:
    return starcoder2_data.made(SHARED)


def test_what_is_carried_holds_no_text_of_the_authors():
    """Figures, names and digits: nothing long but the strings of one letter or digit a task."""
    for file in DATA.glob("*.json"):
        for text in strings(json.loads(file.read_text(encoding="utf-8"))):
            assert "def " not in text and "\n" not in text
            assert len(text) == 164 or len(text) < 420


def strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for one in value.values() for text in strings(one)]
    if isinstance(value, list):
        return [text for one in value for text in strings(one)]
    return [value] if isinstance(value, str) else []


def test_every_carried_file_names_its_source():
    for file in DATA.glob("*.json"):
        document = json.loads(file.read_text(encoding="utf-8"))
        assert "GreenLLMs" in document["about"] or file.stem in ("published", "prompts")


class Letters:
    """A tokenizer to which every letter is a token."""

    def encode(self, text: str, add_special_tokens: bool) -> SimpleNamespace:
        return SimpleNamespace(ids=list(text), offsets=[(place, place + 1) for place in range(len(text))])


def test_lines_of_the_prompt_are_counted_by_their_tokens():
    written = "def f():\nnew\n    doc\n"  # 9 letters with the newline that ends them, 4 new ones, 8
    assert texts._tokens(Letters(), "def f():\n    doc\n", written) == (21, 17)
    assert texts._tokens(Letters(), "def f():\n    doc\n", "    return 1") == (12, 0)


@needs_shared
@pytest.mark.slow
@pytest.mark.parametrize("name", starcoder2_data.SETS)
def test_judged_again_no_verdict_of_the_authors_differs(name: str):
    try:
        sandbox = find()
    except MachineError as error:
        pytest.skip(str(error))
    folder = SHARED / "greenllms" / "samples"
    tasks = humaneval_plus()
    samples = read_samples(folder / f"samples_{name}-sanitized.jsonl.gz", tasks)
    told = read_verdicts(folder / "verdicts_of_the_sanitized.json", f"samples_{name}-sanitized.jsonl.gz")
    found = compare(evaluate(tasks, samples, sandbox, 2), samples, told)
    assert found.differ == found.unknown == ()
    assert len(found.other_program) == (2 if name == "3b_128_4bit" else 0)
