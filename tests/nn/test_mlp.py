"""Multilayer perceptrons, with and without gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import jacfwd, jacrev, vmap
from torch.utils._python_dispatch import TorchDispatchMode

from genlab.nn import MLP


class Written(TorchDispatchMode):
    """The memory that operations write their results to.

    Attributes:
        results: Kept, so that no place is given away twice.
    """

    def __init__(self) -> None:
        super().__init__()
        self.results: list[Tensor] = []

    def places(self) -> set[int]:
        return {result.untyped_storage().data_ptr() for result in self.results}

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = operation(*args, **(kwargs or {}))
        if not operation.is_view:
            self.results.append(result)
        return result


def network() -> MLP:
    return MLP(3, 2, hidden=[8, 8], activation="relu").double()


def by_hand(layers: MLP, x: Tensor) -> Tensor:
    *hidden, last = (layer for layer in layers if isinstance(layer, torch.nn.Linear))
    for layer in hidden:
        x = (x @ layer.weight.T + layer.bias).clamp_min(0)
    return x @ last.weight.T + last.bias


def test_without_gradients_a_layer_takes_one_piece_of_memory_and_says_the_same() -> None:
    layers, x = network(), torch.randn(5, 3).double()
    points = x.clone()
    with torch.no_grad(), Written() as written:
        y = layers(x)
    assert len(written.places()) == 3  # one for each affine map
    torch.testing.assert_close(y, by_hand(layers, points))
    torch.testing.assert_close(layers(x), y, rtol=0, atol=0)
    assert torch.equal(x, points)


@pytest.mark.parametrize("derivative", [jacrev, jacfwd])
def test_transforms_see_its_slopes_without_gradients_around_them(derivative: Any) -> None:
    layers, x = network(), torch.randn(5, 3).double()
    expected = vmap(jacrev(lambda row: by_hand(layers, row)))(x)
    with torch.no_grad():
        found = vmap(derivative(lambda row: layers(row[None])[0]))(x)
    torch.testing.assert_close(found, expected)
