"""Makes the figures that bench/studies/starcoder2/data carries, from the authors' files.

    python scripts/starcoder2_data.py DATA [--out FOLDER] [--judged FOLDER]

The files themselves state no licence and stay where they are; figures are carried, with their source. ``--judged``:
documents of ``python -m bench evaluate … --out FOLDER/SET-KIND.json`` for every SET of ``SETS`` and each KIND:
``sanitized`` (the authors' own file), ``raw`` (what the model wrote) and ``now`` (the raw file through ``sanitize`` of
evalplus 0.3.1, as benchmarks/install_evalplus.sh installs it). Without it, these strings stay as they are carried.
jobs.json is copied by hand from the authors' job outputs, which are not among those files.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import sys
from pathlib import Path
from typing import Any

import starcoder2_samples as texts

ROOT = Path(__file__).parents[1]
DATA = ROOT / "bench" / "studies" / "starcoder2" / "data"
SOURCE = "ana-oprescu/GreenLLMs @09aaf30"
ENERGY = ("DRAM", "GPU", "CPU", "total", "EstimatedCO2", "Runtime")
EAR = (
    "TIME_SEC", "CPI", "PCK_POWER_W", "DRAM_POWER_W", "CYCLES", "INSTRUCTIONS", "L1_MISSES", "L2_MISSES",
    "GPU0_POWER_W", "GPU0_UTIL_PERC", "AVG_CPUFREQ_KHZ", "GPU0_FREQ_KHZ",
)  # fmt: skip
SETS = ("3b_128", "3b_128_4bit", "3b_128_8bit", "Phi2_128", "3b_128_1", "3b_128_2", "3b_128_3")
KINDS = {"sanitized": "ours", "now": "sanitised_now", "raw": "raw"}
Document = dict[str, Any]


def energy(data: Path) -> Document:
    folder = data / "greenllms" / "energy"
    return {
        "about": f"CodeCarbon's figures of each run, as kept in {SOURCE}, EvalPlus/energy_data. Wh, g of CO2, s.",
        "columns": list(ENERGY),
        "runs": {file.stem.removeprefix("results_"): _rows(file) for file in sorted(folder.glob("results_*.csv"))},
        "pruning": {file.stem: _rows(file) for file in sorted((folder / "pruning").glob("*.csv"))},
    }


def _rows(file: Path) -> list[list[float]]:
    with file.open(newline="") as opened:
        return [[float(row[name]) for name in ENERGY] for row in csv.DictReader(opened)]


def ear(data: Path) -> Document:
    files = sorted((data / "greenllms" / "ear").glob("*.time.csv"))
    return {
        "about": f"Job steps as EAR, the node's energy runtime, recorded them: {SOURCE}, EvalPlus/ear. A step holds "
        "the loading of the model too; power of packages and DRAM is the node's. Steps of under 60 s are left out.",
        "columns": ["step", *EAR],
        "jobs": {file.name.removesuffix(".time.csv"): _steps(file) for file in files},
    }


def _steps(file: Path) -> list[list[float]]:
    with file.open(newline="") as opened:
        rows = list(csv.DictReader(opened, delimiter=";"))
    made = [[int(row["STEPID"]), *(_plain(row[name]) for name in EAR)] for row in rows]
    return [step for step in made if step[1] >= 60]


def _plain(text: str) -> float:
    value = float(text)
    return int(value) if value.is_integer() else value


def prompts(data: Path) -> Document:
    tokenizers = {name: data / "tokenizers" / folder / "tokenizer.json" for name, folder in texts.TOKENIZERS.items()}
    return {
        "about": "Whether the tokens of a prompt begin the tokens of prompt + the task's own solution: one digit a "
        "task, HumanEval/0 first. Styles: as-is; evalplus (strip() and a newline); stripped. Tokenizers: "
        "StarCoder2's vocabulary rebuilt from llama.cpp's ggml-vocab-starcoder.gguf, and CodeGen's for Phi-2.",
        "continues": {name: texts.continues(file) for name, file in tokenizers.items()},
    }


def samples(data: Path) -> Document:
    folder = data / "greenllms" / "samples"
    tasks = texts.tasks(data)
    sets = {}
    for name in SETS:
        tokenizer = data / "tokenizers" / texts.tokenizer_of(name) / "tokenizer.json"
        sets[name] = texts.figures(tasks, _solutions(folder / f"samples_{name}.jsonl.gz"),
                                   _solutions(folder / f"samples_{name}-sanitized.jsonl.gz"), tokenizer)  # fmt: skip
    return {
        "about": f"What the models wrote, counted: {SOURCE}, EvalPlus/samples*. One digit or number a task, "
        "HumanEval/0 first. Tokens: what follows the prompt, tokenised again. Repeated: tokens in lines of the prompt.",
        "sets": sets,
    }


def _solutions(file: Path) -> dict[str, str]:
    with gzip.open(file, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    return {row["task_id"]: row["solution"] for row in rows}


def verdicts(data: Path, judged: Path | None, carried: Document) -> Document:
    told = json.loads((data / "greenllms" / "samples" / "verdicts_of_the_sanitized.json").read_text())
    sets = {}
    for name in SETS:
        again = {key: carried["sets"][name][key] for key in KINDS.values()} if judged is None else _judged(judged, name)
        sets[name] = {"authors": texts.coded(told[f"samples_{name}"]), **again}
    return {
        "about": f"One letter a task, HumanEval/0 first: P passes HumanEval+, B HumanEval alone, F fails, - the "
        f"verdict is of another program than the one kept. authors: {SOURCE}, EvalPlus/samples*. ours, raw, "
        "sanitised_now: judged by python -m bench evaluate; see scripts/starcoder2_data.py.",
        "sanitiser_now": "evalplus 0.3.1",
        "sets": sets,
    }


def _judged(folder: Path, name: str) -> dict[str, str]:
    found = {}
    for kind, key in KINDS.items():
        document = json.loads((folder / f"{name}-{kind}.json").read_text())
        found[key] = texts.coded({j["task_id"]: [j["base"], j["plus"]] for j in document["judgements"]})
    return found


def made(data: Path, judged: Path | None = None) -> dict[str, Document]:
    """File name → what belongs in it."""
    carried = json.loads((DATA / "verdicts.json").read_text()) if judged is None else {}
    return {
        "energy": energy(data),
        "ear": ear(data),
        "prompts": prompts(data),
        "samples": samples(data),
        "verdicts": verdicts(data, judged, carried),
    }


def written(document: Document) -> str:
    """JSON with one list a line: small, and a change can be read in a diff."""
    return _text(document, 0) + "\n"


def _text(value: Any, depth: int) -> str:
    if isinstance(value, dict):
        inner = ",\n".join(" " * (depth + 1) + f"{json.dumps(k)}: {_text(v, depth + 1)}" for k, v in value.items())
        return "{\n" + inner + "\n" + " " * depth + "}"
    if isinstance(value, list) and value and isinstance(value[0], list):
        return "[\n" + ",\n".join(" " * (depth + 1) + json.dumps(row) for row in value) + "\n" + " " * depth + "]"
    return json.dumps(value, ensure_ascii=False)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=DATA)
    parser.add_argument("--judged", type=Path)
    options = parser.parse_args(arguments)
    for name, document in made(options.data, options.judged).items():
        (options.out / f"{name}.json").write_text(written(document), encoding="utf-8")
        print(f"written: {options.out / name}.json")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
