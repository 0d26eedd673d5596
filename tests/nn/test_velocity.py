"""Velocity networks: their Jacobians against autograd, their times, contexts and shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest
import torch
from properties import disturb
from torch import nn
from torch.func import jacrev, vmap

from genlab.models import CNF
from genlab.nn import (
    ActiveScalar,
    ConcatSquashMLP,
    ResidualConvNet,
    ResidualMLP,
    Solenoidal,
    SpectralNet,
    UNet,
    Velocity,
)

Make = Callable[..., Velocity]


class Quadratic(Velocity):
    """``v_i = t x_i^2 + sum x``: differentiated as any network is."""

    def forward(self, x, t, context=None):
        flat = x.flatten(1)
        v = t.reshape(-1, 1) * flat.square() + flat.sum(1, keepdim=True)
        return (v if context is None else v * context.sum(1, keepdim=True)).view_as(x)


class Wind(Velocity):
    """The same everywhere."""

    def __init__(self):
        super().__init__()
        self.speed = nn.Parameter(torch.ones(2))

    def forward(self, x, t, context=None):
        return self.speed.expand_as(x)


NETWORKS: dict[str, tuple[tuple[int, ...], Make]] = {}
for activation in ("silu", "tanh", "softplus", "gelu"):
    for hidden in ([7], [6, 7], [5, 6, 7]):
        squash = partial(ConcatSquashMLP, hidden=hidden, activation=activation, frequencies=3)
        NETWORKS[f"concat_squash-{activation}-{len(hidden)}"] = ((3,), squash)
    for waves in (0, 4):
        residual = partial(
            ResidualMLP,
            width=6,
            blocks=2,
            activation=activation,
            waves=waves,
            wave_scale=2.0,
            frequencies=3,
        )
        NETWORKS[f"residual_mlp-{activation}-{waves}"] = ((3,), residual)
small = partial(UNet, channels=[4, 8], blocks=1, embedding=8, frequencies=3)
NETWORKS |= {
    "concat_squash-line": ((1,), NETWORKS["concat_squash-silu-2"][1]),
    "residual_mlp-image": ((1, 2, 3), NETWORKS["residual_mlp-silu-4"][1]),
    "unet": ((2, 5, 4), partial(small, condition_shape=[])),
    "unet-grey": ((4, 5), partial(small, condition_shape=[1, 2, 2])),
    "unet-periodic": ((1, 5, 5), partial(small, padding="circular")),
    "residual_conv": ((1, 5, 5), partial(ResidualConvNet, width=4, blocks=1, embedding=8)),
    "spectral": ((1, 5, 5), partial(SpectralNet, width=3, blocks=2, embedding=8)),
    "spectral-low": ((2, 6, 6), partial(SpectralNet, width=3, modes=1, activation="silu")),
    "spectral-grey": ((6, 6), partial(SpectralNet, width=3, blocks=1, embedding=8)),
    "active_scalar": ((2, 5, 5), partial(ActiveScalar, embedding=8)),
    "active_scalar-grey": ((6, 6), partial(ActiveScalar, embedding=8)),
    "solenoidal": (
        (2, 5, 5),
        lambda shape, context_dim: Solenoidal(
            ResidualConvNet(shape, width=4, blocks=1, context_dim=context_dim), shape
        ),
    ),
    "any": ((2, 2), lambda event_shape, context_dim: Quadratic()),
}


def cases() -> Iterator[object]:
    for name in NETWORKS:
        for context_dim in (0, 5):
            if context_dim or name != "unet-grey":
                yield pytest.param(name, context_dim, id=f"{name}-{context_dim}")


@pytest.mark.parametrize("many", [False, True], ids=["one-time", "times"])
@pytest.mark.parametrize(("name", "context_dim"), list(cases()))
def test_divergence_and_tangents_are_those_of_the_autograd_jacobian(
    name: str, context_dim: int, many: bool
) -> None:
    shape, make = NETWORKS[name]
    network = disturb(make(shape, context_dim=context_dim)).double()
    x, t = torch.randn(4, *shape).double(), torch.rand(4 if many else ()).double()
    c = torch.randn(4, context_dim).double() if context_dim else None

    def one(x, t, c):
        return network(x[None], t[None], None if c is None else c[None])[0]

    dims = (0, 0 if many else None, None if c is None else 0)
    jacobian = vmap(jacrev(one), in_dims=dims)(x, t, c).reshape(4, x[0].numel(), -1)
    v, divergence = network.with_divergence(x, t, c)
    torch.testing.assert_close(v, network(x, t, c))
    torch.testing.assert_close(divergence, jacobian.diagonal(dim1=1, dim2=2).sum(1))
    for directions in (torch.randn(2, 4, *shape), torch.randn(3, 1, *shape)):
        v, columns = network.with_tangents(x, t, c, directions.double())
        truth = torch.einsum("nij,knj->kni", jacobian, directions.double().flatten(2))
        torch.testing.assert_close(v, network(x, t, c))
        torch.testing.assert_close(columns.flatten(2), truth.expand_as(columns.flatten(2)))
    probe = torch.randn(4, *shape).double()
    truth = torch.einsum("ni,nij,nj->n", probe.flatten(1), jacobian, probe.flatten(1))
    for with_graph in (False, True):
        with torch.set_grad_enabled(with_graph):
            v, estimate = network.with_estimate(x, t, c, probe)
        assert with_graph or not v.requires_grad
        torch.testing.assert_close(v, network(x, t, c))
        torch.testing.assert_close(estimate, truth)
    with torch.inference_mode():
        torch.testing.assert_close(network.with_estimate(1 * x, t, c, probe)[1], truth)


@pytest.mark.parametrize("name", NETWORKS)
def test_who_knows_its_divergence_takes_no_tangents(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape, make = NETWORKS[name]
    network, taken = make(shape, context_dim=5), []
    tangents = type(network).with_tangents
    monkeypatch.setattr(
        type(network), "with_tangents", lambda *given: taken.append(name) or tangents(*given)
    )
    network.with_divergence(torch.randn(2, *shape), torch.tensor(0.3), torch.randn(2, 5))
    assert network.knows_divergence == (not taken)


def test_the_estimate_of_a_wind_that_blows_everywhere_alike_is_zero() -> None:
    x, t = torch.randn(3, 2), torch.tensor(0.3)
    for with_graph in (False, True):
        with torch.set_grad_enabled(with_graph):
            v, estimate = Wind().with_estimate(x, t, None, torch.ones(3, 2))
        assert torch.equal(v, torch.ones(3, 2))
        assert not estimate.any()


@pytest.mark.parametrize(
    "name",
    ["concat_squash-silu-2", "residual_mlp-silu-4", "unet", "residual_conv", "spectral"],
)
def test_the_divergence_has_gradients_for_every_parameter(name: str) -> None:
    shape, make = NETWORKS[name]
    network = disturb(make(shape, context_dim=2))
    _, divergence = network.with_divergence(
        torch.randn(4, *shape), torch.tensor(0.3), torch.randn(4, 2)
    )
    divergence.square().sum().backward()
    # What is added behind the last nonlinearity does not show in a Jacobian.
    silent = {"last.bias"}
    for key, parameter in network.named_parameters():
        assert (parameter.grad is not None and parameter.grad.any()) or key in silent, key


@pytest.mark.parametrize(
    "name", ["concat_squash-silu-2", "unet", "residual_conv", "spectral", "active_scalar"]
)
def test_the_velocity_starts_at_zero(name: str) -> None:
    shape, make = NETWORKS[name]
    assert not make(shape, context_dim=0)(torch.randn(4, *shape), torch.tensor(0.3)).any()


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 7, 7), (28, 28), (1, 2, 2)])
def test_a_unet_works_on_images_of_any_size(shape: tuple[int, ...]) -> None:
    network = disturb(small(shape, condition_shape=[], context_dim=3))
    x, c = torch.randn(2, *shape), torch.randn(2, 3)
    v = network(x, torch.rand(2), c)
    assert v.shape == x.shape
    # Each sample on its own.
    torch.testing.assert_close(network(x[:1], torch.tensor(0.2), c[:1])[0],
                               network(x, torch.tensor(0.2), c)[0])  # fmt: skip


def test_a_unet_sees_the_conditioning_image_where_it_is() -> None:
    network = disturb(
        UNet(
            (1, 8, 8),
            channels=[8],
            blocks=1,
            embedding=8,
            frequencies=2,
            condition_shape=[1, 4, 4],
            context_dim=17,
        )
    )
    network.norm = torch.nn.Identity()
    for block in network.modules():
        if hasattr(block, "norms"):
            block.norms = torch.nn.ModuleList([torch.nn.Identity(), torch.nn.Identity()])
    x, given = torch.randn(1, 1, 8, 8), torch.zeros(1, 17)
    other = given.clone()
    other[0, 0] = 5.0  # the upper left corner of the conditioning image
    change = (network(x, torch.tensor(0.5), other) - network(x, torch.tensor(0.5), given)).abs()
    assert change[0, 0, 0, 0] > 0
    # Three blocks, and the first and the last convolution, carry it eight pixels at most.
    assert change[0, 0, 0, 0] > 10 * change[0, 0, 7, 7]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"event_shape": (2,)},
            r"event_shape: expected samples of shape .* got \[2\]; use `ResidualMLP`",
        ),
        ({"channels": []}, "channels: expected at least one"),
        ({"condition_shape": [1, 7, 7]}, r"condition_shape=\[1, 7, 7\]: 49 numbers, but .* has 0"),
        ({"condition_shape": [7]}, r"condition_shape: expected .* got \[7\]"),
    ],
)
def test_a_unet_names_what_does_not_fit(options: dict[str, object], message: str) -> None:
    usual = {"event_shape": (1, 8, 8), "channels": [4], "condition_shape": []}
    with pytest.raises(ValueError, match=message):
        UNet(**{**usual, "blocks": 1, "embedding": 8, "frequencies": 2, **options})


def test_an_mlp_needs_a_hidden_layer() -> None:
    with pytest.raises(ValueError, match="hidden: expected at least one"):
        ConcatSquashMLP((2,), hidden=[], activation="silu", frequencies=2)


@pytest.mark.parametrize("activation", ["silu", "tanh", "softplus", "gelu"])
def test_without_gradients_a_residual_network_says_the_same(activation: str) -> None:
    """There its rows pass in pieces, in place."""
    network = ResidualMLP((2,), width=16, blocks=2, activation=activation, context_dim=1)
    disturb(network)
    x, context = torch.randn(1100, 2), torch.randn(1100, 1)
    before = x.clone()
    for t in (torch.tensor(0.3), torch.rand(1100)):
        with torch.no_grad():
            found = network(x, t, context)
            divergence = network.with_divergence(x, t, context)
        torch.testing.assert_close(found, network(x, t, context), rtol=1e-5, atol=1e-5)
        expected = network.with_divergence(x, t, context)
        torch.testing.assert_close(divergence, expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(x, before)


def test_dropout_keeps_the_mean_of_a_residual_layer_and_ends_with_training() -> None:
    network = ResidualMLP((2,), width=16, blocks=1, dropout=0.3)
    disturb(network)
    x, t = torch.randn(5, 2), torch.tensor(0.3)
    drawn = torch.stack([network(x, t) for _ in range(4000)])
    network.eval()
    whole = network(x, t)
    error = drawn.std(0) / 4000**0.5
    assert (error > 0).all()
    # One residual layer: what follows it is linear.
    assert ((drawn.mean(0) - whole) / error).abs().max() < 5
    torch.testing.assert_close(network.with_divergence(x, t)[0], whole)


def test_a_solver_follows_no_network_with_dropout() -> None:
    with pytest.raises(ValueError, match=r"network.dropout=0.2: .* expected 0"):
        CNF(2, network=partial(ResidualMLP, dropout=0.2))
