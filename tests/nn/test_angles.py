"""Angles: their representative in one turn, and networks that are periodic in them."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch
from properties import disturb, jacobian

from genlab.nn import (
    AngleFeatures,
    ConcatSquashMLP,
    PeriodicVelocity,
    ResidualMLP,
    squared_turns,
    wrap,
    wrap_columns,
)

NETWORKS = {
    "residual_mlp": partial(ResidualMLP, width=8, blocks=1, waves=3, wave_scale=1.0),
    "concat_squash": partial(ConcatSquashMLP, hidden=[8, 8], activation="tanh", frequencies=1),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_angle_has_one_representative(dtype: torch.dtype) -> None:
    edges = torch.tensor([0.0, math.pi, -math.pi, 3 * math.pi, 1e-20, -1e-20], dtype=dtype)
    edges = torch.cat((edges, edges.nextafter(edges + 1), edges.nextafter(edges - 1)))
    angles = torch.cat((edges, 20 * torch.randn(2000, dtype=dtype)))
    found = wrap(angles)
    pi = torch.tensor(math.pi, dtype=dtype)
    assert ((found >= -pi) & (found < pi)).all()
    assert torch.equal(wrap(found), found)
    inside = (angles >= -pi) & (angles < pi)
    assert torch.equal(found[inside], angles[inside])
    turns = (angles.double() - found.double()).numpy() / (2 * math.pi)
    np.testing.assert_allclose(turns, turns.round(), atol=2e-6 if dtype == torch.float32 else 1e-14)


def test_wrapping_keeps_the_gradient_and_what_is_no_number() -> None:
    x = torch.tensor([1.0, math.pi, -math.pi, 7.0, -40.0], requires_grad=True)
    (gradient,) = torch.autograd.grad(wrap(x).sum(), x)
    assert torch.equal(gradient, torch.ones(5))
    assert wrap(torch.tensor([math.nan, math.inf])).isnan().all()


def test_some_columns_are_wrapped() -> None:
    x = 9 * torch.randn(5, 4)
    found = wrap_columns(x, [2, 0])
    assert torch.equal(found[:, [0, 2]], wrap(x[:, [0, 2]]))
    assert torch.equal(found[:, [1, 3]], x[:, [1, 3]])
    assert wrap_columns(x, []) is x


def test_the_shorter_way_round() -> None:
    x, y = 2 * torch.randn(6, 3).double(), 2 * torch.randn(4, 3).double()
    ways = x[:, None] - y
    turns = 2 * math.pi * torch.arange(-3, 4).double()
    shortest = (ways[..., None] + turns).square().amin(3)
    expected = shortest[..., 0] + ways[..., 1].square() + shortest[..., 2]
    torch.testing.assert_close(squared_turns(x, y, [0, 2]), expected)


def test_features_lead_back_to_their_coordinates() -> None:
    x = wrap_columns(3 * torch.randn(7, 4), [3, 1])
    features = AngleFeatures([False, True, False, True])
    torch.testing.assert_close(features.coordinates(features(x)), x)


@pytest.mark.parametrize("circular", [(0, 1, 2), (1,), (2, 0)], ids=str)
@pytest.mark.parametrize("network", NETWORKS)
def test_a_velocity_on_circles_is_periodic_and_knows_its_derivatives(
    network: str, circular: tuple[int, ...]
) -> None:
    make = NETWORKS[network]
    velocity = PeriodicVelocity((3,), network=make, circular=circular, context_dim=2)
    disturb(velocity).double()
    x, c, t = torch.randn(5, 3).double(), torch.randn(5, 2).double(), torch.rand(5).double()
    v = velocity(x, t, c)
    turned = x.clone()
    turned[:, list(circular)] += 2 * math.pi
    torch.testing.assert_close(velocity(turned, t, c), v, atol=1e-12, rtol=1e-12)
    truth = jacobian(lambda x: velocity(x, t, c), x)
    also_v, divergence = velocity.with_divergence(x, t, c)
    torch.testing.assert_close(also_v, v)
    torch.testing.assert_close(divergence, truth.diagonal(dim1=1, dim2=2).sum(1))
    directions = torch.randn(2, 5, 3).double()
    _, along = velocity.with_tangents(x, t, c, directions)
    torch.testing.assert_close(along, torch.einsum("nij,knj->kni", truth, directions))
