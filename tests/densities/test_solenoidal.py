"""Random velocities of a fluid, and flows that stay among them."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from properties import disturb

from genlab.bijections import FixedStepSolver, Standardise
from genlab.densities import SolenoidalNormal
from genlab.errors import UserError
from genlab.models import FlowMatching
from genlab.nn import ResidualConvNet
from genlab.nn.solenoidal import StreamFunction

SIDE = 5
SHAPE = (2, SIDE, SIDE)


def members(n: int) -> torch.Tensor:
    """Velocities without divergence, of a spectrum."""
    density = SolenoidalNormal(SHAPE).double()
    k = torch.arange(3).double()
    density.log_scale.copy_(-0.5 * torch.log1p(k[:, None].square() + k.square()))
    return density.sample(n, generator=torch.Generator().manual_seed(0))


def basis() -> torch.Tensor:
    """Orthonormal velocities that span those without divergence and mean."""
    project = StreamFunction(SIDE).double()
    unit = torch.eye(2 * SIDE**2, dtype=torch.float64).view(-1, *SHAPE)
    vectors, values, _ = torch.linalg.svd(project(unit).flatten(1))
    assert (values > 0.5).sum() == SIDE**2 - 1
    return vectors[:, : SIDE**2 - 1]


def test_the_density_is_that_of_a_gaussian_in_a_basis_of_the_space() -> None:
    density = SolenoidalNormal(SHAPE).double()
    density.initialise(members(2000))
    plane = basis()
    sample = density.sample(100_000, generator=torch.Generator().manual_seed(1)).flatten(1) @ plane
    x = members(5)
    gaussian = torch.distributions.MultivariateNormal(
        torch.zeros(SIDE**2 - 1).double(), covariance_matrix=sample.T.cov()
    )
    torch.testing.assert_close(
        density.log_prob(x), gaussian.log_prob(x.flatten(1) @ plane), atol=0.1, rtol=0
    )
    entropy = -density.log_prob(density.sample(20_000)).mean().item()
    numbers, scale = density.numbers, density.log_scale
    exact = (numbers * (0.5 * math.log(2 * math.pi * math.e) + scale)).sum().item()
    assert entropy == pytest.approx(exact, abs=4 * math.sqrt((SIDE**2 - 1) / 2 / 20_000))


def test_a_flow_by_a_stream_function_stays_without_divergence_and_its_density_is_exact() -> None:
    steps = FixedStepSolver(method="rk4", steps=8)
    network = partial(ResidualConvNet, width=4, blocks=1, embedding=8, frequencies=2)
    model = FlowMatching(
        SHAPE, network=network, output="stream_function", solver=steps, evaluation=steps
    ).double()
    model.initialise(members(500))
    disturb(model, 0.1).eval()
    x = model.sample(4)
    torch.testing.assert_close(StreamFunction(SIDE).double()(x), x)
    plane = basis()

    def inner(y: torch.Tensor) -> torch.Tensor:
        return (model.bijection.encode((plane @ y).view(1, *SHAPE)).flatten(1) @ plane)[0]

    y = x[0].flatten() @ plane
    log_det = torch.linalg.slogdet(torch.func.jacrev(inner)(y)).logabsdet
    z = model.bijection.encode(x[:1])
    truth = model.base.log_prob(z) + log_det
    torch.testing.assert_close(model.log_prob(x[:1]), truth, atol=1e-5, rtol=0)


def test_what_is_no_velocity_of_a_fluid_is_named() -> None:
    with pytest.raises(ValueError, match=r"two channels .* \[2, n, n\], got \[1, 5, 5\]"):
        FlowMatching((1, 5, 5), network=ResidualConvNet, output="stream_function")
    with pytest.raises(ValueError, match="expected prediction=velocity"):
        FlowMatching(SHAPE, network=ResidualConvNet, output="stream_function", prediction="x1")
    model = FlowMatching(SHAPE, network=ResidualConvNet, output="stream_function")
    with pytest.raises(UserError, match=r"without divergence .* use output=free"):
        model.initialise(torch.randn(20, *SHAPE))
    model.preprocessing = Standardise(SHAPE)
    with pytest.raises(UserError, match=r"data\.standardise=false"):
        model.initialise(members(20).float())
