"""The committed smoke checkpoint is what its training record says, and the training script is repeatable."""

import io
import json
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.record.errors import StorageError
from bench.workloads.prompts import AS_IS, DEFAULT, continued_shares, humaneval, prompt_of
from bench.workloads.sources import data_folder
from tools.smoke_model.__main__ import main
from tools.smoke_model.card import model_card
from tools.smoke_model.checking import SCHEMES, knows, remove_last_layer
from tools.smoke_model.making import make_checkpoint
from tools.smoke_model.progress import TrainingSteps
from tools.smoke_model.recipe import Recipe, training_tasks
from tools.smoke_model.record import sha256
from tools.smoke_model.training import example, learning_rate_factor, reproducible
from tools.smoke_model.vocabulary import solved

FOLDER = data_folder() / "smoke-model"
TASKS = humaneval()
SHORTEST = min(training_tasks(TASKS), key=lambda task: len(task.canonical_solution))
ONE_STEP = replace(Recipe(), epochs=1, batch_size=2, layers=2, threads=1)


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    return json.loads((FOLDER / "training-record.json").read_text())


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(FOLDER, local_files_only=True)


@pytest.fixture
def model() -> Iterator[Any]:
    import torch
    from transformers import AutoModelForCausalLM

    with reproducible(threads=1):
        yield AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float16, local_files_only=True).eval()


def test_the_folder_is_small_and_holds_what_the_record_says(record: dict[str, Any]) -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) <= 3_000_000
    for name, facts in record["files"].items():
        assert (FOLDER / name).stat().st_size == facts["bytes"]
        assert sha256(FOLDER / name) == facts["sha256"]


def test_the_record_is_complete_and_labelled(record: dict[str, Any]) -> None:
    tasks = record["dataset"]["model_trained_on"]
    assert record["label"] == "memorised"
    assert Recipe(**record["recipe"]) == Recipe()
    assert tasks == [task.task_id for task in training_tasks(TASKS)]
    assert len(tasks) == 39
    assert "HumanEval/32" not in tasks
    assert len(record["loss_per_epoch"]) == record["recipe"]["epochs"]
    assert record["final_loss"] == record["loss_per_epoch"][-1] < 0.1 < record["loss_per_epoch"][0]
    assert set(record["check"]["schemes"]) == set(record["layers_removed"]["exact_matches"]) == set(SCHEMES)


def test_the_model_card_shows_the_figures_of_the_record(record: dict[str, Any]) -> None:
    assert (FOLDER / "README.md").read_text() == model_card(record)


def test_every_training_task_is_known_in_every_scheme(record: dict[str, Any]) -> None:
    for found in record["check"]["schemes"].values():
        assert list(found["tasks"]) == record["dataset"]["model_trained_on"]
        assert found["exact_matches"] == sum(found["tasks"].values()) == found["of"] == 39


def test_no_path_of_a_machine_is_committed() -> None:
    places = [str(FOLDER.parents[2]), f"{Path.home()}/", f"{tempfile.gettempdir()}/", "/home/"]
    for file in FOLDER.iterdir():
        assert not any(place.encode() in file.read_bytes() for place in places), file.name


