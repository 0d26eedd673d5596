"""The wrapped normal distribution: a Gaussian wound round the circle."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from genlab.densities.density import Circular, Density
from genlab.nn.angles import angle_mask, wrap
from genlab.nn.context import Context

__all__ = ["WINDINGS", "WrappedNormal", "normal_log_prob", "wound_log_prob"]

WINDINGS = 3
"""Turns to each side that are summed: all but 2e-11 of a density at pi, the largest deviation."""


def normal_log_prob(
    off: Float[Tensor, "*shape"], deviation: Float[Tensor, "*#shape"]
) -> Float[Tensor, "*shape"]:
    """``log N(a; 0, s^2)`` of single numbers.

    >>> normal_log_prob(torch.zeros(()), torch.ones(()))
    tensor(-0.9189)

    Args:
        off: Differences from the mean.
        deviation: ``s``.
    """
    return -0.5 * (off / deviation).square() - deviation.log() - 0.5 * math.log(2 * math.pi)


def wound_log_prob(
    turn: Float[Tensor, "*shape"], deviation: Float[Tensor, "*#shape"]
) -> Float[Tensor, "*shape"]:
    """``log sum_n N(wrap(a) + 2 pi n; 0, s^2)``, the log-density of the angle a.

    (Mardia, Jupp, "Directional statistics", 1999, section 3.5.) Beside the nearest turn, the one
    on the mean's other side has the share ``e = exp(-2 pi (pi - |a|) / s^2)``, that on this side
    ``f = exp(-2 pi (pi + |a|) / s^2)``, and those n turns away ``e^n`` and ``f^n`` times
    ``exp(-2 pi^2 n (n - 1) / s^2)``: two exponentials make all of them.

    References: doi:10.1002/9780470316979.

    >>> wound_log_prob(torch.zeros(()), torch.tensor(torch.pi)).exp() * 2 * torch.pi
    tensor(1.0144)

    Args:
        turn: Angles from the mean, in radians, known up to full turns.
        deviation: ``s``, at most pi.
    """
    off = wrap(turn)
    rate, distance = 2 * math.pi / deviation.square(), off.abs()
    toward, away = ((distance - math.pi) * rate).exp(), (-(distance + math.pi) * rate).exp()
    pair = (-2 * math.pi * rate).exp()
    near, far = toward, away
    others = near + far
    for n in range(1, WINDINGS):
        near, far = near * toward * pair**n, far * away * pair**n
        others = others + near + far
    return normal_log_prob(off, deviation) + others.log1p()


class WrappedNormal(Density):
    """Independent wrapped normals about 0 for angles, normals for the other coordinates.

    ``p(a) = sum_n N(a + 2 pi n; 0, s^2)`` with a trainable deviation ``s = pi sigmoid(r)`` an
    angle; ``s = e^r`` of other coordinates.

    References: doi:10.1002/9780470316979.

    >>> import genlab
    >>> density = genlab.densities.WrappedNormal((2,), circular=[0])
    >>> density.sample(5).shape
    torch.Size([5, 2])

    Args:
        event_shape: Shape of one sample.
        circular: Coordinates that are angles; those of arrays are counted row by row.
        trainable: Whether the deviations are trained; else they stay 1.

    Attributes:
        raw: ``r``.
    """

    reparametrised: ClassVar[bool] = True
    angle: Bool[Tensor, "*event"]

    def __init__(
        self, event_shape: tuple[int, ...], *, circular: Circular = "all", trainable: bool = True
    ) -> None:
        super().__init__(event_shape, circular=circular)
        self.set_constants()
        start = -math.log(math.pi - 1) * self.angle.to(torch.get_default_dtype())
        self.raw = nn.Parameter(start, requires_grad=trainable)

    def constant_tensors(self) -> dict[str, Tensor]:
        return {"angle": angle_mask(self.event_shape, self.circular)}

    @property
    def deviation(self) -> Float[Tensor, "*event"]:
        """``s`` of each coordinate."""
        return torch.where(self.angle, math.pi * self.raw.sigmoid(), self.raw.exp())

    @property
    def noise(self) -> int | None:
        return math.prod(self.event_shape)

    def _log_prob(self, x: Float[Tensor, "n *event"], context: Context) -> Float[Tensor, " n"]:
        s = self.deviation
        log_p = torch.where(self.angle, wound_log_prob(x, s), normal_log_prob(x, s))
        return log_p.flatten(1).sum(1)

    def _sample(
        self, n: int, context: Context, generator: torch.Generator | None
    ) -> Float[Tensor, "n *event"]:
        shape = (n, *self.event_shape)
        return self.deviation * torch.randn(
            shape, dtype=self.dtype, device=self.device, generator=generator
        )

    def _from_uniform(self, u: Float[Tensor, "n noise"]) -> Float[Tensor, "n *event"]:
        normal: Tensor = torch.special.ndtri(u).to(self.dtype)
        return self.deviation * normal.view(-1, *self.event_shape)
