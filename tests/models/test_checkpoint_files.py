"""Which files of a checkpoint's folder are its weights, and what lies there instead of them."""

from __future__ import annotations

import json
import os

import pytest
import torch
from safetensors.torch import load_file, save_file

from bench.models.checkpoint_files import loaded_files
from bench.record.errors import UsageError
from bench.workloads.describe import describe
from bench.workloads.sources import resolve


def sharded(folder, count=2):
    """Its weights in shards, and the name of each one's file."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    files = [f"model-{place + 1:05d}-of-{count:05d}.safetensors" for place in range(count)]
    for place, file in enumerate(files):
        save_file({key: weights[key] for key in sorted(weights)[place::count]}, folder / file)
    return {key: files[place % count] for place, key in enumerate(sorted(weights))}


def test_what_lies_beside_the_weights_is_not_taken_for_them(copied):
    weights = load_file(copied / "model.safetensors")
    before = resolve(str(copied)).revision
    other = {"layers.0.attention.wq.weight": weights["model.layers.0.self_attn.q_proj.weight"]}
    save_file(other, copied / "consolidated.safetensors")
    assert loaded_files(copied) == (copied / "model.safetensors",)
    assert describe(resolve(str(copied)))["saved"] is None
    assert resolve(str(copied)).revision == before


def test_the_shards_that_an_index_names_are_loaded(copied):
    named = sharded(copied)
    (copied / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": named}))
    save_file({"extra": torch.zeros(2)}, copied / "model-00003-of-00003.safetensors")
    assert [file.name for file in loaded_files(copied)] == sorted(set(named.values()))
    assert describe(resolve(str(copied)))["saved"] is None


@pytest.mark.parametrize("how", ["shards without an index", "a file of another name"])
def test_weights_that_transformers_does_not_load_are_none(copied, how):
    if how == "a file of another name":
        (copied / "model.safetensors").rename(copied / "weights.safetensors")
    else:
        sharded(copied)
    with pytest.raises(UsageError, match=r"neither model.safetensors nor model.safetensors.index.json"):
        resolve(str(copied))


@pytest.mark.parametrize("change", ["none", "a value", "a name"])
def test_a_whole_file_beside_shards_is_measured_where_both_hold_the_same(copied, change):
    whole = load_file(copied / "model.safetensors")
    named = sharded(copied)
    (copied / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": named}))
    if change == "a value":
        whole["model.norm.weight"] = whole["model.norm.weight"] + 1
    if change == "a name":
        whole["extra"] = torch.zeros(2)
    save_file(whole, copied / "model.safetensors")
    if change == "none":
        assert loaded_files(copied) == (copied / "model.safetensors",)
        return
    with pytest.raises(
        UsageError, match=r"differ \((extra|model.norm.weight)\): transformers loads model.safetensors,"
    ):
        resolve(str(copied))


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_what_git_lfs_did_not_fetch_is_called_so(copied, name):
    (copied / name).write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n")
    with pytest.raises(UsageError, match=rf"{name} is a pointer of Git LFS, .*: run git lfs pull"):
        resolve(str(copied))


def test_a_link_to_weights_that_are_gone_is_no_file(copied):
    (copied / "model.safetensors").unlink()
    (copied / "model.safetensors").symlink_to(copied / "blobs" / "0123")
    with pytest.raises(UsageError, match=r"model.safetensors is no file: fetch it again"):
        resolve(str(copied))


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_file_that_one_may_not_read(copied, name):
    (copied / name).chmod(0)
    if os.access(copied / name, os.R_OK):
        pytest.skip("this user may read anything")
    with pytest.raises(UsageError, match=rf"{name} cannot be read \(Permission denied\)"):
        resolve(str(copied))


def test_a_models_folder_in_the_hubs_cache_says_where_its_checkpoint_is(copied, tmp_path):
    snapshot = tmp_path / "models--org--name" / "snapshots" / "0123"
    snapshot.parent.mkdir(parents=True)
    copied.rename(snapshot)
    with pytest.raises(UsageError, match=rf"has no config.json: this one's checkpoint is {snapshot}"):
        resolve(str(tmp_path / "models--org--name"))


def test_an_index_that_transformers_cannot_read(copied):
    (copied / "model.safetensors.index.json").write_text(json.dumps({"weight_map": sharded(copied)}))
    with pytest.raises(UsageError, match="has no metadata"):
        resolve(str(copied))
