"""The base densities, against scipy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from genlab.densities import (
    Cylinder,
    Density,
    StandardLogistic,
    StandardNormal,
    StandardUniform,
)

ANGLE = stats.uniform(-math.pi, 2 * math.pi)
CUBE = stats.uniform(-math.sqrt(3), 2 * math.sqrt(3))
# Each with the law of its three coordinates, and points where it is defined.
BASES: dict[str, tuple[Density, list[Any], float]] = {
    "normal": (StandardNormal((3,)), 3 * [stats.norm], 1e6),
    "logistic": (StandardLogistic((3,)), 3 * [stats.logistic], 1e6),
    "uniform": (StandardUniform((3,)), 3 * [CUBE], 1.7),
    "cylinder": (Cylinder((3,), circular=[0, 2]), [ANGLE, stats.norm, ANGLE], 3.1),
}


@pytest.mark.parametrize("name", BASES)
def test_log_density_is_scipys(name: str) -> None:
    density, laws, far = BASES[name]
    x = torch.cat([torch.randn(50, 3).double().clamp(-far, far), torch.full((1, 3), far).double()])
    truth = sum(law.logpdf(column) for law, column in zip(laws, x.T.numpy(), strict=True))
    np.testing.assert_allclose(density.double().log_prob(x).numpy(), truth, rtol=1e-12)


@pytest.mark.parametrize("name", BASES)
def test_samples_follow_the_law_of_each_coordinate(name: str) -> None:
    density, laws, _ = BASES[name]
    x = density.float().sample(20_000, generator=torch.Generator().manual_seed(1))
    for law, column in zip(laws, x.double().T.numpy(), strict=True):
        assert stats.kstest(column, law.cdf).pvalue > 1e-3


def test_samples_are_finite_where_the_uniform_number_is_zero(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        torch, "rand", lambda *_, **options: torch.zeros(4, 2, dtype=options["dtype"])
    )
    for dtype in (torch.float32, torch.float64):
        x = StandardLogistic((2,)).to(dtype).sample(4)
        assert x.isfinite().all()
        assert (x < -10).all()
