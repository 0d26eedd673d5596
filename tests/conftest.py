"""What every test shares: shapes and types checked at run time, one thread, fixed seeds."""

from __future__ import annotations

import os

# Before torch and matplotlib are imported, and for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import gc
import random
from collections.abc import Iterator

import jaxtyping
import numpy as np
import pytest
import torch
from checked import answer_by_few_steps, checked
from coarse import draw_coarsely, measure_coarsely

# The rooms whose annotations say shapes.
MATHEMATICS = (
    *("adapters", "bijections", "densities", "fields", "models", "nn", "objectives"),
    *("paths", "pde", "pinn", "samplers", "targets"),
)
# An int is a float to a type checker; so it is here.
CHECKER = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
# By this name the hook's decorators ask for it.
jaxtyping.jaxtyped = checked
answer_by_few_steps()
jaxtyping.install_import_hook([f"genlab.{room}" for room in MATHEMATICS], CHECKER)
torch.set_num_threads(1)

LONG = ("test_course", "test_pages", "test_launchers", "test_models", "test_continuous")


@pytest.fixture(autouse=True)
def fixed_seeds() -> None:
    """The same random numbers in each test, whichever ran before."""
    random.seed(0)
    np.random.seed(0)
    torch.default_generator.manual_seed(0)  # of other devices torch would note where they are asked


@pytest.fixture(autouse=True, scope="module")
def quick() -> Iterator[None]:
    """Whole runs measure and draw coarsely.

    Where the measures and figures themselves are looked at, a fixture of this name overrides it.
    """
    with pytest.MonkeyPatch.context() as patch:
        draw_coarsely(patch)
        measure_coarsely(patch)
        yield


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs without figures, which take longer than small ones do."""
    monkeypatch.setattr("genlab.assembly.run.Run.draw", lambda *_: {})


def pytest_collection_finish() -> None:
    """Set aside what is there before the first test: no search for garbage looks at it again."""
    gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files that take long come first, so that no worker is left alone with one."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.path.stem not in LONG)
