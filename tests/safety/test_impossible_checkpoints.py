"""A checkpoint that cannot be a model is told in one line while a run is planned; nothing is measured or created."""

import json
import os
import shutil
import struct

import pytest

from bench import cli
from bench.workloads.sources import data_folder, resolve

INDEX = "model.safetensors.index.json"
WEIGHTS = "model.safetensors"


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(data_folder() / "smoke-model", folder)
    return folder


@pytest.fixture(autouse=True)
def nothing_is_started(monkeypatch):
    monkeypatch.setattr("bench.run.runner.describe_model", lambda *_, **__: pytest.fail("a model was looked at"))


def config(**changes):
    def damage(folder):
        file = folder / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return damage


def text(name, content):
    def damage(folder):
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_bytes(content)

    return damage


def header(change):
    """The weights with another header, and the same bytes behind it."""

    def damage(folder):
        content = (folder / WEIGHTS).read_bytes()
        (length,) = struct.unpack("<Q", content[:8])
        changed = json.dumps(change(json.loads(content[8 : 8 + length]))).encode()
        (folder / WEIGHTS).write_bytes(struct.pack("<Q", len(changed)) + changed + content[8 + length :])

    return damage


def first(**changes):
    def change(tensors):
        name = next(name for name in tensors if name != "__metadata__")
        return tensors | {name: tensors[name] | changes}

    return header(change)


def cut(by):
    return lambda folder: os.truncate(folder / WEIGHTS, (folder / WEIGHTS).stat().st_size - by)


def pipe(name):
    def damage(folder):
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return damage


def folder_called(name):
    def damage(folder):
        (folder / name).unlink(missing_ok=True)
        (folder / name).mkdir()

    return damage


def circle(name):
    def damage(folder):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(name)

    return damage


IMPOSSIBLE = {
    "10^9 layers": (config(num_hidden_layers=10**9), "num_hidden_layers is 1000000000"),
    "0 layers": (config(num_hidden_layers=0), "num_hidden_layers is 0"),
    "0 heads": (config(num_attention_heads=0), "num_attention_heads is 0"),
    "3 heads share 2": (config(num_attention_heads=3), "cannot share 2 key-value heads"),
    "a negative width": (config(hidden_size=-128), "hidden_size is -128"),
    "a width that is text": (config(hidden_size="128"), "hidden_size is '128'"),
    "a fraction": (config(intermediate_size=0.5), "intermediate_size is 0.5"),
    "10^12 words": (config(vocab_size=10**12), "vocab_size"),
    "a text model's layers": (config(text_config={"num_hidden_layers": 10**9}), "num_hidden_layers"),
    "a config that is a list": (text("config.json", b"[]"), "config.json"),
    "a config that is empty": (text("config.json", b""), "config.json"),
    "a config with nan": (text("config.json", b'{"hidden_size": NaN}'), "config.json"),
    "a config that is a folder": (folder_called("config.json"), "config.json"),
    "a config that is a pipe": (pipe("config.json"), "config.json"),
    "a broken tokenizer": (text("tokenizer.json", b'{"model": '), "tokenizer.json"),
    "a tokenizer of bytes": (text("tokenizer.json", b"\xff\xfe"), "tokenizer.json"),
    "a tokenizer that is a pipe": (pipe("tokenizer.json"), "tokenizer.json is no file"),
    "a tokenizer that links to itself": (circle("tokenizer.json"), "tokenizer.json is no file"),
    "a broken generation config": (text("generation_config.json", b"{"), "generation_config.json"),
    "weights of no bytes": (text(WEIGHTS, b""), "header of 0 bytes"),
    "a header of 2^62": (text(WEIGHTS, struct.pack("<Q", 1 << 62) + b"{}"), "header of 4611686018427387904 bytes"),
    "a header of 2^64 - 1": (text(WEIGHTS, b"\xff" * 8 + b"{}"), "is damaged"),
    "a header longer than the file": (text(WEIGHTS, struct.pack("<Q", 999) + b"{}"), "header of 999 bytes"),
    "a header that is no object": (text(WEIGHTS, struct.pack("<Q", 2) + b"[]"), "is damaged"),
    "a header that is no JSON": (text(WEIGHTS, struct.pack("<Q", 2) + b"{{"), "is damaged"),
    "no tensors": (text(WEIGHTS, struct.pack("<Q", 2) + b"{}"), "holds no weights"),
    "a web page": (text(WEIGHTS, b"<!doctype html><html>not found</html>"), "is damaged"),
    "a pointer of LFS": (text(WEIGHTS, b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "git lfs pull"),
    "weights cut off": (cut(1000), "is cut off"),
    "weights that are a folder": (folder_called(WEIGHTS), "is no file"),
    "weights that are a pipe": (pipe(WEIGHTS), "is no file"),
    "a negative shape": (first(shape=[-1, 128]), "below 0"),
    "a shape of 2^62": (first(shape=[1 << 62]), "does not fit"),
    "an end before the begin": (first(data_offsets=[8, 0]), "does not fit"),
    "a tensor without a place": (header(lambda t: {"w": {"dtype": "F16", "shape": [1]}}), "data_offsets"),
    "an index of no weights": (text(INDEX, b'{"metadata": {}, "weight_map": {}}'), "names no weights"),
    "an index that is broken": (text(INDEX, b"{"), INDEX),
    "an index of absent shards": (
        text(INDEX, b'{"metadata": {}, "weight_map": {"w": "model-00002-of-00002.safetensors"}}'), "which is not there",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_it_is_one_line_and_nothing_is_created(name, checkpoint, tmp_path, capsys, monkeypatch):
    damage, says = IMPOSSIBLE[name]
    damage(checkpoint)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert cli.main(["run", "--preset", "smoke", "--device", "cpu", "--model", str(checkpoint), "--out", "out"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bitledger: ") and says in line
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["empty", "file.safetensors", "/dev/null", "/dev/zero", "pipe", "gone/model", "."])
def test_what_is_no_checkpoint_is_one_line(name, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.safetensors").write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert cli.main(["run", "--preset", "smoke", "--device", "cpu", "--model", name, "--out", "out"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bitledger: ") and not (tmp_path / "out").exists()


def test_a_whole_checkpoint_is_none_of_these(checkpoint):
    assert resolve(str(checkpoint)).kind == "folder"


def test_shards_and_sizes_that_a_config_lists_are_taken(checkpoint):
    (checkpoint / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": {"w": WEIGHTS}}))
    config(num_key_value_heads=None, n_heads=[4, 4], max_position_embeddings=1 << 20)(checkpoint)
    assert resolve(str(checkpoint)).revision.startswith("files-sha256:")
