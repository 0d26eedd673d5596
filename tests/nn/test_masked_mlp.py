"""The masked network: what each output sees."""

from __future__ import annotations

import pytest
import torch
from torch.func import jacrev, vmap

from genlab.nn import AngleFeatures, MaskedMLP, Periodic, wrap


def network(degrees: list[int], hidden: list[int], context_dim: int) -> MaskedMLP:
    return MaskedMLP(
        degrees, degrees, repeats=3, hidden=hidden, activation="tanh", context_dim=context_dim
    ).double()


@pytest.mark.parametrize("context_dim", [0, 2])
@pytest.mark.parametrize("hidden", [[], [7], [32, 24], [3, 3]], ids=str)
@pytest.mark.parametrize("degrees", [[1], [1, 2], [4, 3, 2, 1], [2, 5, 1, 3, 4]], ids=str)
def test_an_output_sees_the_inputs_before_it_and_no_other(
    degrees: list[int], hidden: list[int], context_dim: int
) -> None:
    net = network(degrees, hidden, context_dim)
    d = len(degrees)
    x = torch.randn(20, d, dtype=torch.float64)
    c = torch.randn(20, context_dim, dtype=torch.float64) if context_dim else None

    def one(x: torch.Tensor, c: torch.Tensor | None) -> torch.Tensor:
        return net(x[None], None if c is None else c[None])[0]

    axes = (0, None if c is None else 0)
    seen = vmap(jacrev(one), in_dims=axes)(x, c).abs().amax(0).view(3, d, d) > 0
    order = torch.tensor(degrees)
    allowed = order[None, :] < order[:, None]
    assert not (seen & ~allowed).any()
    if not hidden or min(hidden) >= 2 * d:
        assert (seen == allowed).all()
    if c is not None:
        by_context = vmap(jacrev(one, argnums=1), in_dims=axes)(x, c).abs().amax(0)
        assert (by_context > 0).all()


def test_one_output_is_a_column_of_all() -> None:
    net = network([2, 1, 3], [16], 0)
    x = torch.randn(5, 3, dtype=torch.float64)
    everything = net(x).view(5, 3, 3)
    for i in range(3):
        torch.testing.assert_close(net.one(x, None, i), everything[:, :, i])


def test_starts_from_zero() -> None:
    net = MaskedMLP(
        [1, 2], [1, 2], repeats=4, hidden=[8], activation="relu", context_dim=0, zero_last=True
    )
    assert not net(torch.randn(3, 2)).any()


def test_features_of_angles_are_periodic() -> None:
    features = AngleFeatures([False, True, True])
    x = torch.randn(10, 3, dtype=torch.float64)
    seen = features(x)
    assert seen.shape == (10, len(features.sources)) == (10, 5)
    assert features.sources == [0, 1, 2, 1, 2]
    torch.testing.assert_close(seen[:, 0], x[:, 0])
    torch.testing.assert_close(seen[:, 1].square() + seen[:, 3].square(), torch.ones(10).double())
    turned = x + 2 * torch.pi * torch.tensor([0, 1, -2], dtype=torch.float64)
    torch.testing.assert_close(features(turned), seen)
    linear = torch.nn.Linear(5, 2).double()

    class Plain(torch.nn.Module):
        def forward(self, x: torch.Tensor, context: torch.Tensor | None) -> torch.Tensor:
            return linear(x)

    torch.testing.assert_close(Periodic(features, Plain())(turned), linear(seen))


def test_wrap_keeps_what_lies_in_one_turn() -> None:
    x = torch.tensor([0.0, 1e-20, 3.1, -3.1, 7.0, -1e4])
    wrapped = wrap(x)
    assert torch.equal(wrapped[:4], x[:4])
    torch.testing.assert_close(wrapped.cos(), x.cos(), atol=1e-3, rtol=0)
    assert (wrapped.abs() <= torch.pi).all()
