"""Half-lines, carried onto the whole line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from genlab.bijections.bijection import Bijection
from genlab.nn.context import Context

__all__ = ["HalfLine", "Tail"]

Tail = Literal["log", "linear"]


class HalfLine(Bijection):
    """From numbers on one side of an edge to all of the line, coordinate by coordinate.

    With ``y = |x - edge| > 0``, the tail ``log`` is ``z = log y``: what is large is told by its
    order of magnitude, and a normal z is a log-normal y. The tail ``linear`` is
    ``z = log(exp(y / s) - 1)``, the inverse of ``y = s softplus(z)``, with s the mean of y over the
    data that `initialise` sees: a logarithm near the edge, and ``y / s`` far from it.

    Beyond the edge, where a density is 0, the log-determinant is ``-inf`` and z is that of the
    nearest point inside. What `inverse` returns lies strictly inside, also after rounding.

    References: arXiv:1912.02762; Aitchison, Brown, "The lognormal distribution", 1957; for the
    softplus Dugas, Bengio et al., "Incorporating second-order functional knowledge for better
    option pricing", 2001.

    >>> import genlab, torch
    >>> layer = genlab.bijections.HalfLine([0.0, 1.0], tail="log")
    >>> z, log_det = layer(torch.tensor([[1.0, 2.0]]))
    >>> z.tolist(), log_det.tolist()
    ([[0.0, 0.0]], [0.0])

    Args:
        edges: The edge of each coordinate.
        upward: For each whether its numbers are above the edge; None where all are.
        tail: What becomes of large distances.

    Raises:
        ValueError: There are not as many sides as edges.
    """

    edge: Float[Tensor, " d"]
    side: Float[Tensor, " d"]
    log_scale: Float[Tensor, " d"]

    def __init__(
        self, edges: Sequence[float], *, upward: Sequence[bool] | None = None, tail: Tail = "linear"
    ) -> None:
        super().__init__()
        self.edges = tuple(edges)
        self.upward = (True,) * len(self.edges) if upward is None else tuple(upward)
        if len(self.upward) != len(self.edges):
            raise ValueError(f"upward: expected {len(self.edges)} sides, got {len(self.upward)}")
        self.tail = tail
        self.register_buffer("log_scale", torch.zeros(len(self.edges)))
        self.set_constants()

    def constant_tensors(self) -> dict[str, Tensor]:
        side = [1.0 if up else -1.0 for up in self.upward]
        return {
            "edge": torch.tensor(self.edges, dtype=torch.float64),
            "side": torch.tensor(side, dtype=torch.float64),
        }

    def forward(
        self, x: Float[Tensor, "n d"], context: Context = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        distance = (x - self.edge) * self.side
        # Clamped before the logarithm, masked after it: no gradient is NaN.
        y = (distance * (-self.log_scale).exp()).clamp_min(torch.finfo(x.dtype).tiny)
        if self.tail == "log":
            z = y.log()
            log_slope = -z
        else:
            near = -torch.expm1(-y)
            z, log_slope = y + near.log(), -near.log()
        log_det = (log_slope - self.log_scale).sum(1)
        return z, log_det.where((distance >= 0).all(1), -torch.inf)

    def inverse(
        self, z: Float[Tensor, "n d"], context: Context = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        log_slope = z if self.tail == "log" else logsigmoid(z)
        return self.generate(z), (log_slope + self.log_scale).sum(1)

    def generate(self, z: Float[Tensor, "n d"], context: Context = None) -> Float[Tensor, "n d"]:
        # torch goes over to the line at 20, two billionths early.
        y = z.exp() if self.tail == "log" else softplus(z, threshold=40)
        # Numbers that the type has, and none that is rounded onto the edge.
        y = (y * self.log_scale.exp()).clamp_max(torch.finfo(z.dtype).max / 2)
        x = self.edge + self.side * y
        inside = self.edge.nextafter(self.edge + self.side * (1 + self.edge.abs()))
        return torch.where(self.side > 0, x.maximum(inside), x.minimum(inside))

    @torch.no_grad()
    def initialise(self, x: Float[Tensor, "n d"], context: Context = None) -> Float[Tensor, "n d"]:
        if self.tail == "linear":
            mean = ((x - self.edge) * self.side).clamp_min(0).mean(0)
            self.log_scale.copy_(mean.where(mean > 0, 1.0).log())
        return self.forward(x)[0]

    @property
    def interval(self) -> tuple[Float[Tensor, " d"], Float[Tensor, " d"]]:
        end = self.edge.new_full((), torch.inf)
        return self.edge.where(self.side > 0, -end), self.edge.where(self.side < 0, end)

    def extra_repr(self) -> str:
        sides = zip(self.edges, self.upward, strict=True)
        shown = ", ".join(f"{'>' if up else '<'} {edge:g}" for edge, up in sides)
        return f"{shown}, tail={self.tail}"
