"""The contract of an invertible layer with a known Jacobian determinant."""

from __future__ import annotations

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor

from genlab.nn.constants import Constants
from genlab.nn.precision import full_precision

__all__ = ["Bijection"]

MAPS = ("forward", "inverse", "generate", "encode", "initialise")


class Bijection(Constants, ABC):
    """An invertible map ``z = f(x | c)`` between data ``x`` and latent ``z``.

    `forward` runs from data to latent, the direction that a likelihood needs; `inverse` generates.
    Both return the image and the log-determinant of the map that was called, shape ``[n]``.
    A context is a matrix of ``n`` rows, already encoded, or None.

    Whatever ``torch.autocast`` asks for, a bijection computes in the type of its input: only the
    networks follow it that a subclass calls by `genlab.nn.output_of`.
    """

    def __init_subclass__(cls) -> None:
        for name in MAPS:
            if name in cls.__dict__:
                setattr(cls, name, full_precision(cls.__dict__[name]))

    @abstractmethod
    def forward(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n *latent"], Float[Tensor, " n"]]:
        """Data to latent: ``z = f(x)`` and ``log|det df/dx|``."""

    @abstractmethod
    def inverse(
        self, z: Float[Tensor, "n *latent"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        """Latent to data: ``x = f^{-1}(z)`` and ``log|det df^{-1}/dz|``."""

    def generate(
        self, z: Float[Tensor, "n *latent"], context: Float[Tensor, "n c"] | None = None
    ) -> Float[Tensor, "n *event"]:
        """Latent to data without the log-determinant; overridden where that is cheaper."""
        return self.inverse(z, context)[0]

    def encode(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None = None
    ) -> Float[Tensor, "n *latent"]:
        """Data to latent without the log-determinant; overridden where that is cheaper."""
        return self.forward(x, context)[0]

    def initialise(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None = None
    ) -> Float[Tensor, "n *latent"]:
        """Set what starts from data, and pass the data on; nothing to set by default."""
        return self.forward(x, context)[0]

    def steps(self) -> list[Bijection]:
        """The layers that the map consists of, from data to latent, to look at one by one."""
        return [self]
