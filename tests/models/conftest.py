import shutil
from pathlib import Path

import pytest

from tests.models import checkpoints


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dense model in float16."""
    return checkpoints.save(tmp_path_factory.mktemp("plain"), checkpoints.model())


@pytest.fixture(scope="session")
def saved_4bit(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = {"bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True, "bnb_4bit_compute_dtype": "bfloat16"}
    return checkpoints.saved_quantised(tmp_path_factory.mktemp("saved-4bit"), plain, load_in_4bit=True, **settings)


@pytest.fixture(scope="session")
def saved_8bit(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.saved_quantised(tmp_path_factory.mktemp("saved-8bit"), plain, load_in_8bit=True)


@pytest.fixture
def copied(plain: Path, tmp_path: Path) -> Path:
    return shutil.copytree(plain, tmp_path / "mine")