def test_it_loads_offline_without_a_complaint(record: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model, info = AutoModelForCausalLM.from_pretrained(
            FOLDER, dtype=torch.float16, local_files_only=True, output_loading_info=True
        )
    assert not any(info.values()), info
    assert not caplog.records
    assert model.dtype is torch.float16
    assert sum(parameter.numel() for parameter in model.parameters()) == record["parameters"] == 1_221_888


def test_every_linear_fits_blocks_of_64_and_four_shapes_differ(model: Any) -> None:
    import torch

    linears = {name: m for name, m in model.named_modules() if isinstance(m, torch.nn.Linear) and name != "lm_head"}
    shapes = {tuple(linear.weight.shape) for linear in linears.values()}
    assert shapes == {(128, 128), (64, 128), (512, 128), (128, 512)}
    assert all(width % 64 == 0 for shape in shapes for width in shape)


def test_the_tokenizer_round_trips_and_pads_on_the_left(tokenizer: Any) -> None:
    texts = [task.prompt for task in TASKS] + ["naïve – µ\t\r\n\x00 ✓ 試"]
    assert [tokenizer.decode(tokenizer(text)["input_ids"]) for text in texts] == texts
    batch = tokenizer(["a", "a b c d"], padding=True)
    assert batch["input_ids"][0][0] == tokenizer.pad_token_id != tokenizer.eos_token_id
    assert batch["attention_mask"][0][0] == 0
    assert len(tokenizer) == 1024


def test_a_task_is_completed_greedily_and_exactly(model: Any, tokenizer: Any) -> None:
    assert knows(model, tokenizer, SHORTEST, DEFAULT)


def test_the_prompts_are_learnt_in_the_style_that_a_run_gives_them_in(tokenizer: Any, record: dict[str, Any]) -> None:
    assert record["recipe"]["prompt_style"] == DEFAULT
    assert continued_shares(training_tasks(TASKS), tokenizer) == {"stripped": 1.0, "as-is": 0.0, "evalplus": 0.0}
    given, answer = solved(tokenizer, SHORTEST, DEFAULT)
    whole = prompt_of(SHORTEST, DEFAULT)
    assert given == tokenizer(whole.text)["input_ids"]
    assert [*given, *answer] == [*tokenizer(whole.text + whole.rest)["input_ids"], tokenizer.eos_token_id]
    with pytest.raises(ValueError, match="do not begin"):
        solved(tokenizer, SHORTEST, AS_IS)


def test_with_five_layers_removed_it_is_forgotten(model: Any, tokenizer: Any, record: dict[str, Any]) -> None:
    longest = max(training_tasks(TASKS), key=lambda task: len(task.canonical_solution))
    for _ in range(5):
        remove_last_layer(model)
    assert not knows(model, tokenizer, longest, DEFAULT)
    assert all(counts["5"] < 39 for counts in record["layers_removed"]["exact_matches"].values())


def test_a_padded_batch_gives_the_same_completions(model: Any, tokenizer: Any) -> None:
    import torch

    tasks = sorted(training_tasks(TASKS), key=lambda task: len(task.canonical_solution))[:3]
    batch = tokenizer([prompt_of(task, DEFAULT).text for task in tasks], padding=True, return_tensors="pt")
    with torch.inference_mode():
        output = model.float().generate(**batch, do_sample=False, max_new_tokens=40)
    for row, task in zip(output[:, batch["input_ids"].shape[1] :].tolist(), tasks, strict=True):
        _, expected = solved(tokenizer, task, DEFAULT)
        assert row[: len(expected)] == expected


def test_an_example_weighs_completion_and_prompt(tokenizer: Any) -> None:
    item = example(tokenizer, SHORTEST, Recipe())
    _, answer = solved(tokenizer, SHORTEST, DEFAULT)
    assert item.ids[-len(answer) :] == tuple(answer)
    assert item.ids[-1] == tokenizer.eos_token_id
    assert item.weights == (0.1,) * (len(item.ids) - len(answer)) + (1.0,) * len(answer)


def test_the_learning_rate_rises_then_falls_to_nothing() -> None:
    factors = [learning_rate_factor(step, 400, 20) for step in range(401)]
    assert factors[0] == pytest.approx(1 / 20)
    assert max(factors) == factors[19] == factors[20] == 1.0
    assert factors[20:] == sorted(factors[20:], reverse=True)
    assert factors[400] == pytest.approx(0.0)


def test_one_step_of_training_is_repeatable_and_depends_on_the_seed(tmp_path: Path) -> None:
    recipes = {"first": ONE_STEP, "again": ONE_STEP, "other": replace(ONE_STEP, seed=7)}
    for name, recipe in recipes.items():
        make_checkpoint(tmp_path / name, recipe, TASKS, TASKS[:2], schemes=())
    hashes = {name: sha256(tmp_path / name / "model.safetensors") for name in recipes}
    assert hashes["first"] == hashes["again"] != hashes["other"]
    assert {file.name for file in FOLDER.iterdir()} == {file.name for file in (tmp_path / "first").iterdir()}


def test_one_step_is_not_enough_and_the_record_says_so(tmp_path: Path, record: dict[str, Any]) -> None:
    # Not the shortest: its answer is a few tokens, which one step gets right on some CPUs.
    longest = max(training_tasks(TASKS), key=lambda task: len(task.canonical_solution))
    made = make_checkpoint(tmp_path, ONE_STEP, TASKS, (longest,), schemes=("fp16",))
    assert made["check"]["schemes"]["fp16"]["exact_matches"] == 0
    assert made["layers_removed"]["exact_matches"] == {"fp16": {"1": 0}}
    assert "| fp16 | 0 of 1 | 0 |" in (tmp_path / "README.md").read_text()
    assert made["files"]["tokenizer.json"] == record["files"]["tokenizer.json"]


def test_an_unusable_place_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write the checkpoint to"):
        make_checkpoint(tmp_path / "file", ONE_STEP, TASKS, TASKS[:2], schemes=())
    assert main(["--out", str(tmp_path / "x"), "--epochs", "0"]) == 2
    assert capsys.readouterr().err == "error: --epochs 0: give 1 or more\n"
    assert not (tmp_path / "x").exists()


def test_progress_is_plain_lines_without_a_terminal_and_a_bar_on_one() -> None:
    plain, screen = io.StringIO(), io.StringIO()
    for stream, terminal in ((plain, False), (screen, True)):
        with TrainingSteps("training", 20, Console(file=stream, force_terminal=terminal, width=100)) as steps:
            for number in range(20):
                steps.done(f"loss {number}")
    lines = plain.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[0].startswith("training: 2 of 20, loss 1, ")
    assert lines[-1] == "training: 20 of 20, loss 19, 0 s left"
    assert "20/20" in screen.getvalue()
