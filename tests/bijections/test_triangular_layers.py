"""The parts of a block-triangular map: bounded couplings, their stack, frozen coordinates."""

from __future__ import annotations

import math

import torch
from properties import coupling, disturb
from torch.func import jacrev, vmap

from genlab import bijections as b


def stack(dim: int) -> b.ScaledCouplings:
    sizes = (dim - dim // 2, dim // 2, dim - dim // 2)
    maps = (b.BoundedAffine(size, alpha=0.6) for size in sizes)
    return b.ScaledCouplings(
        coupling(scalar_map, dim, 0, flip=i == 1) for i, scalar_map in enumerate(maps)
    )


def jacobian(bijection: b.Bijection, x: torch.Tensor) -> torch.Tensor:
    return vmap(jacrev(lambda row: bijection(row[None])[0][0]))(x)


def test_a_bounded_affine_map_keeps_its_bounds_whatever_the_network_says() -> None:
    scalar_map = b.BoundedAffine(3, alpha=0.6).double()
    torch.nn.init.normal_(scalar_map.beta)
    x = torch.randn(200, 3).double()
    parameters = 1e3 * torch.randn(200, 2, 3).double()
    z, log_derivative = scalar_map(x, parameters)
    assert (log_derivative >= math.log(0.4) - 1e-12).all()
    assert (log_derivative <= math.log(1.6) + 1e-12).all()
    assert ((z - x * log_derivative.exp()).abs() <= scalar_map.beta.exp() + 1e-9).all()


def test_a_bounded_affine_map_is_the_printed_one() -> None:
    scalar_map = b.BoundedAffine(1, alpha=0.3).double()
    torch.nn.init.constant_(scalar_map.beta, 0.5)
    parameters = torch.tensor([[[0.7], [-1.1]]], dtype=torch.float64)
    z, log_derivative = scalar_map(torch.tensor([[2.0]], dtype=torch.float64), parameters)
    scale = 1 + 0.3 * math.tanh(0.7)
    assert math.isclose(z.item(), 2 * scale + math.exp(0.5) * math.tanh(-1.1), rel_tol=1e-12)
    assert math.isclose(log_derivative.item(), math.log(scale), rel_tol=1e-12)


def test_scaled_couplings_are_the_composition_of_their_steps() -> None:
    layer = disturb(stack(5)).double()
    steps = b.Compose(layer.steps())
    assert len(layer.steps()) == 3
    x = torch.randn(30, 5).double()
    for whole, parts in ((layer(x), steps(x)), (layer.inverse(x), steps.inverse(x))):
        torch.testing.assert_close(whole, parts)


def test_scaled_couplings_start_from_data_layer_by_layer() -> None:
    layer = disturb(stack(4))
    x = 5 * torch.randn(2000, 4) + 3
    z = layer.initialise(x)
    torch.testing.assert_close(z, layer(x)[0])
    for step in layer.steps():
        norm, after = step
        x = norm(x)[0]
        torch.testing.assert_close(x.mean(0), torch.zeros(4), atol=1e-4, rtol=0)
        torch.testing.assert_close(x.std(0, correction=0), torch.ones(4), atol=1e-4, rtol=0)
        x = after(x)[0]


def test_the_inverse_passes_gradients_to_every_parameter() -> None:
    layer = disturb(stack(4))
    x, log_det = layer.inverse(torch.randn(20, 4))
    (x.square().sum() + log_det.sum()).backward()
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


def test_the_jacobian_of_frozen_coordinates_is_the_identity() -> None:
    layer = b.Freeze(disturb(stack(3)), 3).double()
    x = torch.randn(6, 5).double()
    truth = torch.eye(5).double().repeat(6, 1, 1)
    truth[:, :3, :3] = jacobian(layer.inner, x[:, :3])
    torch.testing.assert_close(jacobian(layer, x), truth)
    steps = b.Compose(layer.steps())
    assert len(layer.steps()) == 3
    torch.testing.assert_close(steps(x), layer(x))


def test_a_whole_split_leaves_nothing_to_pass() -> None:
    split = b.WholeSplit(2)
    x = torch.randn(4, 2)
    x_a, x_b = split.separate(x)
    assert x_a.shape == (4, 0)
    torch.testing.assert_close(split.join(x_a, x_b), x)
