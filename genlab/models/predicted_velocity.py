"""The velocity of a network that predicts the data or the noise."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from torch import Tensor

from genlab.nn.velocity import Velocity
from genlab.paths.path import Path

__all__ = ["PredictedVelocity"]


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

    def forward(
        self,
        x: Float[Tensor, "n *event"],
        t: Float[Tensor, ""] | Float[Tensor, " n"],
        context: Float[Tensor, "n c"] | None = None,
    ) -> Float[Tensor, "n *event"]:
        return self.path.to_velocity(self.prediction, self.network(x, t, context), x, t)

    def with_tangents(
        self,
        x: Float[Tensor, "n *event"],
        t: Float[Tensor, ""] | Float[Tensor, " n"],
        context: Float[Tensor, "n c"] | None,
        directions: Float[Tensor, "k m *event"],
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, "k n *event"]]:
        output, tangents = self.network.with_tangents(x, t, context, directions)
        # The derivative of a linear map of (x, N) is the same map of their derivatives.
        along = self.path.to_velocity(
            self.prediction, tangents.movedim(0, 1), directions.movedim(0, 1), t
        )
        return self.path.to_velocity(self.prediction, output, x, t), along.movedim(0, 1)

    def with_divergence(
        self,
        x: Float[Tensor, "n *event"],
        t: Float[Tensor, ""] | Float[Tensor, " n"],
        context: Float[Tensor, "n c"] | None = None,
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        output, divergence = self.network.with_divergence(x, t, context)
        a, b = self.path.velocity_weights(self.prediction, t)
        v = self.path.to_velocity(self.prediction, output, x, t)
        return v, a * x[0].numel() + b * divergence
