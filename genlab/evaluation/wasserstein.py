"""The distance over which one cloud of points has to be carried to become another."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["wasserstein2"]

MAX_ITERATIONS = 10_000_000


def wasserstein2(x: Float[Tensor, "n *event"], y: Float[Tensor, "m *event"]) -> float:
    """Exact 2-Wasserstein distance of two equally large clouds, in the units of the data.

    ``W2^2 = min over permutations s of 1/n sum |x_i - y_s(i)|^2``: between clouds of equal size
    and weight the optimal plan is a permutation (Peyre, Cuturi, "Computational optimal
    transport", 2019, proposition 2.1), found by POT's network simplex, whose time hardly depends
    on how far apart the clouds are. It is the distance, not its square. About 1 s at 2,000 points,
    20 s at 5,000; memory grows as ``n^2``.

    Two samples of one density are far from 0 apart: read the value beside that of two true ones.
    A point that is not finite is infinitely far.

    Args:
        x: First cloud, ``[n, *event]``.
        y: Second cloud, ``[n, *event]``.

    Raises:
        ValueError: The clouds differ in shape, or are empty.
    """
    if x.shape != y.shape or not len(x):
        raise ValueError(
            f"y: expected as many points as x, at least one, got {list(x.shape)}, {list(y.shape)}"
        )
    # POT takes seconds to import: only who needs it waits.
    import ot

    x, y = (points.detach().cpu().double().flatten(1) for points in (x, y))
    if not (x.isfinite().all() and y.isfinite().all()):
        return math.inf
    # |x|^2 + |y|^2 - 2xy would cancel where the distance is small beside the norms.
    cost = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square_()
    squared: float = ot.emd2([], [], cost.numpy(), numItermax=MAX_ITERATIONS)
    return math.sqrt(max(squared, 0.0))
