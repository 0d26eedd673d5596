"""Paths on the flat torus: the shorter way round each circle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from genlab.bounds import NonNegativeInt
from genlab.nn.angles import wrap_columns
from genlab.paths.path import LinearPath, PathSample

__all__ = ["GeodesicPath"]


@dataclass(frozen=True, kw_only=True)
class GeodesicPath(LinearPath):
    """``x_t = wrap(x_0 + t wrap(x_1 - x_0))``, of speed ``wrap(x_1 - x_0)``.

    The torus is flat: its geodesics are straight lines at constant speed, and so are the paths of
    the coordinates that are no angles (Chen, Lipman, "Flow matching on general geometries", 2024).

    References: arXiv:2302.03660.

    >>> import genlab, torch
    >>> x0, x1, t = torch.tensor([[3.0]]), torch.tensor([[-3.0]]), torch.tensor([0.25])
    >>> sample = genlab.paths.GeodesicPath(circular=[0]).sample(x0, x1, t)
    >>> sample.x_t, sample.dx_t
    (tensor([[3.0708]]), tensor([[0.2832]]))

    Attributes:
        circular: Coordinates that are angles.
    """

    circular: Sequence[NonNegativeInt]

    def __post_init__(self) -> None:
        if self.sigma_0:
            raise ValueError(
                f"sigma_0={self.sigma_0:g}: a path on the torus has no blur; expected 0"
            )

    def sample(
        self, x0: Float[Tensor, "n *event"], x1: Float[Tensor, "n *event"], t: Float[Tensor, " n"]
    ) -> PathSample:
        ahead = wrap_columns((x1 - x0).flatten(1), self.circular).view_as(x0)
        straight = super().sample(x0, x0 + ahead, t)
        x_t = wrap_columns(straight.x_t.flatten(1), self.circular).view_as(x0)
        return straight._replace(x_t=x_t, dx_t=ahead, x1=x1)
