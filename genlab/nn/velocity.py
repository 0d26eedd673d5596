"""Velocity fields, with their derivatives, and the features of time that they see."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import jvp, vmap

from genlab.nn.constants import Constants
from genlab.nn.context import Context

__all__ = [
    "Directions",
    "Tangents",
    "Time",
    "TimeEmbedding",
    "Velocity",
    "VelocityFactory",
    "basis",
    "trace",
]

Time = Float[Tensor, ""] | Float[Tensor, " n"]
"""One time for all samples, or one for each."""

Directions = Float[Tensor, "k m *event"]
"""Of derivatives: k for each sample (``m = n``), or the same for all (``m = 1``)."""

Tangents = Float[Tensor, "k n *event"]
"""``J e`` of each sample, along k directions e."""


class TimeEmbedding(Constants):
    """``t -> (cos(pi k t), sin(pi k t))``, ``k = 1, ..., frequencies``, for t in [0, 1].

    Args:
        frequencies: Number of frequencies.

    Attributes:
        dim: Number of features, ``2 frequencies``.
    """

    frequencies: Float[Tensor, " k"]

    def __init__(self, frequencies: int) -> None:
        super().__init__()
        self.dim = 2 * frequencies
        self.set_constants()

    def constant_tensors(self) -> dict[str, Tensor]:
        return {"frequencies": math.pi * torch.arange(1, self.dim // 2 + 1)}

    def forward(
        self, t: Float[Tensor, "*n"], context: Float[Tensor, "m c"] | None = None
    ) -> Float[Tensor, "..."]:
        """Features of one time, a vector, or of many, with a context's rows behind them."""
        angle = t[..., None] * self.frequencies
        features = torch.cat((angle.cos(), angle.sin()), dim=-1)
        if context is None:
            return features
        return torch.cat((features.expand(len(context), -1), context), dim=1)


# Directions that the derivative of an arbitrary network is taken along at once.
CHUNK = 64
# Tangents of all rows that pass a layer at once, where no gradient is needed: 1 MB of 128 numbers.
TANGENTS = 2048


class Velocity(nn.Module, ABC):
    """``v(x, t, c)``, each sample on its own.

    Subclasses implement `forward`. The derivatives here hold for any network, by forward-mode
    differentiation; a network whose Jacobian is known layer by layer overrides them. One whose
    trace costs no more than itself says so by `knows_divergence`: then it is estimated only beside
    the Jacobian's norm.

    A context is a matrix of n rows, already encoded, or None.

    References: arXiv:1806.07366.

    >>> import genlab, torch
    >>> velocity = genlab.nn.ConcatSquashMLP((2,))
    >>> v, divergence = velocity.with_divergence(torch.randn(5, 2), torch.tensor(0.5))
    >>> v.shape, divergence.shape
    (torch.Size([5, 2]), torch.Size([5]))
    """

    @property
    def knows_divergence(self) -> bool:
        """Whether the exact divergence is at hand, at no product for each dimension."""
        return False

    @abstractmethod
    def forward(
        self, x: Float[Tensor, "n *event"], t: Time, context: Context = None
    ) -> Float[Tensor, "n *event"]:
        """The velocity at ``x``."""

    def with_tangents(
        self, x: Float[Tensor, "n *event"], t: Time, context: Context, directions: Directions
    ) -> tuple[Float[Tensor, "n *event"], Tangents]:
        """The velocity, and its derivatives ``J e`` along ``k`` directions.

        Args:
            x: Where.
            t: When.
            context: Under what condition.
            directions: ``e``, for each sample (``m = n``) or the same for all (``m = 1``).
        """

        def along(direction: Float[Tensor, "m *event"]) -> tuple[Tensor, Tensor]:
            v, derivative, *_ = jvp(
                lambda point: self(point, t, context), (x,), (direction.expand_as(x),)
            )
            return v, derivative

        if len(directions) == 1:
            v, derivative = along(directions[0])
            return v, derivative[None]
        together = vmap(along, out_dims=(None, 0))  # type: ignore[arg-type]
        parts = [together(part) for part in directions.split(CHUNK)]
        return parts[0][0], torch.cat([derivatives for _, derivatives in parts])

    def with_divergence(
        self, x: Float[Tensor, "n *event"], t: Time, context: Context = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        """The velocity and its exact divergence, ``tr dv/dx``."""
        rows = max(64, TANGENTS // max(1, x.shape[1:].numel()))
        if torch.is_grad_enabled() or x.is_cuda or len(x) <= rows:
            v, columns = self.with_tangents(x, t, context, basis(x))
            return v, trace(columns)
        # The tangents of all rows are many: as few at a time as stay in a processor's cache.
        velocities, divergences = [], []
        for start in range(0, len(x), rows):
            some = slice(start, start + rows)
            v, columns = self.with_tangents(
                x[some],
                t[some] if t.ndim else t,
                None if context is None else context[some],
                basis(x),
            )
            velocities.append(v)
            divergences.append(trace(columns))
        return torch.cat(velocities), torch.cat(divergences)

    def with_estimate(
        self,
        x: Float[Tensor, "n *event"],
        t: Time,
        context: Context,
        probe: Float[Tensor, "n *event"],
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        """The velocity, and Hutchinson's estimate ``e' J e`` of its divergence.

        Args:
            x: Where.
            t: When.
            context: Under what condition.
            probe: ``e``, for each sample.
        """
        own = type(self).with_tangents is not Velocity.with_tangents
        inference = torch.is_inference_mode_enabled() or x.is_inference()  # nothing goes back
        if own or inference or torch.is_grad_enabled():
            v, (derivative,) = self.with_tangents(x, t, context, probe[None])
            return v, (derivative * probe).flatten(1).sum(1)
        # ``e' J`` takes a pass back, which costs a network half of what its tangents do.
        with torch.enable_grad():
            point = x.detach().requires_grad_()
            v = self(point, t, context)
            # Zeros, where the velocity is the same everywhere.
            (product,) = torch.autograd.grad(v, point, probe, materialize_grads=True)
        return v.detach(), (product * probe).flatten(1).sum(1)


@runtime_checkable
class VelocityFactory(Protocol):
    """The network of a configuration, before the model tells it what it works on.

    References: arXiv:1806.07366.

    >>> import genlab
    >>> model = genlab.models.CNF(2, network=genlab.nn.ConcatSquashMLP)
    >>> model.sample(5).shape
    torch.Size([5, 2])
    """

    def __call__(self, event_shape: tuple[int, ...], *, context_dim: int) -> Velocity:
        """A network for samples of a shape, under a context of a width."""


def basis(x: Float[Tensor, "n *event"]) -> Float[Tensor, "d 1 *event"]:
    """The unit vectors of the space that the samples live in."""
    event = x.shape[1:]
    dim = event.numel()
    return torch.eye(dim, dtype=x.dtype, device=x.device).view(dim, 1, *event)


def trace(columns: Float[Tensor, "d n *event"]) -> Float[Tensor, " n"]:
    """The trace of each Jacobian, from its columns ``J e_i``."""
    return columns.flatten(2).diagonal(dim1=0, dim2=2).sum(1)
