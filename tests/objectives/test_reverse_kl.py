"""Reverse KL against closed forms: a Gaussian flow, and a Gaussian energy up to a constant."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from genlab.bijections import ActNorm, Compose, Standardise
from genlab.models import Flow
from genlab.objectives import anneal, log_weights, reverse_kl

MEAN = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
SCALE = torch.tensor([0.7, 1.5, 1.0], dtype=torch.float64)
DIM = len(MEAN)
LOG_Z = DIM / 2 * math.log(2 * math.pi) + SCALE.log().sum().item()


def energy(x: Tensor) -> Tensor:
    return ((x - MEAN) / SCALE).square().sum(1) / 2


class Shifted(Flow):
    """``x = mean + scale (z - b) e^{-s} + c``: a Gaussian behind a standardisation."""

    def __init__(self, *, context_dim: int = 0) -> None:
        super().__init__((DIM,), context_dim=context_dim)
        self.layers = Compose([ActNorm(DIM)])
        self.preprocessing = Standardise((DIM,))
        self.double()
        self.preprocessing.initialise(torch.randn(50, DIM, dtype=torch.float64) * 2 + 1)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.normal_(0, 0.3)


def moments(model: Shifted) -> tuple[Tensor, Tensor]:
    """Mean and log standard deviation of the samples, differentiable in the parameters."""
    (layer,), outer = model.layers, model.preprocessing
    mean = outer.mean - layer.shift * (-layer.log_scale).exp() * outer.log_scale.exp()
    return mean, outer.log_scale - layer.log_scale


def exact(model: Shifted, beta: float) -> Tensor:
    mean, log_std = moments(model)
    entropy = DIM / 2 * math.log(2 * math.pi * math.e) + log_std.sum()
    heat = (((2 * log_std).exp() + (mean - MEAN).square()) / SCALE.square()).sum() / 2
    return beta * heat - entropy


@pytest.mark.parametrize("beta", [1.0, 0.2])
def test_value_and_gradient_are_those_of_the_closed_form(beta: float) -> None:
    model, source = Shifted(), torch.Generator().manual_seed(0)
    parameters = list(model.parameters())
    truth = exact(model, beta)
    truths = [truth.detach()[None], *torch.autograd.grad(truth, parameters)]
    draws = []
    for _ in range(40):
        value = reverse_kl(model, energy, 4000, beta=beta, generator=source)
        draws.append([value.detach()[None], *torch.autograd.grad(value, parameters)])
    for estimates, true in zip(zip(*draws, strict=True), truths, strict=True):
        stacked = torch.stack(estimates)
        error = stacked.std(0) / math.sqrt(len(stacked))
        assert ((stacked.mean(0) - true).abs() < 4.5 * error).all()
        assert (error < 0.03).all()


def test_the_minimum_is_minus_log_z_and_all_weights_are_equal_there() -> None:
    model = Shifted()
    with torch.no_grad():
        (layer,), outer = model.layers, model.preprocessing
        layer.log_scale.copy_(outer.log_scale - SCALE.log())
        layer.shift.copy_((outer.mean - MEAN) / SCALE)
    assert reverse_kl(model, energy, 10).item() == pytest.approx(-LOG_Z)
    torch.testing.assert_close(log_weights(model, energy, 10), torch.full((10,), LOG_Z).double())


def test_the_origin_moves_no_gradient_and_no_value_at_beta_one() -> None:
    model = Shifted()

    def both(beta: float, origin: float) -> tuple[float, Tensor]:
        source = torch.Generator().manual_seed(3)
        value = reverse_kl(model, energy, 50, beta=beta, origin=origin, generator=source)
        return value.item(), torch.autograd.grad(value, model.layers.parameters())[0]

    assert both(1.0, 7.0)[0] == pytest.approx(both(1.0, 0.0)[0])
    assert both(0.2, 7.0)[0] == pytest.approx(both(0.2, 0.0)[0] + 0.8 * 7)
    torch.testing.assert_close(both(0.2, 7.0)[1], both(0.2, 0.0)[1])


def test_an_energy_beyond_the_cut_counts_by_its_logarithm() -> None:
    model = Shifted()
    values = torch.tensor([0.0, 5.0, 10.0, 10.5, 1e6], dtype=torch.float64)

    def steep(x: Tensor) -> Tensor:
        return values + 0 * x.sum(1)

    plain = -log_weights(model, steep, 5, generator=torch.Generator().manual_seed(0)) - values
    cut = reverse_kl(model, steep, 5, cut=10.0, generator=torch.Generator().manual_seed(0))
    counted = torch.tensor([0.0, 5.0, 10.0, 10 + math.log(1.5), 10 + math.log1p(1e6 - 10)])
    assert cut.item() == pytest.approx((plain + counted).mean().item())


def test_the_context_reaches_model_and_energy() -> None:
    model, context = Shifted(context_dim=2), torch.randn(6, 2).double()
    seen: list[Tensor] = []

    def conditional(x: Tensor, c: Tensor) -> Tensor:
        seen.append(c)
        return x.square().sum(1)

    assert reverse_kl(model, conditional, 6, context).isfinite()
    assert torch.equal(seen[0], context)


def test_beta_rises_linearly_and_stays_at_one() -> None:
    assert [anneal(0.1, 0.5, progress) for progress in (0.0, 0.25, 0.5, 0.9)] == pytest.approx(
        [0.1, 0.55, 1.0, 1.0]
    )
    assert anneal(0.1, 0.0, 0.0) == 1.0
    assert anneal(1.0, 1.0, 0.3) == 1.0
