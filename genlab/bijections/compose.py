"""One bijection after another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

from jaxtyping import Float
from torch import Tensor, nn

from genlab.bijections.bijection import Bijection

__all__ = ["Compose"]


class Compose(Bijection):
    """``f = f_N o ... o f_1``: the first layer touches the data, the last one gives the latent.

    Args:
        layers: The bijections, from data to latent.

    Raises:
        ValueError: There is no layer.
    """

    def __init__(self, layers: Iterable[Bijection]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        if not len(self.layers):
            raise ValueError("layers: expected at least one bijection, got none")

    def forward(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n *latent"], Float[Tensor, " n"]]:
        log_dets = []
        for layer in self:
            x, log_det = layer(x, context)
            log_dets.append(log_det)
        return x, sum(log_dets[1:], log_dets[0])

    def inverse(
        self, z: Float[Tensor, "n *latent"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        log_dets = []
        for layer in reversed(list(self)):
            z, log_det = layer.inverse(z, context)
            log_dets.append(log_det)
        return z, sum(log_dets[1:], log_dets[0])

    def generate(
        self, z: Float[Tensor, "n *latent"], context: Float[Tensor, "n c"] | None = None
    ) -> Float[Tensor, "n *event"]:
        for layer in reversed(list(self)):
            z = layer.generate(z, context)
        return z

    def encode(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None = None
    ) -> Float[Tensor, "n *latent"]:
        for layer in self:
            x = layer.encode(x, context)
        return x

    def initialise(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None = None
    ) -> Float[Tensor, "n *latent"]:
        for layer in self:
            x = layer.initialise(x, context)
        return x

    def __iter__(self) -> Iterator[Bijection]:
        return (cast(Bijection, layer) for layer in self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def steps(self) -> list[Bijection]:
        return [step for layer in self for step in layer.steps()]
