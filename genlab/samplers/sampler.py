"""The protocol of collocation samplers: where a residual is looked at next."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import NonNegativeInt, PositiveInt
from genlab.constructor import Checked
from genlab.errors import RunError
from genlab.nn.precision import full_precision
from genlab.pde.domain import Domain
from genlab.randomness import generator

__all__ = ["Indicator", "Points", "Sampler", "evaluated"]

ROWS_AT_ONCE = 8192
"""Points that an indicator sees at once: large enough for full speed, small enough for memory."""

Indicator = Callable[[Float[Tensor, "n d"]], Float[Tensor, " n"]]
"""``h(x) >= 0``, detached: how much a point asks for attention; by default the squared residual."""


class Points(NamedTuple):
    """Collocation points, and the density that they were drawn from.

    >>> points = Points(torch.rand(5, 2), torch.zeros(5))
    >>> points.log_q.neg().exp()  # what each counts in an integral
    tensor([1., 1., 1., 1., 1.])

    Attributes:
        x: Points of the domain, ``[n, d]``.
        log_q: Log-density at each of them, for weights ``1 / q`` in an integral over the domain;
            None where it is not known, or where a method wants all points to count the same.
    """

    x: Float[Tensor, "n d"]
    log_q: Float[Tensor, " n"] | None


@dataclass(kw_only=True, eq=False, repr=False)
class Sampler(Checked, ABC):
    """Chooses the points at which the residual of a PDE is made small, again and again.

        points = sampler.refresh(None, indicator)
        while training:
            ...  # some steps on `points`
            points = sampler.refresh(points, indicator)

    Subclasses implement `_refresh`, the points of the next stage:

    >>> from genlab.pde import Box
    >>> class Best(Sampler):  # the half with the largest indicator, and fresh ones
    ...     def _refresh(self, points, indicator):
    ...         kept = points.x[indicator(points.x).topk(self.n_points // 2).indices]
    ...         return Points(torch.cat((kept, self._uniform(len(kept), "fresh").x)), None)
    >>> sampler = Best(domain=Box([(0, 1)]), n_points=10)
    >>> points = sampler.refresh(None, lambda x: x[:, 0])
    >>> sampler.refresh(points, lambda x: x[:, 0]).x.mean() > points.x.mean()
    tensor(True)

    Between two refreshes, `redraw` gives other points of the same density, which costs no look at
    the residual. All draws follow from the seed and their number, so that a run goes on from a
    saved state as if it had not been stopped.

    Attributes:
        looks: Whether a refresh asks for the indicator.
        domain: Where the PDE holds.
        n_points: Number of collocation points; of those to start from where they grow.
        seed: Seed of all draws.
        round: Number of refreshes so far.
        draw: Number of draws since the last refresh.
    """

    looks: ClassVar[bool] = True
    domain: Domain
    n_points: PositiveInt
    seed: NonNegativeInt = 0
    round: int = field(init=False, default=0)
    draw: int = field(init=False, default=0)

    @property
    def settled(self) -> bool:
        """Whether another look at the same residual would hardly change the points."""
        return True

    @property
    def grows(self) -> bool:
        """Whether each refresh adds points; otherwise there are `n_points` after each."""
        return False

    @full_precision
    def refresh(self, points: Points | None, indicator: Indicator) -> Points:
        """The points of the next stage.

        Args:
            points: Those of the present stage; None before the first one.
            indicator: ``h``, under the present network; asked for points ``[n, d]`` of the domain.

        Raises:
            RunError: The indicator is not a finite number somewhere, or negative.
        """
        # Before, so that no draw of the stage that ends is repeated.
        self.draw = 0
        following = self._first() if points is None else self._refresh(points, indicator)
        self.round += 1
        return following

    @full_precision
    def redraw(self, points: Points) -> Points:
        """Other points of the density that the present ones were drawn from, as many.

        Args:
            points: Those of the present stage.
        """
        self.draw += 1
        return self._redraw(points)

    @full_precision
    def held_out(self) -> Points:
        """As many points again, with their density, for a judgement of what learns on the others.

        They are uniform, unless a sampler draws from a density.
        """
        return self._uniform(self.n_points, "held out")

    def _first(self) -> Points:
        """The points to start from: uniform, unless a sampler knows better."""
        return self._uniform(self.n_points, "first")

    @abstractmethod
    def _refresh(self, points: Points, indicator: Indicator) -> Points:
        """The points of the next stage, from those of the present one."""

    def _redraw(self, points: Points) -> Points:
        """Other points of the same density; the same ones, unless a sampler can draw others."""
        return points

    def log_prob(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"] | None:
        """Log-density of the next draw at points of the domain; None where it is not known."""
        return None

    def metrics(self) -> dict[str, float]:
        """Numbers of the last refresh that logs show, by tag; none by default."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """All that the sampler goes on from, in tensors and plain containers."""
        return {"round": self.round, "draw": self.draw}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.round = state["round"]
        self.draw = state["draw"]

    def _generator(self, purpose: str) -> torch.Generator:
        """The randomness of one purpose in the present round and draw."""
        purpose = f"sampler/{purpose}/{self.draw}" if self.draw else f"sampler/{purpose}"
        return generator(self.seed, purpose, self.round)

    def _uniform(self, n: int, purpose: str) -> Points:
        """Independent points, uniform on the domain."""
        x = self.domain.sample(n, generator=self._generator(purpose))
        return Points(x, x.new_full((n,), self.domain.log_uniform))


def evaluated(indicator: Indicator, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    """The indicator at points, in float64, so that sums of huge values stay finite.

    Raises:
        RunError: A value is no finite number, or negative.
    """
    h = torch.cat([indicator(some).detach() for some in x.split(ROWS_AT_ONCE)])
    h = h.to(x.device, torch.float64)
    if bad := int((~h.isfinite()).sum()):
        first = x[(~h.isfinite()).to(x.device)][0].tolist()
        place = ", ".join(f"{value:.4g}" for value in first)
        raise RunError(
            f"sampler: the indicator is not finite at {bad} of {len(x)} points, as at "
            f"x = [{place}]\nthe network has diverged, or the residual has no value there"
        )
    if bad := int((h < 0).sum()):
        raise RunError(f"sampler: the indicator is negative at {bad} of {len(x)} points")
    return h
