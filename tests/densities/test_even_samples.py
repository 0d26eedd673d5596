"""Even samples follow the density that they are of, and integrate better than independent ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import genlab
from genlab.densities import Density
from genlab.densities.base import Cylinder, StandardLogistic, StandardNormal, StandardUniform
from genlab.pde import Disk
from genlab.samplers.proposal import Proposal


def mixture() -> Density:
    """Of three unlike Gaussians with unlike shares, in data units of its own."""
    model = genlab.models.GMM(2, components=3)
    model.preprocessing = genlab.bijections.Standardise((2,))
    draw = torch.Generator().manual_seed(1)
    scale = torch.tensor([[0.1, 1.0], [0.5, 0.2], [1.0, 1.0]]).repeat_interleave(
        torch.tensor([100, 300, 600]), 0
    )
    centre = torch.tensor([[-3.0, 0.0], [0.0, 2.0], [4.0, -2.0]]).repeat_interleave(
        torch.tensor([100, 300, 600]), 0
    )
    model.initialise(centre + scale * torch.randn(1000, 2, generator=draw))
    return model


def flow() -> Density:
    model = genlab.models.RealNVP(2, layers=2)
    model.confine([(-1.0, 1.0), (0.0, 3.0)], base="logistic")
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model


DENSITIES: dict[str, Callable[[], Density]] = {
    "normal": lambda: StandardNormal((2,)),
    "logistic": lambda: StandardLogistic((2,)),
    "uniform": lambda: StandardUniform((2,)),
    "cylinder": lambda: Cylinder((2,), circular=[0]),
    "mixture": mixture,
    "flow": flow,
}


@pytest.mark.parametrize("name", DENSITIES)
def test_they_follow_the_density(name: str) -> None:
    density = DENSITIES[name]()
    draw = torch.Generator().manual_seed(0)
    even = density.sample_evenly(4096, generator=draw)
    independent = density.sample(20_000, generator=draw)
    assert even.dtype == independent.dtype
    for direction in ([1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, -1.0]):
        one, other = (x @ torch.tensor(direction) for x in (even, independent))
        # Of independent samples alone, half a percent would be one standard error.
        assert distance(one, other) < 0.02, direction


def distance(one: Tensor, other: Tensor) -> float:
    """Kolmogorov's, of two empirical distributions."""
    every = torch.cat((one, other)).sort().values
    shares = [torch.searchsorted(x.sort().values, every) / len(x) for x in (one, other)]
    return float((shares[0] - shares[1]).abs().max())


@pytest.mark.parametrize("name", DENSITIES)
def test_their_means_vary_less(name: str) -> None:
    density, draw = DENSITIES[name](), torch.Generator().manual_seed(0)
    spreads = []
    for sample in (density.sample_evenly, density.sample):
        means = [sample(256, generator=draw).sin().mean(0) for _ in range(20)]
        spreads.append(torch.stack(means).std(0))
    assert (spreads[0] < 0.5 * spreads[1]).all()


def test_a_proposal_draws_them_of_its_whole_density() -> None:
    disk, model = Disk(radius=1.5), StandardNormal((2,))
    even, independent = (Proposal(disk, model, alpha=0.3, even=flag) for flag in (True, False))
    for proposal in (even, independent):
        proposal.fitted = True
        proposal.estimate_acceptance(20_000, generator=torch.Generator().manual_seed(0))
    x = even.sample(4096, generator=torch.Generator().manual_seed(1))
    y = independent.sample(20_000, generator=torch.Generator().manual_seed(2))
    assert disk.contains(x).all()
    assert distance(x.norm(dim=1), y.norm(dim=1)) < 0.02
    assert distance(x[:, 0], y[:, 0]) < 0.02


def test_a_family_that_makes_none_says_so() -> None:
    with pytest.raises(NotImplementedError, match="VAE has no sample_evenly"):
        genlab.models.VAE(2).sample_evenly(4)
