"""Two scalar maps side by side: one for some coordinates, another for the rest."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genlab.bijections.scalar_map import ScalarMap

__all__ = ["Mixed"]


class Mixed(ScalarMap):
    """``z_i = g(x_i; p_i)`` or ``z_i = h(x_i; p_i)``, as a list says for each coordinate.

    Args:
        plain: The map ``g``.
        special: The map ``h``.
        which: Whether a coordinate belongs to ``h``; some do and some do not.
    """

    order: Int[Tensor, " d"]
    place: Int[Tensor, " d"]

    def __init__(self, plain: ScalarMap, special: ScalarMap, which: Sequence[bool]) -> None:
        super().__init__()
        self.n_parameters = max(plain.n_parameters, special.n_parameters)
        self.plain = plain
        self.special = special
        self.which = tuple(which)
        self.set_constants()

    def constant_tensors(self) -> dict[str, Tensor]:
        order = torch.tensor(self.which).long().argsort(stable=True)
        return {"order": order, "place": order.argsort()}

    def forward(
        self, x: Float[Tensor, "n d"], parameters: Float[Tensor, "n P d"]
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"] | None]:
        return self._map(x, parameters, inverse=False)

    def inverse(
        self, z: Float[Tensor, "n d"], parameters: Float[Tensor, "n P d"]
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"] | None]:
        return self._map(z, parameters, inverse=True)

    def part(self, columns: slice) -> ScalarMap:
        which = self.which[columns]
        if all(which):
            return self.special
        return Mixed(self.plain, self.special, which) if any(which) else self.plain

    def _map(self, x: Tensor, parameters: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        sizes = [self.which.count(False), self.which.count(True)]
        points = x.index_select(1, self.order).split(sizes, dim=1)
        tables = parameters.index_select(2, self.order).split(sizes, dim=2)
        images, log_derivatives = [], []
        for one, part, table in zip((self.plain, self.special), points, tables, strict=True):
            image, log_derivative = (one.inverse if inverse else one)(
                part, table[:, : one.n_parameters]
            )
            images.append(image)
            log_derivatives.append(
                torch.zeros_like(image) if log_derivative is None else log_derivative
            )
        return (
            torch.cat(images, dim=1).index_select(1, self.place),
            torch.cat(log_derivatives, dim=1).index_select(1, self.place),
        )
