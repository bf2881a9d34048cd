"""A run goes on, or is repeated, with the model that it began with: tokenizer, generation settings, weights."""

import json
import shutil

import pytest

from bench.presets import preset
from bench.record.chain import PLAN
from bench.record.errors import UsageError
from bench.run.plan import machine_block
from bench.run.planfile import Run, read_plan, write_plan
from bench.workloads.sources import data_folder, resolve


@pytest.fixture(params=["model", "snapshots/0123abcd"])
def planned(tmp_path, request):
    """A folder with a plan, and the checkpoint: in a folder of any name, or in a snapshot of the hub."""
    checkpoint = tmp_path / request.param
    shutil.copytree(data_folder() / "smoke-model", checkpoint)
    source = resolve(str(checkpoint))
    (tmp_path / "run").mkdir()
    block = machine_block(preset("smoke"), source, "cpu", 0)
    write_plan(tmp_path / "run", Run("mine", preset("smoke"), source, "cpu", 0, (block,)))
    return tmp_path / "run", checkpoint


def test_the_same_model_is_taken(planned):
    assert read_plan(planned[0]).run_id == "mine"


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "generation_config.json"])
def test_a_file_beside_the_weights_that_changed_is_named(planned, name):
    run, checkpoint = planned
    (checkpoint / name).write_text((checkpoint / name).read_text().replace("{", "{ ", 1))
    with pytest.raises(UsageError, match=rf"has changed since this run began \({name}\)"):
        read_plan(run)


def test_one_that_is_gone_or_new_is_named(planned):
    run, checkpoint = planned
    (checkpoint / "generation_config.json").unlink()
    (checkpoint / "chat_template.jinja").write_text("{{ messages }}")
    with pytest.raises(UsageError, match=r"\(chat_template.jinja, generation_config.json\)"):
        read_plan(run)


def test_weights_that_changed_in_their_last_byte_are_noticed_whatever_the_folder_is_called(planned):
    run, checkpoint = planned
    content = bytearray((checkpoint / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (checkpoint / "model.safetensors").write_bytes(content)
    with pytest.raises(UsageError, match="has changed since this run began"):
        read_plan(run)


def test_a_plan_of_an_older_version_names_no_files(planned):
    run, checkpoint = planned
    document = json.loads((run / PLAN).read_text())
    assert document["model"].pop("files")
    (run / PLAN).write_text(json.dumps(document))
    (checkpoint / "tokenizer.json").write_text("{}")
    assert read_plan(run).run_id == "mine"
