"""The contract of what is learned: a distribution, with its exact density where known."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Target"]


class Target(nn.Module, ABC):
    """A distribution on ``R^d`` to learn from.

    A target is an ``nn.Module`` without parameters: its constants are buffers, so
    ``target.to(device)`` moves it and its computations follow. Quadrature nodes and mixture centres
    are kept in float64 and cast to the input's type on use: float64 in, float64 out.

    Subclasses implement `sample`, and `log_prob` where the density is known.

    Attributes:
        event_shape: Shape of one sample, ``(d,)`` for a point in ``R^d``.
        entropy: Differential entropy in nats, or None where it is unknown.
        bound: Half the side of the square ``[-bound, bound]^2`` that figures show.
    """

    event_shape: tuple[int, ...] = (2,)
    entropy: float | None = None
    bound: float = 4.0

    @abstractmethod
    def sample(
        self, n: int, *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "n *event"]:
        """Draw ``n`` independent samples, float32, on the target's device.

        Args:
            n: Number of samples.
            generator: Source of randomness on the target's device; torch's global one if None.
        """

    def log_prob(self, x: Float[Tensor, "n *event"]) -> Float[Tensor, " n"]:
        """Exact normalised log-density in nats; ``-inf`` outside the support.

        Raises:
            NotImplementedError: The target is known by its samples only.
        """
        raise NotImplementedError(f"{type(self).__name__} is known by its samples only")

    @property
    def has_density(self) -> bool:
        """Whether `log_prob` is implemented."""
        return type(self).log_prob is not Target.log_prob
