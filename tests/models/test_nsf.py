"""Neural spline flows: who depends on whom, in one dimension, on tori and cylinders."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from properties import disturb
from torch import Tensor
from torch.func import jacrev, vmap

import genlab
from genlab.bijections import Standardise
from genlab.errors import UserError
from genlab.models import NSF, AutoregressiveNSF, CircularNSF, Flow, neural_spline_flow
from genlab.nn import wrap
from genlab.targets import Torus

VARIANTS = pytest.mark.parametrize(
    "options",
    [{}, {"free_half": False}, {"variant": "autoregressive"}],
    ids=["half-free", "half", "autoregressive"],
)


def nsf(shape: int | tuple[int, ...], **options: Any) -> Flow:
    given = {"hidden": [16], "activation": "tanh", "bins": 5}
    return disturb(neural_spline_flow(shape, **(given | options))).double().eval()


def periodic_grid(n: int) -> Tensor:
    axis = 2 * math.pi * (torch.arange(n, dtype=torch.float64) + 0.5) / n - math.pi
    return torch.cartesian_prod(axis, axis)


def jacobian_pattern(model: Flow, x: Tensor) -> Tensor:
    """Which coordinates each latent depends on, for a model of one layer."""
    return vmap(jacrev(lambda row: model.layers(row[None])[0][0]))(x).abs().amax(0) > 0


def test_one_function_reaches_each_class() -> None:
    assert type(nsf(2)) is NSF
    assert type(nsf(2, variant="autoregressive")) is AutoregressiveNSF
    assert type(nsf(2, circular=[0])) is CircularNSF
    assert type(nsf(2, circular=[0], variant="autoregressive")) is CircularNSF
    assert CircularNSF(3).circular == (0, 1, 2)


def test_the_defaults_serve_several_scales_too() -> None:
    assert NSF((1, 8, 8), scales=2, hidden=[4]).log_prob(torch.randn(3, 1, 8, 8)).shape == (3,)


def test_a_layer_maps_one_half_by_constants_and_the_other_by_the_first() -> None:
    pattern = jacobian_pattern(nsf(5, layers=1), torch.randn(30, 5).double())
    expected = torch.eye(5).bool()
    expected[2:, :2] = True
    assert torch.equal(pattern, expected)
    # Every coordinate is moved, and those of the first half alike for all points.
    model = nsf(5, layers=1)
    x = torch.randn(30, 5).double()
    x[:, :2] = x[:1, :2]
    z, _ = model.layers(x)
    assert (z != x).any(0).all()
    torch.testing.assert_close(z[:, :2], z[:1, :2].expand(30, -1))


def test_without_the_free_half_a_layer_leaves_it_alone() -> None:
    x = torch.randn(30, 5).double()
    z, _ = nsf(5, layers=1, free_half=False).layers(x)
    assert torch.equal(z[:, :2], x[:, :2])
    assert (z[:, 2:] != x[:, 2:]).any(0).all()


def test_an_autoregressive_layer_is_triangular() -> None:
    pattern = jacobian_pattern(
        nsf(4, layers=1, variant="autoregressive"), torch.randn(30, 4).double()
    )
    assert torch.equal(pattern, torch.ones(4, 4).tril().bool())


@VARIANTS
def test_starts_as_the_identity(options: dict[str, Any]) -> None:
    model = neural_spline_flow(4, hidden=[8], bins=6, **options)
    x = 2 * torch.randn(20, 4)
    torch.testing.assert_close(model.layers(x)[0], x)


@pytest.mark.parametrize("circular", [[], [0]], ids=["line", "circle"])
@pytest.mark.parametrize("context_dim", [0, 2])
def test_one_coordinate(circular: list[int], context_dim: int) -> None:
    model = nsf(1, circular=circular, context_dim=context_dim)
    edge = math.pi if circular else 12.0
    x = torch.linspace(-edge, edge, 20_001, dtype=torch.float64)[:, None]
    contexts = torch.randn(2, 2, dtype=torch.float64) if context_dim else [None]
    densities = []
    for context in contexts:
        density = model.log_prob(x, context).exp().detach()
        assert torch.trapezoid(density, x[:, 0]).item() == pytest.approx(1, abs=1e-5)
        densities.append(density)
    if context_dim:
        assert (densities[0] - densities[1]).abs().max() > 1e-3


@VARIANTS
def test_the_density_on_the_torus_integrates_to_one(options: dict[str, Any]) -> None:
    model = nsf(2, circular=[0, 1], **options)
    with torch.no_grad():
        mean = model.log_prob(periodic_grid(300)).exp().mean()
    assert (mean * (2 * math.pi) ** 2).item() == pytest.approx(1, abs=1e-4)


@VARIANTS
def test_the_density_is_continuous_across_the_cuts_and_periodic(options: dict[str, Any]) -> None:
    model = nsf(3, circular=[0, 2], **options)
    x = torch.rand(40, 3, dtype=torch.float64) * 2 * math.pi - math.pi
    turns = torch.tensor([2 * math.pi, 0, -4 * math.pi], dtype=torch.float64)
    torch.testing.assert_close(model.log_prob(x + turns), model.log_prob(x))
    for i in (0, 2):
        low, high = x.clone(), x.clone()
        low[:, i], high[:, i] = -math.pi + 1e-9, math.pi - 1e-9
        torch.testing.assert_close(model.log_prob(low), model.log_prob(high), atol=1e-5, rtol=0)


@VARIANTS
def test_samples_on_a_cylinder_follow_the_density(options: dict[str, Any]) -> None:
    model = nsf(2, circular=[1], **options)
    n = 40_000
    with torch.no_grad():
        x = model.sample(n, generator=torch.Generator().manual_seed(0))
        line = torch.linspace(-9, 9, 600, dtype=torch.float64)
        angle = periodic_grid(200)[:200, 1]
        grid = torch.cartesian_prod(line, angle)
        density = model.log_prob(grid).exp()
    assert (x[:, 1].abs() <= math.pi).all()
    cell = (line[1] - line[0]) * (2 * math.pi / 200)
    assert (density.sum() * cell).item() == pytest.approx(1, abs=1e-3)
    values = [torch.cos(y[:, 0]) * torch.sin(y[:, 1] + 0.3) for y in (x, grid)]
    truth = (values[1] * density).sum() * cell
    assert abs(values[0].mean() - truth) < 4 * values[0].std() / math.sqrt(n)


def test_angles_keep_their_units() -> None:
    model = nsf(3, circular=[1])
    model.preprocessing = Standardise((3,), untouched=model.circular).double()
    x = 5 + 3 * torch.randn(1000, 3, dtype=torch.float64)
    x[:, 1] = wrap(x[:, 1])
    model.initialise(x)
    z, log_det = model.preprocessing(x)
    assert torch.equal(z[:, 1], x[:, 1])
    torch.testing.assert_close(z[:, 0].std(correction=0), torch.tensor(1.0).double())
    scale = x.std(0, correction=0)
    torch.testing.assert_close(log_det[0], -(scale[0] * scale[2]).log())


def test_the_recipe_for_the_torus_knows_the_angles() -> None:
    run = genlab.experiment("experiment=torus", "model.layers=1", "model.hidden=[8]")
    assert run.model.circular == (0, 1)
    run.initialise()
    x = run.data.test.x[:50]
    torch.testing.assert_close(run.model.preprocessing(x)[0], x)
    # An untrained flow is uniform on the torus.
    uniform = torch.full((50,), -2 * math.log(2 * math.pi))
    torch.testing.assert_close(run.model.log_prob(x), uniform)


def test_learns_the_torus() -> None:
    target = Torus()
    model = nsf(2, layers=2, hidden=[32, 32], circular=[0, 1]).float()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        optimizer.zero_grad()
        (-model.log_prob(target.sample(512, generator=generator)).mean()).backward()
        optimizer.step()
    x = target.sample(5000, generator=generator)
    with torch.no_grad():
        kl = (target.log_prob(x) - model.log_prob(x)).mean()
    # A uniform density is .82 nats above the optimum.
    assert kl < 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"circular": [2]}, r"circular: expected some of 0 \.\. 1, got \[2\]"),
        ({"circular": [0, 0]}, r"circular: expected some of 0 \.\. 1, got \[0, 0\]"),
        ({"circular": [0], "mixing": "lu"}, "mixing: angles must not be mixed; expected none"),
        ({"bins": 1000}, "bins: expected fewer than 1000, got 1000"),
    ],
)
def test_mistakes_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nsf(2, **options)


def test_what_is_no_angle_is_refused() -> None:
    model = nsf(2, circular=[1])
    x = torch.tensor([[100.0, 3.1], [0.0, -3.1]], dtype=torch.float64)
    model.initialise(x)
    with pytest.raises(UserError, match=r"circular=\[1\]: expected angles.* reaches 9.3 in size"):
        model.initialise(3 * x)


@VARIANTS
def test_angles_of_an_array_are_those_of_the_vector_that_it_becomes(
    options: dict[str, Any],
) -> None:
    array = nsf((2, 2), circular=[1, 2], **options)
    x = torch.randn(20, 2, 2, dtype=torch.float64)
    z, log_det = array.layers(x)
    rows = vmap(jacrev(lambda row: array.layers(row[None])[0][0]))(x).reshape(20, 4, 4)
    torch.testing.assert_close(log_det, torch.linalg.slogdet(rows).logabsdet)
    line = [0, 3]
    base = -0.5 * (z.flatten(1)[:, line].square() + math.log(2 * math.pi)).sum(1)
    truth = base - 2 * math.log(2 * math.pi) + log_det
    torch.testing.assert_close(array.log_prob(x), truth)
    turns = 2 * math.pi * torch.tensor([[0, 1], [-2, 0]], dtype=torch.float64)
    torch.testing.assert_close(array.log_prob(x + turns), truth)
    assert (array.log_prob(x + turns.flip(0)) != truth).all()
    samples = array.sample(500).flatten(1).abs()
    assert (samples[:, [1, 2]] <= math.pi).all()
    assert (samples[:, line] > math.pi).any()


def test_angles_of_an_array_keep_their_units() -> None:
    units = Standardise((2, 2), untouched=[1, 2])
    x = 5 + 3 * torch.randn(1000, 2, 2)
    z = units.initialise(x)
    assert torch.equal(z.flatten(1)[:, [1, 2]], x.flatten(1)[:, [1, 2]])
    torch.testing.assert_close(z.flatten(1)[:, [0, 3]].mean(0), torch.zeros(2), atol=1e-5, rtol=0)


PLAIN = ("model.scales=0", "model.mixing=none", "model.actnorm=false")


def test_pixels_are_no_angles() -> None:
    with pytest.raises(UserError, match=r"model\.circular=\[0\]: the pixels of images are no angl"):
        genlab.experiment("model=nsf", "data=digits", "model.circular=[0]", *PLAIN)
