"""Boxes and the unit cube, carried onto the whole space."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from genlab.bijections.bijection import Bijection
from genlab.bounds import Interval, Positive
from genlab.errors import UserError
from genlab.nn.context import Context

__all__ = ["Intervals", "Logit", "LogitTransform", "Probit", "Quantile", "UnitBox"]


Pair = Annotated[Sequence[float], Interval()]
Intervals = Pair | Sequence[Pair]
"""One interval ``[low, high]`` for all coordinates, or one for each of them."""


class UnitBox(Bijection):
    """``u = (x - low) / (high - low)``, from a box to the unit cube; fixed.

    Outside the closed box, where a density is 0, the log-determinant is ``-inf`` and ``u`` is that
    of the nearest point inside: never NaN, never an infinite gradient. What `inverse` returns lies
    strictly inside the box, also after rounding.

    Near an edge no rounding is lost: distances are taken from either edge, each of which is held as
    the nearest number of the type and what that leaves.

    References: arXiv:1912.02762.

    >>> import genlab, torch
    >>> box = genlab.bijections.UnitBox([-1.0, 3.0], 2)
    >>> u, log_det = box(torch.zeros(5, 2))
    >>> u[0]
    tensor([0.2500, 0.2500])

    Args:
        box: The intervals.
        dim: Number of coordinates.

    Raises:
        ValueError: There are too many or too few intervals, or one is empty or infinite.
    """

    low: Float[Tensor, " d"]
    high: Float[Tensor, " d"]
    low_rest: Float[Tensor, " d"]
    high_rest: Float[Tensor, " d"]

    def __init__(self, box: Intervals, dim: int) -> None:
        super().__init__()
        self.intervals = _intervals(box, dim)
        self.set_constants()

    def constant_tensors(self) -> dict[str, Tensor]:
        present = self._buffers.get("low")
        dtype = torch.get_default_dtype() if present is None else present.dtype
        low, high = torch.tensor(self.intervals, dtype=torch.float64).unbind(1)
        rests = {"low_rest": low - low.to(dtype), "high_rest": high - high.to(dtype)}
        return {"low": low, "high": high} | rests

    def forward(
        self, x: Float[Tensor, "n d"], context: Context = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        return self.sides(x)[0], self.log_det(x)

    def inverse(
        self, z: Float[Tensor, "n d"], context: Context = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        return self.between(z, 1 - z), self.log_volume.expand(len(z))

    def initialise(self, x: Float[Tensor, "n d"], context: Context = None) -> Float[Tensor, "n d"]:
        """Pass the data on.

        Raises:
            UserError: Some of them lie outside the box.
        """
        low, high = x.amin(0), x.amax(0)
        for i in ((low < self.low) | (high > self.high)).nonzero().flatten().tolist():
            raise UserError(
                f"`bounded`: coordinate {i + 1} of the data reaches from {low[i]:.6g} to "
                f"{high[i]:.6g}, but its interval is [{self.low[i]:.6g}, {self.high[i]:.6g}]"
            )
        return self.forward(x)[0]

    def sides(self, x: Float[Tensor, "n d"]) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
        """``u`` and ``1 - u``, the distances from both edges, each with all its digits."""
        x, side = self._inside(x), self.high - self.low
        from_low, from_high = x - self.low - self.low_rest, self.high - x + self.high_rest
        # An edge that is rounded outwards may have a number before it.
        return _apart(from_low / side), _apart(from_high / side)

    def between(self, u: Float[Tensor, "n d"], rest: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """The point at ``u`` and ``1 - u``: from the edge that is nearer."""
        side = self.high - self.low
        from_low = self.low + (self.low_rest + side * _apart(u))
        from_high = self.high + (self.high_rest - side * _apart(rest))
        return self._inside(torch.where(u < rest, from_low, from_high))

    @property
    def interval(self) -> tuple[Float[Tensor, " d"], Float[Tensor, " d"]]:
        return self.low, self.high

    def contains(self, x: Float[Tensor, "n d"]) -> Bool[Tensor, " n"]:
        """A mask of the points in the closed box."""
        return ((x >= self.low) & (x <= self.high)).all(1)

    def _inside(self, x: Tensor) -> Tensor:
        return x.clamp(self.low.nextafter(self.high), self.high.nextafter(self.low))

    def log_det(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """The log-determinant of `forward`."""
        return torch.where(self.contains(x), -self.log_volume, -torch.inf)

    @property
    def log_volume(self) -> Float[Tensor, ""]:
        """The logarithm of the volume of the box."""
        return (self.high - self.low).log().sum()

    def extra_repr(self) -> str:
        return ", ".join(f"[{low:g}, {high:g}]" for low, high in self.intervals)


def _apart(u: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """A distance that is at least what the type tells from none."""
    return u.clamp_min(torch.finfo(u.dtype).eps ** 2)


def _intervals(box: Intervals, dim: int) -> list[tuple[float, float]]:
    rows: Sequence[Any] = box if any(isinstance(row, Sequence) for row in box) else dim * [box]
    if len(rows) != dim or any(not isinstance(row, Sequence) or len(row) != 2 for row in rows):
        raise ValueError(
            f"bounded={list(box)}: expected [low, high], or such a pair for each of {dim} "
            "coordinates"
        )
    for low, high in rows:
        if not 0 < high - low < float("inf"):
            raise ValueError(f"bounded={list(box)}: expected low < high, both finite")
    return [(low, high) for low, high in rows]


class Quantile(Bijection):
    """``z_i = Q(u_i)``: uniform coordinates in (0, 1) become independent draws of a distribution.

    With that distribution's density ``p_0``, ``log|det| = -sum log p_0(z_i)``. The distribution is
    symmetric: near 1 all is computed from ``1 - u``, so that it is as exact there as near 0. The
    ``u_i`` are kept away from both by the least that the number format can tell.

    References: Devroye, "Non-uniform random variate generation", 1986,
    doi:10.1007/978-1-4613-8643-8.

    >>> import genlab, torch
    >>> layer = genlab.bijections.Probit()
    >>> z, log_det = layer(torch.full((5, 2), 0.5))
    >>> z.abs().max().item()
    0.0

    Args:
        box: What brings the points of a box to the unit cube; None where they lie in it.
    """

    def __init__(self, box: UnitBox | None = None) -> None:
        super().__init__()
        self.box = box

    def forward(
        self, x: Float[Tensor, "n *event"], context: Context = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        if self.box is None:
            u = _open(x)
            rest, scale = 1 - u, u.new_zeros(())
        else:
            (u, rest), scale = self.box.sides(x), self.box.log_det(x)
        below = u < rest
        lower = self._lower_quantile(torch.where(below, u, rest))
        z = torch.where(below, lower, -lower)
        return z, scale - self._log_density(z).flatten(1).sum(1)

    def inverse(
        self, z: Float[Tensor, "n *event"], context: Context = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        log_det, below = self._log_density(z).flatten(1).sum(1), z < 0
        near = self._cdf(torch.where(below, z, -z))
        far = 1 - near
        u, rest = torch.where(below, near, far), torch.where(below, far, near)
        if self.box is None:
            return _open(u), log_det
        return self.box.between(u, rest), log_det + self.box.log_volume

    @property
    def interval(self) -> tuple[Tensor | float, Tensor | float]:
        return (0.0, 1.0) if self.box is None else self.box.interval

    def initialise(
        self, x: Float[Tensor, "n *event"], context: Context = None
    ) -> Float[Tensor, "n *event"]:
        """Pass the data on.

        Raises:
            UserError: Some of them lie outside the box.
        """
        if self.box is not None:
            self.box.initialise(x)
        return self.forward(x)[0]

    @abstractmethod
    def _lower_quantile(self, u: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
        """The quantile function ``Q`` up to 1/2; beyond, it is ``-Q(1 - u)``."""

    @abstractmethod
    def _cdf(self, z: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
        """The distribution function, the inverse of ``Q``."""

    @abstractmethod
    def _log_density(self, z: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
        """The logarithm of the density ``p_0``."""


class Logit(Quantile):
    """``z = log(u / (1 - u))``, the quantile function of the logistic distribution.

    References: doi:10.1007/978-1-4613-8643-8.

    >>> import genlab, torch
    >>> layer = genlab.bijections.Logit(genlab.bijections.UnitBox([-1.0, 1.0], 2))
    >>> z, log_det = layer(torch.zeros(5, 2))
    >>> z.abs().max().item()
    0.0
    """

    def _lower_quantile(self, u: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
        return u.logit()

    def _cdf(self, z: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
        return z.sigmoid()

    def _log_density(self, z: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
        return logsigmoid(z) + logsigmoid(-z)


class Probit(Quantile):
    """``z = Phi^{-1}(u)``, the quantile function of the normal distribution.

    References: doi:10.1007/978-1-4613-8643-8.

    >>> import genlab, torch
    >>> layer = genlab.bijections.Probit()
    >>> u, log_det = layer.inverse(torch.randn(5, 2))
    >>> bool(((u > 0) & (u < 1)).all())
    True
    """

    def _lower_quantile(self, u: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
        # There is none for half precision.
        z: Tensor = torch.special.ndtri(u.to(torch.promote_types(u.dtype, torch.float32)))
        return z.to(u.dtype)

    def _cdf(self, z: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
        u: Tensor = torch.special.ndtr(z)
        return u

    def _log_density(self, z: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
        return -0.5 * (z.square() + math.log(2 * math.pi))


def _open(u: Tensor) -> Tensor:
    eps = torch.finfo(u.dtype).eps
    # Numbers are finer towards 0 than towards 1.
    return u.clamp(eps**2, 1 - eps / 2)


class LogitTransform(Bijection):
    """``z = logit(s)``, ``s = alpha + (1 - 2 alpha) x``, of each number of x in [0, 1].

    Dinh, Sohl-Dickstein, Bengio, "Density estimation using real NVP" (2017), section 4.1; fixed.
    ``log|dz/dx| = log(1 - 2 alpha) - log s - log(1 - s)``, where ``1 - s`` is computed from
    ``1 - x``, so that it is as exact near 1 as s is near 0. Where x lies so far out of [0, 1]
    that s leaves (0, 1), the density is 0.

    References: arXiv:1605.08803.

    >>> import genlab, torch
    >>> layer = genlab.bijections.LogitTransform(0.05)
    >>> z, log_det = layer(torch.rand(5, 1, 8, 8))
    >>> z.shape, log_det.shape
    (torch.Size([5, 1, 8, 8]), torch.Size([5]))

    Args:
        alpha: Distance of s from 0 and 1; below 1/2.

    Raises:
        ValueError: ``alpha`` is too large.
    """

    def __init__(self, alpha: Positive) -> None:
        super().__init__()
        if not 0 < alpha < 0.5:
            raise ValueError(f"alpha={alpha:g}: expected a number between 0 and 1/2")
        self.alpha = alpha

    def forward(
        self, x: Float[Tensor, "n *event"], context: Context = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        low, high = self._sides(x)
        # Clamped before the logarithm, masked after it: no gradient is NaN.
        tiny = torch.finfo(x.dtype).tiny
        log_low, log_high = low.clamp_min(tiny).log(), high.clamp_min(tiny).log()
        constant = x[0].numel() * math.log1p(-2 * self.alpha)
        log_det = constant - (log_low + log_high).flatten(1).sum(1)
        inside = ((low > 0) & (high > 0)).flatten(1).all(1)
        return log_low - log_high, log_det.where(inside, -torch.inf)

    def inverse(
        self, z: Float[Tensor, "n *event"], context: Context = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        log_slope = logsigmoid(z) + logsigmoid(-z)
        log_det = log_slope.flatten(1).sum(1) - z[0].numel() * math.log1p(-2 * self.alpha)
        return self.generate(z), log_det

    def generate(
        self, z: Float[Tensor, "n *event"], context: Context = None
    ) -> Float[Tensor, "n *event"]:
        # From the nearer side, where the sigmoid keeps its digits.
        from_side = (torch.sigmoid(-z.abs()) - self.alpha) / (1 - 2 * self.alpha)
        return torch.where(z < 0, from_side, 1 - from_side)

    @property
    def interval(self) -> tuple[float, float]:
        beyond = self.alpha / (1 - 2 * self.alpha)
        return -beyond, 1 + beyond

    def _sides(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``s`` and ``1 - s``."""
        scale = 1 - 2 * self.alpha
        return self.alpha + scale * x, self.alpha + scale * (1 - x)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha:g}"
