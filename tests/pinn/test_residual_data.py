"""The residual of a PINN as data."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from small import small_experiment

from genlab.errors import UserError
from genlab.pde import Diffusion
from genlab.pinn import Network, ResidualData
from genlab.targets.cells import CellDensity


def data(resample: bool) -> ResidualData:
    torch.manual_seed(0)
    network = Network(
        Diffusion(n_points=50),
        hidden=[8, 8],
        activation="tanh",
        gain=1.0,
        boundary="auto",
        boundary_weight=1.0,
        boundary_points=1,
    )
    return ResidualData(
        pinn=network,
        event_shape=[2],
        run=None,
        steps=5,
        resample=resample,
        cells=64,
        val_size=100,
        test_size=100,
        batch_size=10,
        standardise=True,
        seed=0,
    )


def test_a_density_on_cells() -> None:
    weight = torch.tensor([[1.0, 0.0], [2.0, 5.0]])
    target = CellDensity(weight, ((-1.0, 1.0), (0.0, 4.0)))
    x = torch.tensor([[-0.5, 1.0], [-0.5, 3.0], [0.5, 1.0], [0.5, 3.0], [2.0, 1.0]])
    expected = torch.tensor([1.0, 0.0, 2.0, 5.0, 0.0]) / 8 / 2  # cells of area 2
    torch.testing.assert_close(target.log_prob(x).exp(), expected)
    p = weight.flatten() / 8
    assert target.entropy == pytest.approx(float(torch.special.entr(p).sum()) + math.log(2))
    drawn = target.sample(20_000, generator=torch.Generator().manual_seed(0))
    for point, share in zip(x, p.tolist(), strict=False):
        inside = ((drawn > 0) == (point > 0))[:, 0] & ((drawn > 2) == (point > 2))[:, 1]
        assert inside.double().mean().item() == pytest.approx(share, abs=0.015)


def test_weighted_and_resampled_points_follow_the_same_density() -> None:
    weighted, resampled = data(resample=False), data(resample=True)
    target = weighted.target
    assert target is not None
    rows, drawn = weighted.stream.rows(0, 30_000), resampled.stream.rows(0, 30_000)
    assert rows.weight is not None
    assert drawn.weight is None
    true = target.sample(30_000, generator=torch.Generator().manual_seed(1))
    for power in (1, 2):
        mean = true.pow(power).mean(0)
        share = rows.weight / rows.weight.sum()
        torch.testing.assert_close(share @ rows.x.pow(power), mean, atol=0.02, rtol=0)
        torch.testing.assert_close(drawn.x.pow(power).mean(0), mean, atol=0.02, rtol=0)
    h = weighted.squared_residual(rows.x)
    torch.testing.assert_close(rows.weight / rows.weight.mean(), h / h.mean(), atol=0, rtol=0.05)
    assert float(weighted.weighted(500, "mean").weight.mean()) == pytest.approx(1, abs=1e-6)
    again = weighted.stream.rows(50, 60)
    torch.testing.assert_close(again.x, rows.x[50:60])


FEW = ("data=pinn_residual", "data.steps=2", "data.cells=16", "pinn.hidden=[8]")


def test_a_model_learns_a_residual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = small_experiment(tmp_path, *FEW, "problem=diffusion")
    assert run.data.target is not None
    assert not run.data.resample
    monkeypatch.setattr(run, "_draw", lambda *_: {})
    assert run.fit()["test/kl"] is not None
    flow = small_experiment(tmp_path, *FEW, "model=flow-matching", model=())
    assert flow.data.resample
    with pytest.raises(UserError, match=r"data\.run=nowhere: no such run|nowhere: no such run"):
        small_experiment(tmp_path, *FEW, "data.run=nowhere")
