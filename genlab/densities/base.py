"""Base densities: nothing to train, and easy to draw from."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from genlab.densities.density import Circular, Density
from genlab.nn.angles import angle_mask
from genlab.nn.context import Context

__all__ = ["Cylinder", "Parameterless", "StandardLogistic", "StandardNormal", "StandardUniform"]


class Parameterless(Density):
    """A density without parameters, which still follows its model in device and type.

    Its samples depend on no parameter, and so are differentiable in all.

    Args:
        event_shape: Shape of one sample.
        circular: Coordinates that are angles.

    Attributes:
        origin: Carries the device and the type that samples are drawn in; never saved.
    """

    reparametrised: ClassVar[bool] = True
    origin: Float[Tensor, "*event"]

    def __init__(self, event_shape: tuple[int, ...], *, circular: Circular = ()) -> None:
        super().__init__(event_shape, circular=circular)
        self.set_constants()

    def constant_tensors(self) -> dict[str, Tensor]:
        return {"origin": torch.zeros(self.event_shape)}

    @property
    def noise(self) -> int | None:
        return math.prod(self.event_shape)


class StandardNormal(Parameterless):
    """``N(0, I)`` on arrays of shape ``event_shape``.

    References: arXiv:1912.02762.

    >>> import genlab, torch
    >>> density = genlab.densities.StandardNormal((2,))
    >>> round(density.log_prob(torch.zeros(1, 2)).item(), 4)
    -1.8379

    Args:
        event_shape: Shape of one sample.
    """

    def __init__(self, event_shape: tuple[int, ...]) -> None:
        super().__init__(event_shape)
        self.log_normaliser = 0.5 * math.prod(event_shape) * math.log(2 * math.pi)

    def _log_prob(self, x: Float[Tensor, "n *event"], context: Context) -> Float[Tensor, " n"]:
        x = x.flatten(1)
        squared_norm: Tensor = torch.linalg.vecdot(x, x)
        return squared_norm * -0.5 - self.log_normaliser

    def _sample(
        self, n: int, context: Context, generator: torch.Generator | None
    ) -> Float[Tensor, "n *event"]:
        return torch.randn(
            (n, *self.event_shape), dtype=self.dtype, device=self.device, generator=generator
        )

    def _from_uniform(self, u: Float[Tensor, "n noise"]) -> Float[Tensor, "n *event"]:
        x: Tensor = torch.special.ndtri(u)
        return x.to(self.dtype).view(-1, *self.event_shape)


class StandardLogistic(Parameterless):
    """``p(x) = prod sigmoid(x_i) sigmoid(-x_i)`` on arrays of shape ``event_shape``.

    Its tails are exponential: a shift in the tails changes the density by a bounded factor.

    References: arXiv:1410.8516.

    >>> import genlab, torch
    >>> density = genlab.densities.StandardLogistic((2,))
    >>> round(density.log_prob(torch.zeros(1, 2)).item(), 4)
    -2.7726

    Args:
        event_shape: Shape of one sample.
    """

    def _log_prob(self, x: Float[Tensor, "n *event"], context: Context) -> Float[Tensor, " n"]:
        return (logsigmoid(x) + logsigmoid(-x)).flatten(1).sum(1)

    def _sample(
        self, n: int, context: Context, generator: torch.Generator | None
    ) -> Float[Tensor, "n *event"]:
        u = torch.rand(
            (n, *self.event_shape), dtype=self.dtype, device=self.device, generator=generator
        )
        # `rand` may return 0, never 1.
        eps = torch.finfo(self.dtype).eps
        return torch.logit(u * (1 - eps) + eps / 2)

    def _from_uniform(self, u: Float[Tensor, "n noise"]) -> Float[Tensor, "n *event"]:
        return torch.logit(u).to(self.dtype).view(-1, *self.event_shape)


class StandardUniform(Parameterless):
    """The uniform density on the cube ``[-sqrt 3, sqrt 3]^d``: mean 0 and variance 1.

    References: doi:10.1007/978-1-4613-8643-8.

    >>> import genlab, torch
    >>> density = genlab.densities.StandardUniform((2,))
    >>> round(density.log_prob(torch.zeros(1, 2)).item(), 4)
    -2.4849

    Args:
        event_shape: Shape of one sample.
    """

    def __init__(self, event_shape: tuple[int, ...]) -> None:
        super().__init__(event_shape)
        self.bound = math.sqrt(3)
        self.interval = (-self.bound, self.bound)
        self.log_volume = math.prod(event_shape) * math.log(2 * self.bound)

    def _log_prob(self, x: Float[Tensor, "n *event"], context: Context) -> Float[Tensor, " n"]:
        inside = (x.abs() <= self.bound).flatten(1).all(1)
        return x.new_full((len(x),), -self.log_volume).masked_fill(~inside, -math.inf)

    def _sample(
        self, n: int, context: Context, generator: torch.Generator | None
    ) -> Float[Tensor, "n *event"]:
        unit = torch.rand(
            (n, *self.event_shape), dtype=self.dtype, device=self.device, generator=generator
        )
        return (2 * unit - 1) * self.bound

    def _from_uniform(self, u: Float[Tensor, "n noise"]) -> Float[Tensor, "n *event"]:
        return ((2 * u - 1) * self.bound).to(self.dtype).view(-1, *self.event_shape)


class Cylinder(Parameterless):
    """Angles are uniform on ``[-pi, pi)``, the other coordinates ``N(0, 1)``; all independent.

    An angle stands for itself modulo ``2 pi``: the density is the same for all its values.

    References: arXiv:2002.02428.

    >>> import genlab
    >>> density = genlab.densities.Cylinder((2,), circular=[0])
    >>> density.sample(5).shape
    torch.Size([5, 2])

    Args:
        event_shape: Shape of one sample.
        circular: Coordinates that are angles; those of arrays are counted row by row.
    """

    angle: Bool[Tensor, "*event"]

    def __init__(self, event_shape: tuple[int, ...], *, circular: Circular = "all") -> None:
        super().__init__(event_shape, circular=circular)
        # Its draws lie in one turn, and its density is the same in all.
        self.door = None
        angles, dim = len(self.circular), math.prod(self.event_shape)
        self.log_normaliser = (angles + (dim - angles) / 2) * math.log(2 * math.pi)

    def constant_tensors(self) -> dict[str, Tensor]:
        angle = angle_mask(self.event_shape, self.circular)
        return super().constant_tensors() | {"angle": angle}

    def _log_prob(self, x: Float[Tensor, "n *event"], context: Context) -> Float[Tensor, " n"]:
        squares = x.masked_fill(self.angle, 0).square()
        return squares.flatten(1).sum(1) * -0.5 - self.log_normaliser

    def _sample(
        self, n: int, context: Context, generator: torch.Generator | None
    ) -> Float[Tensor, "n *event"]:
        normal = self.origin.new_empty(n, *self.event_shape).normal_(generator=generator)
        uniform = self.origin.new_empty(n, *self.event_shape).uniform_(generator=generator)
        return torch.where(self.angle, math.pi * (2 * uniform - 1), normal)

    def _from_uniform(self, u: Float[Tensor, "n noise"]) -> Float[Tensor, "n *event"]:
        u = u.view(-1, *self.event_shape)
        return torch.where(self.angle, math.pi * (2 * u - 1), torch.special.ndtri(u)).to(self.dtype)
