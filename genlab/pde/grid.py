"""Regular points over a domain: what fields of a solution are shown and summed on."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from genlab.pde.domain import Domain

__all__ = ["Grid", "grid_divergence"]


class Grid:
    """``size^d`` regular points over a domain's box, of which those in the domain count.

    >>> from genlab.pde import Box
    >>> grid = Grid(Box([(0, 1), (0, 2)]), 2, centred=True)
    >>> grid.x.tolist(), grid.cell
    ([[0.25, 0.5], [0.25, 1.5], [0.75, 0.5], [0.75, 1.5]], 0.5)

    Args:
        domain: Of few dimensions.
        size: Points along each side.
        centred: Take the centres of equal cells, as the midpoint rule does; otherwise nodes whose
            first and last lie on the faces of the box.
        slices: Points along each coordinate behind the first two, at the centres of equal cells; as
            along these if None.

    Attributes:
        inside: Which points lie in the domain, row by row along the last coordinate.
        x: These points, float64.
        cell: The volume that each of them stands for, ``|Omega| / k``.
    """

    inside: Bool[Tensor, "*sides"]
    x: Float[Tensor, "k d"]

    def __init__(
        self, domain: Domain, size: int, *, centred: bool = False, slices: int | None = None
    ) -> None:
        if centred:
            axes = [_centres(side, size) for side in domain.box]
        else:
            axes = [torch.linspace(*side, size, dtype=torch.float64) for side in domain.box]
        if slices is not None:
            axes[2:] = [_centres(side, slices) for side in domain.box[2:]]
        points = torch.cartesian_prod(*axes).view(-1, domain.dim)
        inside = domain.contains(points)
        self.inside = inside.view([len(axis) for axis in axes])
        self.x = points[inside]
        self.cell = domain.volume / len(self.x)

    def field(
        self, values: Float[Tensor, " k"], *, outside: float = math.nan
    ) -> Float[Tensor, "*sides"]:
        """The values at `x` in the places of their points, on the CPU; ``outside`` elsewhere."""
        field = torch.full(self.inside.shape, outside, dtype=values.dtype)
        field[self.inside] = values.cpu()
        return field

    def normalised(self, h: Float[Tensor, " k"]) -> Float[Tensor, " k"]:
        """``h / Z`` with ``Z = int h`` by the sum over `x`: a density on the domain."""
        return h / (h.sum() * self.cell)


def _centres(side: tuple[float, float], number: int) -> Float[Tensor, " number"]:
    """The centres of equal cells of an interval."""
    low, high = side
    share = (torch.arange(number, dtype=torch.float64) + 0.5) / number
    return low + (high - low) * share


def grid_divergence(p: Float[Tensor, "*sides"], q: Float[Tensor, "*sides"]) -> float:
    """``KL(p || q) = sum_i p_i log(p_i / q_i) / sum_i p_i`` in nats, over the points of a grid.

    >>> round(grid_divergence(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 2.0])), 4)
    0.1308

    Args:
        p: A density at the points of a grid; not finite outside the domain.
        q: Another one there; below ``1e-30`` it counts as that, so that the sum stays finite.
    """
    # 0 log 0 = 0, whatever q is there.
    counts = p.isfinite() & (p > 0)
    p, q = p[counts].double(), q[counts].double()
    share = p / p.sum()
    return float((share * (p / q.clamp_min(1e-30)).log()).sum())
