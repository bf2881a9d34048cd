"""A checkpoint is data: no pickle is loaded and none of its code runs, whatever its own files ask for."""

import ast
import json
import shutil
from pathlib import Path

import pytest

from bench.models import checkpoint_files
from bench.record.errors import UsageError
from bench.workloads.configuration import config_of
from bench.workloads.sources import Source, data_folder, resolve

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(data_folder() / "smoke-model", folder)
    return folder


def change(file, **settings):
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))


@pytest.mark.parametrize("name", ("pytorch_model.bin", "model.pt", "consolidated.00.pth", "model.gguf"))
def test_a_folder_with_only_other_weights_is_refused_in_one_line(checkpoint, name):
    (checkpoint / "model.safetensors").rename(checkpoint / name)
    words = rf"no \*\.safetensors weights \(only safetensors are loaded, .* may hold code: convert {name}\)"
    with pytest.raises(UsageError, match=words):
        resolve(str(checkpoint))


def test_an_index_may_not_name_a_pickle_or_a_file_elsewhere(checkpoint):
    for part in ("pytorch_model.bin", "../model.safetensors", "/tmp/model.safetensors"):
        (checkpoint / checkpoint_files.INDEX).write_text(json.dumps({"weight_map": {"w": part}}))
        with pytest.raises(UsageError, match="only safetensors files beside it"):
            resolve(str(checkpoint))


@pytest.mark.parametrize(
    "settings",
    (
        {"attn_implementation": "someone/kernel"},
        {"_attn_implementation": "kernels-community/flash-attn"},
        {"experts_implementation": {"": "someone/kernel"}},
    ),
)
def test_a_config_may_not_name_kernels_of_the_hub(checkpoint, settings):
    change(checkpoint / "config.json", **settings)
    with pytest.raises(UsageError, match="code of the hub, which is never run"):
        resolve(str(checkpoint))


def test_a_config_may_not_name_other_weights(checkpoint):
    change(checkpoint / "config.json", transformers_weights="adapter_model.bin")
    with pytest.raises(UsageError, match="only safetensors are loaded"):
        resolve(str(checkpoint))


def test_an_adapter_beside_a_model_is_refused_because_it_would_load_another_model(checkpoint):
    (checkpoint / checkpoint_files.ADAPTER).write_text('{"base_model_name_or_path": "someone/else"}')
    with pytest.raises(UsageError, match="move its files to a folder of their own, and give that as --adapter"):
        resolve(str(checkpoint))


@pytest.mark.parametrize("text", ("[]", "{", "[" * 100_000))
def test_a_damaged_config_is_one_clear_line(checkpoint, text):
    (checkpoint / "config.json").write_text(text)
    with pytest.raises(UsageError, match="fetch it again"):
        resolve(str(checkpoint))


def test_code_that_a_checkpoint_brings_is_never_run(checkpoint, tmp_path):
    ran = tmp_path / "ran"
    (checkpoint / "own.py").write_text(f"open({str(ran)!r}, 'w').close()\n")
    auto_map = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
    change(checkpoint / "config.json", model_type="unheard-of", auto_map=auto_map)
    with pytest.raises(UsageError, match=r"brings code of its own \(auto_map in config.json\), which is never run"):
        config_of(resolve(str(checkpoint)))
    change(checkpoint / "config.json", model_type="starcoder2")
    config = config_of(resolve(str(checkpoint)))
    assert type(config).__module__.startswith("transformers.")
    assert not ran.exists()


def test_a_source_that_was_planned_elsewhere_is_checked_again_when_it_is_loaded(checkpoint):
    change(checkpoint / "config.json", attn_implementation="someone/kernel")
    with pytest.raises(UsageError, match="never run"):
        config_of(Source("x", "folder", str(checkpoint), "0", "as published"))


LOADERS = {"from_pretrained", "from_config"}


def test_every_call_that_loads_says_that_no_remote_code_runs():
    """Also where the default says so: transformers asks at the terminal where nothing is said."""
    checked = 0
    for file in sorted((ROOT / "bench").rglob("*.py")):
        for call in (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)):
            if not (isinstance(call.func, ast.Attribute) and call.func.attr in LOADERS):
                continue
            if ast.unparse(call.func) == "PeftModel.from_pretrained":  # it has no such option: it loads no model
                continue
            checked += 1
            said = {keyword.arg for keyword in call.keywords} | {
                "trust_remote_code"
                for keyword in call.keywords
                if keyword.arg is None and "hub_options" in ast.unparse(keyword.value)
            }
            assert "trust_remote_code" in said, f"{file.name}:{call.lineno}"
            if "AutoModel" in ast.unparse(call.func) and call.func.attr == "from_pretrained":
                assert {"use_safetensors", "weights_only"} <= said
    assert checked >= 5


@pytest.mark.parametrize("name", ("./\x1b[31mmodel", "./model\udcff", "a\nb"))
def test_a_model_is_named_in_printable_text(name):
    with pytest.raises(UsageError, match="must be printable text"):
        resolve(name)
