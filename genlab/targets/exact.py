"""Targets whose density is known: what they share, and the entropy by quadrature in the plane."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.targets.quadrature import Rectangle, centred_square, plane_entropy
from genlab.targets.target import Target

__all__ = ["BlurredTarget", "ExactTarget", "PlaneTarget"]


# Numbers that an intermediate result may hold: 1 MB in float32, which stays in a processor's cache.
WORKING_SET = 2**18
# Evaluations beyond which an entropy takes longer than about ten seconds.
MAX_EVALUATIONS = 2**27


class ExactTarget(Target, ABC):
    """A target with an exact density.

    Subclasses implement `sample` and `_log_prob`. The public `log_prob` checks the shape and works
    on as many rows at a time as keep intermediate results small.

    >>> import genlab
    >>> target = genlab.targets.Moons()
    >>> isinstance(target, genlab.targets.ExactTarget), target.sample(5).shape
    (True, torch.Size([5, 2]))

    Attributes:
        terms: Numbers that `_log_prob` computes for one row (nodes, components, ...).
    """

    terms: int = 1
    _anchor: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Carries the device of targets that have no other constants.
        self.register_buffer("_anchor", torch.empty(0), persistent=False)

    @property
    def device(self) -> torch.device:
        """The device that the constants lie on and samples are drawn on."""
        return self._anchor.device

    @abstractmethod
    def _log_prob(self, x: Float[Tensor, "n *event"]) -> Float[Tensor, " n"]:
        """Log-density of a moderate number of rows."""

    def log_prob(self, x: Float[Tensor, "n *event"]) -> Float[Tensor, " n"]:
        """Exact normalised log-density in nats, ``-inf`` outside the support; float64 in and out.

        Raises:
            ValueError: ``x`` is not of shape ``[n, *event]``.
        """
        return self._by_parts(self._log_prob, x)

    def _by_parts(
        self, log_prob: Callable[..., Float[Tensor, " n"]], x: Tensor, *others: Tensor
    ) -> Float[Tensor, " n"]:
        """A log-density of rows, and of what belongs to each, a moderate number at a time."""
        if x.shape[1:] != self.event_shape:
            event = ", ".join(map(str, self.event_shape))
            raise ValueError(f"x: expected shape [n, {event}], got {list(x.shape)}")
        rows = max(1, WORKING_SET // self.terms)
        if len(x) <= rows:
            return log_prob(x, *others)
        starts = range(0, len(x), rows)
        return torch.cat([log_prob(*(t[i : i + rows] for t in (x, *others))) for i in starts])


class PlaneTarget(ExactTarget):
    """A density in the plane without a closed form of its entropy.

    Attributes:
        box: Rectangle that holds all but a mass of about 1e-7.
        scale: Shortest length over which the density changes: the width of its thinnest part.
    """

    box: Rectangle
    scale: float

    @cached_property
    def entropy(self) -> float | None:  # type: ignore[override]
        """Differential entropy in nats by quadrature; None where a thin density makes that slow."""
        spacing = 0.6 * self.scale
        (left, right), (bottom, top) = self.box
        evaluations = (right - left) * (top - bottom) / spacing**2 * self.terms
        if evaluations > MAX_EVALUATIONS:
            return None
        return plane_entropy(self.log_prob, self.box, spacing)


class BlurredTarget(PlaneTarget):
    """Points within ``[-extent, extent]^2``, plus Gaussian noise.

    Args:
        extent: Half the side of the square that holds the points.
        scale: Standard deviation of the noise along each coordinate.
    """

    def __init__(self, *, extent: float, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.bound = extent + 4 * scale
        self.box = centred_square(extent + 6 * scale)
