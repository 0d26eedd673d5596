"""Couplings in turn on the two halves of the coordinates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.bijections.bijection import Bijection
from genlab.bijections.coupling import Coupling, log_det_of

__all__ = ["AlternatingCouplings"]


class AlternatingCouplings(Bijection):
    """Couplings that take turns on the two halves: ``x`` is split once and joined once.

    The same map as the composition of the couplings, without the copies in between, which cost a
    small flow a third of its training step.

    Args:
        couplings: The couplings, from data to latent; all of one split, flipped or not.
    """

    def __init__(self, couplings: Iterable[Coupling]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(couplings)

    def forward(
        self, x: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        return self._run(x, context, inverse=False)

    def inverse(
        self, z: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        return self._run(z, context, inverse=True)

    def __iter__(self) -> Iterator[Coupling]:
        return (cast(Coupling, layer) for layer in self.layers)

    def steps(self) -> list[Bijection]:
        return list(self)

    def _run(
        self, x: Tensor, context: Tensor | None, *, inverse: bool
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        couplings = list(self)
        halves = couplings[0].split.halves(x)
        log_derivatives = []
        for layer in reversed(couplings) if inverse else couplings:
            passive, active = layer.split.places
            parameters = layer.parameters_of(halves[passive], halves[active], context)
            scalar_map = layer.scalar_map.inverse if inverse else layer.scalar_map
            halves[active], log_derivative = scalar_map(halves[active], parameters)
            log_derivatives.append(log_derivative)
        return torch.cat(halves, dim=1), log_det_of(x, log_derivatives)
