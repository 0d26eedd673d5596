"""A model and a data set of a few lines, so that the configuration is tested for itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from genlab.config.compose import compose

MODEL = """\
# A model for tests.
_target_: genlab.learning.schedules.Cosine
warmup: 0.3
final: 0.5
"""
DATA = """\
# A data set for tests.
_target_: types.SimpleNamespace
event_shape: [2]
train_size: null
batch_size: 8
"""


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of configs with ``model=demo`` and ``data=demo``."""
    folder = tmp_path_factory.mktemp("configs")
    for group, text in {"model": MODEL, "data": DATA}.items():
        (folder / group).mkdir()
        (folder / group / "demo.yaml").write_text(text)
    return folder


@pytest.fixture(scope="session")
def composed(demo: Path) -> Callable[..., DictConfig]:
    """``composed(*overrides)``: the configuration of `train` on the demo model and data."""

    def make(*overrides: str) -> DictConfig:
        base = [f"hydra.searchpath=['file://{demo}']", "model=demo", "data=demo"]
        return compose("train", [*base, *overrides])

    return make
