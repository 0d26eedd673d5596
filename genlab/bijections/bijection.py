"""The contract of an invertible layer with a known Jacobian determinant, and compositions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from functools import reduce
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.nn.constants import Constants
from genlab.nn.context import Context
from genlab.nn.outline import Outlined
from genlab.nn.precision import full_precision

__all__ = ["Bijection", "Compose", "Inverse"]

Interval = tuple[Tensor | float, Tensor | float]

MAPS = ("forward", "inverse", "generate", "encode", "initialise")


class Bijection(Outlined, Constants, ABC):
    """An invertible map ``z = f(x | c)`` between data ``x`` and latent ``z``.

    `forward` runs from data to latent, the direction that a likelihood needs; `inverse` generates.
    Both return the image and the log-determinant of the map that was called, shape ``[n]``.
    A context is a matrix of ``n`` rows, already encoded, or None.

    Whatever ``torch.autocast`` asks for, a bijection computes in the type of its input: only the
    networks follow it that a subclass calls by `genlab.nn.output_of`.

    References: Papamakarios, Nalisnick, Rezende, Mohamed, Lakshminarayanan, "Normalizing flows for
    probabilistic modeling and inference", 2021, arXiv:1912.02762.

    >>> import genlab, torch
    >>> layer = genlab.bijections.LULinear(2)
    >>> z, log_det = layer(torch.randn(5, 2))
    >>> x, log_det_back = layer.inverse(z)
    >>> torch.equal(log_det, -log_det_back)
    True
    """

    def __init_subclass__(cls) -> None:
        for name in MAPS:
            if name in cls.__dict__:
                setattr(cls, name, full_precision(cls.__dict__[name]))

    @abstractmethod
    def forward(
        self, x: Float[Tensor, "n *event"], context: Context = None
    ) -> tuple[Float[Tensor, "n *latent"], Float[Tensor, " n"]]:
        """Data to latent: ``z = f(x)`` and ``log|det df/dx|``."""

    @abstractmethod
    def inverse(
        self, z: Float[Tensor, "n *latent"], context: Context = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        """Latent to data: ``x = f^{-1}(z)`` and ``log|det df^{-1}/dz|``."""

    def generate(
        self, z: Float[Tensor, "n *latent"], context: Context = None
    ) -> Float[Tensor, "n *event"]:
        """Latent to data without the log-determinant; overridden where that is cheaper."""
        return self.inverse(z, context)[0]

    def encode(
        self, x: Float[Tensor, "n *event"], context: Context = None
    ) -> Float[Tensor, "n *latent"]:
        """Data to latent without the log-determinant; overridden where that is cheaper."""
        return self.forward(x, context)[0]

    def initialise(
        self, x: Float[Tensor, "n *event"], context: Context = None
    ) -> Float[Tensor, "n *latent"]:
        """Set what starts from data, and pass the data on; nothing to set by default."""
        return self.forward(x, context)[0]

    def steps(self) -> list[Bijection]:
        """The layers that the map consists of, from data to latent, to look at one by one."""
        return [self]

    @property
    def interval(self) -> Interval | None:
        """The ends that each number of x lies between; None for the whole line."""
        return None


class Compose(Bijection):
    """``f = f_N o ... o f_1``: the first layer touches the data, the last one gives the latent.

    References: arXiv:1912.02762.

    >>> import torch
    >>> from genlab.bijections import ActNorm, Compose, LULinear
    >>> layers = Compose([ActNorm(2), LULinear(2)])
    >>> z, log_det = layers(torch.randn(5, 2))
    >>> z.shape, log_det.shape
    (torch.Size([5, 2]), torch.Size([5]))

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
        self, x: Float[Tensor, "n *event"], context: Context = None
    ) -> tuple[Float[Tensor, "n *latent"], Float[Tensor, " n"]]:
        log_dets = []
        for layer in self:
            x, log_det = layer(x, context)
            log_dets.append(log_det)
        return x, sum(log_dets[1:], log_dets[0])

    def inverse(
        self, z: Float[Tensor, "n *latent"], context: Context = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        log_dets = []
        for layer in reversed(list(self)):
            z, log_det = layer.inverse(z, context)
            log_dets.append(log_det)
        return z, sum(log_dets[1:], log_dets[0])

    def generate(
        self, z: Float[Tensor, "n *latent"], context: Context = None
    ) -> Float[Tensor, "n *event"]:
        for layer in reversed(list(self)):
            z = layer.generate(z, context)
        return z

    def encode(
        self, x: Float[Tensor, "n *event"], context: Context = None
    ) -> Float[Tensor, "n *latent"]:
        for layer in self:
            x = layer.encode(x, context)
        return x

    def initialise(
        self, x: Float[Tensor, "n *event"], context: Context = None
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

    @property
    def interval(self) -> Interval | None:
        # Each such layer is the first one to touch the numbers that it takes an interval of.
        known = [found for layer in self if (found := layer.interval) is not None]
        if len(known) < 2:
            return known[0] if known else None
        lows, highs = (map(torch.as_tensor, edges) for edges in zip(*known, strict=True))
        return reduce(torch.maximum, lows), reduce(torch.minimum, highs)


class Inverse(Bijection):
    """``f^{-1}`` as a bijection from data to latent.

    References: arXiv:1912.02762.

    >>> import genlab, torch
    >>> layer = genlab.bijections.Scaling(2)
    >>> z, log_det = genlab.bijections.Inverse(layer)(torch.randn(5, 2))
    >>> z.shape
    torch.Size([5, 2])

    Args:
        bijection: ``f``.
    """

    def __init__(self, bijection: Bijection) -> None:
        super().__init__()
        self.bijection = bijection

    def forward(
        self, x: Float[Tensor, "n *event"], context: Context = None
    ) -> tuple[Float[Tensor, "n *latent"], Float[Tensor, " n"]]:
        return self.bijection.inverse(x, context)

    def inverse(
        self, z: Float[Tensor, "n *latent"], context: Context = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        z, log_det = self.bijection(z, context)
        return z, log_det
