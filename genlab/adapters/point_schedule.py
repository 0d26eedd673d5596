"""A schedule of points in a loop that is not genlab's: when they change, what each counts."""

from __future__ import annotations

from typing import TypedDict

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import PositiveInt
from genlab.constructor import Checked
from genlab.samplers import Indicator, Points, Sampler
from genlab.samplers.weights import uniform_weights

__all__ = ["PointSchedule", "ScheduleOptions"]


class ScheduleOptions(TypedDict, total=False):
    """Options of an adapter that go to `PointSchedule`, where their defaults stand."""

    refresh: PositiveInt
    redraw: PositiveInt | None
    weigh: bool


class PointSchedule(Checked):
    """A sampler's points in another library's loop, and the factor of each residual.

    The mean of ``(w_i r(x_i))^2`` with ``w = (|Omega| q)^{-1/2}`` and ``x_i ~ q`` is an estimate of
    ``int r^2 dx / |Omega|``: a loss that squares its residuals and takes their mean is the same,
    whichever density drew the points (Tang, Wan, Yang, "DAS-PINNs: a deep adaptive sampling method
    for solving high-dimensional partial differential equations", 2023, arXiv:2112.14038, section
    3). No gradient flows through ``q``.

    >>> import genlab
    >>> square, model = genlab.pde.Box([(-1, 1)] * 2), genlab.models.GMM(2)
    >>> das = genlab.samplers.DAS(domain=square, n_points=100, model=model)
    >>> schedule = PointSchedule(das, refresh=2, redraw=1)
    >>> x = schedule.begin(lambda x: x.square().sum(1))  # uniform points, which all count the same
    >>> schedule.weights.unique()
    tensor([1.])
    >>> [schedule.step(lambda x: x.square().sum(1)) for _ in range(2)]  # drawn anew, then looked
    [True, True]
    >>> schedule.weights.square().mean().round(decimals=1)
    tensor(1.)

    Args:
        sampler: Chooses the points.
        refresh: Steps between two looks at the residual.
        redraw: Steps between two draws from the same density; None to keep the points until the
            next look.
        weigh: Whether points count by one over their density, where the sampler knows it. Without,
            the loss is that of the density, not of the domain.

    Attributes:
        points: The present points; None before the first step.
        steps: Number of steps so far.
    """

    def __init__(
        self,
        sampler: Sampler,
        *,
        refresh: PositiveInt = 300,
        redraw: PositiveInt | None = 10,
        weigh: bool = True,
    ) -> None:
        super().__init__()
        self.sampler = sampler
        self.refresh = refresh
        self.redraw = redraw
        self.weigh = weigh
        self.points: Points | None = None
        self.steps = 0

    def begin(self, indicator: Indicator) -> Float[Tensor, "n d"]:
        """The points of the first step; those of the present one where training goes on.

        Args:
            indicator: ``h(x) >= 0``, the squared residual of the present network.
        """
        if self.points is None:
            self.points = self.sampler.refresh(None, indicator)
        return self.points.x

    def step(self, indicator: Indicator) -> bool:
        """Count a step, and tell whether other points follow.

        Args:
            indicator: ``h(x) >= 0``, the squared residual of the present network.
        """
        assert self.points is not None, "`begin` comes first"
        before, self.steps = self.points, self.steps + 1
        if self.steps % self.refresh == 0:
            self.points = self.sampler.refresh(before, indicator)
        elif self.redraw is not None and self.steps % self.redraw == 0:
            self.points = self.sampler.redraw(before)
        return self.points is not before

    @property
    def weights(self) -> Float[Tensor, " n"]:
        """``(|Omega| q)^{-1/2}`` at the present points; 1 where all count the same."""
        assert self.points is not None, "`begin` comes first"
        x, log_q = self.points
        if log_q is None or not self.weigh:
            return torch.ones_like(x[:, 0])
        log_uniform = self.sampler.domain.log_uniform
        return uniform_weights(log_q, log_uniform=log_uniform, power=0.5)
