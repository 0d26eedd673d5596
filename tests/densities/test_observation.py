"""Observation models against torch.distributions, exact sums and their own samples."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Bernoulli as Coin
from torch.distributions import Normal

from genlab.densities import Bernoulli, DiscretisedLogistic, GaussianObservation, Observation
from genlab.errors import UserError

SHAPE = (2, 3)


def observations() -> dict[str, Observation]:
    return {
        "network": GaussianObservation(SHAPE, scale="network", min_scale=0.01),
        "dimension": GaussianObservation(SHAPE, scale="dimension", min_scale=0.01),
        "shared": GaussianObservation(SHAPE, scale="shared", min_scale=0.01),
        "bernoulli": Bernoulli(),
        "logistic": DiscretisedLogistic(levels=5),
    }


NAMES = list(observations())


def parameters(observation: Observation, *rows: int, scale: float = 1.0) -> torch.Tensor:
    shape = (*rows, observation.n_parameters, *SHAPE)
    return (scale * torch.randn(shape, dtype=torch.float64)).requires_grad_()


def data(name: str, n: int) -> torch.Tensor:
    if name == "bernoulli":
        return torch.randint(2, (n, *SHAPE)).double()
    return torch.rand(n, *SHAPE, dtype=torch.float64)


@pytest.mark.parametrize("name", NAMES)
def test_several_decodings_are_each_one_by_itself(name: str) -> None:
    observation, x = observations()[name].double(), data(name, 4)
    several = parameters(observation, 3, 4)
    log_prob = observation.log_prob(x, several)
    assert log_prob.shape == (3, 4)
    for k in range(3):
        torch.testing.assert_close(log_prob[k], observation.log_prob(x, several[k]))


@pytest.mark.parametrize("scale", ["network", "dimension", "shared"])
def test_gaussian_is_the_normal_distribution(scale: str) -> None:
    observation = GaussianObservation(SHAPE, scale=scale, min_scale=0.2).double()
    for parameter in observation.parameters():
        torch.nn.init.normal_(parameter)
    y, x = parameters(observation, 50), data(scale, 50)
    raw = y[:, 1] if scale == "network" else observation.raw_scale
    normal = Normal(y[:, 0], 0.2 + torch.log1p((raw - 3).exp()))
    torch.testing.assert_close(observation.log_prob(x, y), normal.log_prob(x).sum((1, 2)))
    torch.testing.assert_close(observation.mean(y), normal.mean)


def test_a_gaussian_cannot_become_infinitely_good() -> None:
    observation = GaussianObservation((1,), scale="network", min_scale=0.01)
    y = torch.tensor([[[0.0], [-1e6]]])
    best = -0.5 * math.log(2 * math.pi) - math.log(0.01)
    assert observation.log_prob(torch.zeros(1, 1), y).item() == pytest.approx(best)


def test_bernoulli_is_torchs() -> None:
    observation = Bernoulli()
    y, x = parameters(observation, 50, scale=5.0), data("bernoulli", 50)
    coin = Coin(logits=y[:, 0])
    torch.testing.assert_close(observation.log_prob(x, y), coin.log_prob(x).sum((1, 2)))
    torch.testing.assert_close(observation.mean(y), coin.mean)


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_the_masses_of_all_levels_sum_to_one(levels: int) -> None:
    observation = DiscretisedLogistic(levels=levels)
    x = (torch.arange(levels, dtype=torch.float64)[:, None] + torch.rand(levels, 1)) / levels
    for location in (-3.0, 0.0, 0.3, 2.0):
        for raw in (-20.0, -3.0, 0.0, 5.0):
            y = torch.tensor([[location], [raw]], dtype=torch.float64).expand(levels, -1, -1)
            mass = observation.log_prob(x, y).exp() / levels
            assert mass.sum().item() == pytest.approx(1, abs=1e-12)


def test_a_level_has_the_logistic_mass_of_its_interval() -> None:
    observation = DiscretisedLogistic(levels=5)
    y, x = parameters(observation, 400, scale=0.3), data("logistic", 400)
    location, scale = y[:, 0] + 0.5, 0.02 + torch.log1p((y[:, 1] - 2).exp())
    level = (5 * x).floor()
    low = torch.where(level == 0, -math.inf, (level / 5 - location) / scale)
    high = torch.where(level == 4, math.inf, ((level + 1) / 5 - location) / scale)
    truth = (high.sigmoid() - low.sigmoid()).log() + math.log(5)
    torch.testing.assert_close(observation.log_prob(x, y), truth.sum((1, 2)), atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_samples_follow_the_density_and_their_mean(name: str) -> None:
    observation, n = observations()[name].double(), 40_000
    y = parameters(observation, 1).detach()
    many = y.expand(n, *y.shape[1:])
    x = observation.sample(many, torch.Generator().manual_seed(1))
    again = observation.sample(many, torch.Generator().manual_seed(1))
    assert torch.equal(x, again)
    error = x.std(0) / math.sqrt(n)
    # A discretised logistic's mean is that of the logistic before it is rounded to levels.
    rounding = 0.01 if name == "logistic" else 0.0
    assert ((x.mean(0) - observation.mean(y)[0]).abs() < 4.5 * error + rounding).all()


@pytest.mark.parametrize("observation", [Bernoulli(), DiscretisedLogistic(levels=5)])
def test_levels_are_drawn_as_often_as_they_should(observation: Observation) -> None:
    levels, n = getattr(observation, "levels", 2), 40_000
    y = torch.tensor([0.2, -2.0])[: observation.n_parameters, None].expand(n, -1, 1)
    x = observation.sample(y, torch.Generator().manual_seed(1))
    counts = torch.histc(x, levels, 0, 1)
    values = torch.linspace(0, 1, levels) if levels == 2 else (torch.arange(5) + 0.5) / 5
    mass = observation.log_prob(values[:, None], y[:levels]).exp()
    expected = n * mass / mass.sum()
    assert ((counts - expected).square() / expected).sum() < levels + 5 * math.sqrt(2 * levels)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extremes_are_finite_with_finite_gradients(name: str, dtype: torch.dtype) -> None:
    observation = observations()[name].to(dtype)
    for parameter in (-1e6, -50.0, 0.0, 50.0, 1e6):
        for value in (-1e6, 0.0, 0.999999, 1.0, 1e6):
            y = torch.full((1, observation.n_parameters, *SHAPE), parameter, dtype=dtype)
            y.requires_grad_()
            log_prob = observation.log_prob(torch.full((1, *SHAPE), value, dtype=dtype), y)
            (gradient,) = torch.autograd.grad(log_prob.sum(), y)
            assert log_prob.isfinite().all()
            assert gradient.isfinite().all()
            assert observation.mean(y).isfinite().all()
            assert observation.sample(y, None).isfinite().all()


@pytest.mark.parametrize("name", ["bernoulli", "logistic"])
def test_data_out_of_range_are_refused(name: str) -> None:
    observation = observations()[name]
    observation.check(torch.rand(5, *SHAPE))
    with pytest.raises(
        UserError, match=rf"`{type(observation).__name__}`: expected data from 0 to 1, got -2 to 3"
    ):
        observation.check(torch.tensor([[-2.0, 0.5, 3.0]]))
