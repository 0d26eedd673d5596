"""A bijection of some coordinates of a vector, beside which the others pass."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genlab.bijections.bijection import Bijection
from genlab.nn.context import Context

__all__ = ["OnCoordinates"]


class OnCoordinates(Bijection):
    """``z_I = f(x_I)`` for the coordinates I, ``z_i = x_i`` for the others.

    References: arXiv:1912.02762.

    >>> import genlab, torch
    >>> from genlab.bijections import HalfLine, OnCoordinates
    >>> layer = OnCoordinates(HalfLine([0.0], tail="log"), [1], 3)
    >>> layer.generate(torch.zeros(1, 3))
    tensor([[0., 1., 0.]])

    Args:
        inner: ``f``, of as many coordinates as it is given; a context is passed on to it.
        places: I, in the order in which f takes them.
        dim: Number of coordinates.

    Raises:
        ValueError: A coordinate does not exist, or is named twice.
    """

    chosen: Int[Tensor, " i"]
    others: Int[Tensor, " o"]
    order: Int[Tensor, " d"]

    def __init__(self, inner: Bijection, places: Sequence[int], dim: int) -> None:
        super().__init__()
        if any(not 0 <= i < dim for i in places) or len(set(places)) < len(places):
            raise ValueError(f"places: expected some of 0 .. {dim - 1}, got {list(places)}")
        self.inner = inner
        self.places = tuple(places)
        self.dim = dim
        self.set_constants()

    def constant_tensors(self) -> dict[str, Tensor]:
        chosen = torch.tensor(self.places, dtype=torch.long)
        others = torch.tensor(
            [i for i in range(self.dim) if i not in self.places], dtype=torch.long
        )
        return {"chosen": chosen, "others": others, "order": torch.cat((chosen, others)).argsort()}

    def forward(
        self, x: Float[Tensor, "n d"], context: Context = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        z, log_det = self.inner(x[:, self.chosen], context)
        return self._beside(z, x), log_det

    def inverse(
        self, z: Float[Tensor, "n d"], context: Context = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        x, log_det = self.inner.inverse(z[:, self.chosen], context)
        return self._beside(x, z), log_det

    def generate(self, z: Float[Tensor, "n d"], context: Context = None) -> Float[Tensor, "n d"]:
        return self._beside(self.inner.generate(z[:, self.chosen], context), z)

    def initialise(self, x: Float[Tensor, "n d"], context: Context = None) -> Float[Tensor, "n d"]:
        return self._beside(self.inner.initialise(x[:, self.chosen], context), x)

    @property
    def interval(self) -> tuple[Float[Tensor, " d"], Float[Tensor, " d"]] | None:
        if self.inner.interval is None:
            return None
        low, high = (torch.as_tensor(edges) for edges in self.inner.interval)
        line = low.new_full((self.dim,), torch.inf)
        lows, highs = -line, line.clone()
        lows[self.chosen], highs[self.chosen] = low, high
        return lows, highs

    def _beside(self, part: Float[Tensor, "n i"], whole: Float[Tensor, "n d"]) -> Tensor:
        return torch.cat((part, whole[:, self.others]), 1)[:, self.order]

    def extra_repr(self) -> str:
        return f"{list(self.places)} of {self.dim}"
