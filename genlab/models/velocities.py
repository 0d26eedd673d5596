"""Velocities made from a trained network: of its prediction, or guided by a condition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.nn.context import Context
from genlab.nn.velocity import Directions, Tangents, Time, Velocity
from genlab.paths.path import Path

__all__ = ["GuidedVelocity", "PredictedVelocity", "marked"]

Parts = TypeVar("Parts", bound=tuple[Tensor, ...])


class PredictedVelocity(Velocity):
    """``a(t) x + b(t) N(x, t, c)``, with the weights that a path gives a prediction.

    Args:
        network: ``N``.
        path: The path that it is trained on.
        prediction: What it predicts.
    """

    def __init__(
        self, network: Velocity, *, path: Path, prediction: Literal["x1", "noise"]
    ) -> None:
        super().__init__()
        self.network = network
        self.path = path
        self.prediction = prediction

    @property
    def knows_divergence(self) -> bool:
        return self.network.knows_divergence

    def forward(
        self, x: Float[Tensor, "n *event"], t: Time, context: Context = None
    ) -> Float[Tensor, "n *event"]:
        return self.path.to_velocity(self.prediction, self.network(x, t, context), x, t)

    def with_tangents(
        self, x: Float[Tensor, "n *event"], t: Time, context: Context, directions: Directions
    ) -> tuple[Float[Tensor, "n *event"], Tangents]:
        output, tangents = self.network.with_tangents(x, t, context, directions)
        # The derivative of a linear map of (x, N) is the same map of their derivatives.
        along = self.path.to_velocity(
            self.prediction, tangents.movedim(0, 1), directions.movedim(0, 1), t
        )
        return self.path.to_velocity(self.prediction, output, x, t), along.movedim(0, 1)

    def with_divergence(
        self, x: Float[Tensor, "n *event"], t: Time, context: Context = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        output, divergence = self.network.with_divergence(x, t, context)
        a, b = self.path.velocity_weights(self.prediction, t)
        v = self.path.to_velocity(self.prediction, output, x, t)
        return v, a * x[0].numel() + b * divergence


class GuidedVelocity(Velocity):
    """``v_0 + w (v_c - v_0)`` (Ho, Salimans, "Classifier-free diffusion guidance", 2022).

    References: arXiv:2207.12598.

    ``v_c`` knows the condition, ``v_0`` does not: they are one network, trained with the context of
    some rows dropped. With weight 1 it is ``v_c``, for the price of one evaluation. The flow of a
    guided velocity has an exact density like any other, which is not p(x | c) but sharper.

    Args:
        network: The field under a context that is `marked`.
        weight: ``w``.
    """

    def __init__(self, network: Velocity, *, weight: float) -> None:
        super().__init__()
        self.network = network
        self.weight = weight

    @property
    def knows_divergence(self) -> bool:
        return self.network.knows_divergence

    def forward(
        self, x: Float[Tensor, "n *event"], t: Time, context: Context = None
    ) -> Float[Tensor, "n *event"]:
        v: Tensor = self._guided(lambda rows: (self.network(x, t, rows),), context)[0]
        return v

    def with_tangents(
        self, x: Float[Tensor, "n *event"], t: Time, context: Context, directions: Directions
    ) -> tuple[Float[Tensor, "n *event"], Tangents]:
        return self._guided(
            lambda rows: self.network.with_tangents(x, t, rows, directions), context
        )

    def with_divergence(
        self, x: Float[Tensor, "n *event"], t: Time, context: Context = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        return self._guided(lambda rows: self.network.with_divergence(x, t, rows), context)

    def _guided(self, of: Callable[[Tensor | None], Parts], context: Context) -> Parts:
        """A velocity, and its derivatives, which are blended alike."""
        known = of(marked(context))
        if context is None or self.weight == 1:
            return known
        free = of(context.new_zeros(len(context), context.shape[1] + 1))
        blended = (torch.lerp(v_0, v_c, self.weight) for v_0, v_c in zip(free, known, strict=True))
        return type(known)(blended)


def marked(
    context: Context, dropped: Float[Tensor, " n"] | None = None
) -> Float[Tensor, "n _"] | None:
    """Context rows with a last column of ones; rows of zeros where they are dropped.

    So the absence of a condition differs from every condition, that of zeros included.

    Args:
        context: Encoded rows, or None.
        dropped: 1 for each row to drop, 0 for the others; None to keep all.
    """
    if context is None:
        return None
    rows = torch.cat((context, context.new_ones(len(context), 1)), dim=1)
    return rows if dropped is None else rows * (1 - dropped)[:, None]
