"""The logistic base density, against scipy."""

from __future__ import annotations

import numpy as np
import torch
from scipy import stats

from genlab.densities import StandardLogistic


def test_log_density_is_scipys() -> None:
    x = torch.cat([torch.randn(50, 3).double() * 5, torch.full((1, 3), 1e6).double()])
    density = StandardLogistic((3,)).double()
    truth = stats.logistic.logpdf(x.numpy()).sum(1)
    np.testing.assert_allclose(density.log_prob(x).numpy(), truth, rtol=1e-12)


def test_samples_are_logistic() -> None:
    x = StandardLogistic((2,)).sample(20_000, generator=torch.Generator().manual_seed(0))
    for column in x.double().T.numpy():
        assert stats.kstest(column, stats.logistic.cdf).pvalue > 1e-3


def test_samples_are_finite_where_the_uniform_number_is_zero(monkeypatch: object) -> None:
    monkeypatch.setattr(
        torch, "rand", lambda *_, **options: torch.zeros(4, 2, dtype=options["dtype"])
    )
    for dtype in (torch.float32, torch.float64):
        x = StandardLogistic((2,)).to(dtype).sample(4)
        assert x.isfinite().all()
        assert (x < -10).all()
