"""What every test shares: shapes and types checked at run time, one thread, fixed seeds."""

from __future__ import annotations

import os

# Before torch and matplotlib are imported, and for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import random

import numpy as np
import pytest
import torch
from jaxtyping import install_import_hook

# An int is a float to a type checker; so it is here.
install_import_hook("genlab", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def fixed_seeds() -> None:
    """The same random numbers in each test, whichever ran before."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that may take long come first, so that no worker is left alone with one."""
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)
