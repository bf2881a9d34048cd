"""Which model is meant: each wrong name gives one clear line, each right one a revision."""

import json
import struct

import pytest

from bench.record.errors import MachineError, UsageError
from bench.workloads.sources import SHAPES, resolve


def checkpoint(folder, *, weights=b"", config="{}"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(config)
    if weights:
        (folder / "model.safetensors").write_bytes(weights)
    return folder


def safetensors(payload=b"\0" * 8):
    header = json.dumps({"w": {"dtype": "F16", "shape": [4], "data_offsets": [0, 8]}}).encode()
    return struct.pack("<Q", len(header)) + header + payload


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_are_random_weights_with_a_revision_from_their_config(shape):
    source = resolve(f"shape:{shape}")
    assert (source.kind, source.label) == ("shape", "random weights")
    assert source.revision.startswith("config-sha256:")


def test_the_smoke_model_is_shipped_and_labelled():
    source = resolve("smoke")
    assert (source.kind, source.label) == ("smoke", "memorised")


def test_a_folder_with_safetensors_is_taken(tmp_path):
    source = resolve(str(checkpoint(tmp_path / "mine", weights=safetensors())))
    assert source.kind == "folder"
    assert source.revision.startswith("files-sha256:")


def test_the_revision_of_a_small_folder_follows_its_weights(tmp_path):
    before = resolve(str(checkpoint(tmp_path, weights=safetensors(b"\0" * 8)))).revision
    assert resolve(str(checkpoint(tmp_path, weights=safetensors(b"\1" * 8)))).revision != before


def test_large_weights_are_known_by_their_headers(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.workloads.sources.WHOLE_BYTES", 10)
    source = resolve(str(checkpoint(tmp_path, weights=safetensors())))
    assert source.revision.startswith("headers-sha256:")


def test_a_folder_in_a_hub_snapshot_has_the_commit_as_revision(tmp_path):
    folder = checkpoint(tmp_path / "snapshots" / "0123abcd", weights=safetensors())
    assert resolve(str(folder)).revision == "0123abcd"


def test_the_revision_of_a_folder_follows_its_config(tmp_path):
    folder = checkpoint(tmp_path, weights=safetensors())
    before = resolve(str(folder)).revision
    checkpoint(tmp_path, config='{"changed": 1}')
    assert resolve(str(folder)).revision != before


def test_a_folder_without_weights_says_so(tmp_path):
    with pytest.raises(UsageError, match=r"has no \*.safetensors weights$"):
        resolve(str(checkpoint(tmp_path)))


def test_pickled_weights_are_not_loaded(tmp_path):
    checkpoint(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(UsageError, match="only safetensors are loaded"):
        resolve(str(tmp_path))


def test_a_folder_without_config_says_so(tmp_path):
    with pytest.raises(UsageError, match=r"has no config\.json"):
        resolve(str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 64, safetensors()[:20]])
def test_a_damaged_weight_file_says_so(tmp_path, content):
    (tmp_path / "model.safetensors").write_bytes(content)
    checkpoint(tmp_path)
    with pytest.raises(UsageError, match="damaged"):
        resolve(str(tmp_path))


@pytest.mark.parametrize("name", ["shape:gpt-9", "nonsense", "./not/here", "a/b/c", "/no/such/folder"])
def test_a_name_that_is_no_model_says_what_is(name):
    with pytest.raises(UsageError, match=r"choose from|give 'smoke'"):
        resolve(name)


def test_without_the_hub_an_id_that_is_not_cached_is_one_clear_error(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(MachineError, match="--model smoke"):
        resolve("bigcode/starcoder2-3b-not-cached")
