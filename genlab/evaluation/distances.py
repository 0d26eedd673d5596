"""Distances of two clouds of points: by a kernel, by transport, by moments and by places."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from genlab.batch import squared_distances
from genlab.densities.inference import batches
from genlab.evaluation.estimate import Estimate, estimate_mean, estimate_of_pairs, shares
from genlab.imports import import_part
from genlab.nn.angles import AngleFeatures, squared_turns

__all__ = [
    "clouds",
    "frechet_distance",
    "median_distance",
    "mmd",
    "precision_and_recall",
    "transport",
    "wasserstein1",
    "wasserstein2",
]

MAX_ITERATIONS = 10_000_000


def clouds(
    x: Float[Tensor, "n *event"],
    y: Float[Tensor, "m *event"],
    *,
    least: int,
    circular: Sequence[int] = (),
) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]] | None:
    """Two clouds of as many points, as vectors in float64 on the CPU; None if not all is finite.

    Args:
        x: Points.
        y: As many of them.
        least: How many there have to be.
        circular: Coordinates to replace by their cosine and sine.

    Raises:
        ValueError: The clouds differ in shape, or have fewer points.
    """
    if x.shape != y.shape or len(x) < least:
        raise ValueError(
            f"y: expected as many points as x, at least {least}, got {list(x.shape)}, "
            f"{list(y.shape)}"
        )
    x, y = (points.detach().cpu().double().flatten(1) for points in (x, y))
    if not (x.isfinite().all() and y.isfinite().all()):
        return None
    if circular:
        on_circles = AngleFeatures([i in circular for i in range(x.shape[1])])
        x, y = on_circles(x), on_circles(y)
    return x, y


def mmd(
    x: Float[Tensor, "n *event"],
    y: Float[Tensor, "m *event"],
    weight: Float[Tensor, " n"] | None = None,
    *,
    circular: Sequence[int] = (),
    bandwidth: float | None = None,
    batch_size: int = 512,
) -> Estimate:
    """Unbiased squared MMD under the kernel ``k(a, b) = exp(-|a - b|^2 / 2h^2)``.

    With ``H_ij = k(x_i, x_j) + k(y_i, y_j) - k(x_i, y_j) - k(x_j, y_i)`` it is the mean of H over
    ``i != j`` (Gretton et al., "A kernel two-sample test", JMLR 13, 2012, lemma 6; a preprint of
    another title is arXiv:0805.2368): 0 in the mean for two samples of one density, so slightly
    negative values occur. Weights and the standard error are those of `estimate_of_pairs`; of two
    samples of one density this error is on average some 40 % too large.

    Args:
        x: First cloud, ``[n, *event]``.
        y: Second cloud, as large.
        weight: How much each row of both counts, ``[n]``; None where all count the same.
        circular: Coordinates that are angles. In them ``|a - b|`` is the chord ``2 |sin((a-b)/2)|``
            and not the arc, of which k is no positive definite function.
        bandwidth: Kernel width h in the units of the points; the median distance between two of
            them if None (the median heuristic, see `median_distance`).
        batch_size: Rows of the kernel matrix held at once.

    Returns:
        The estimate of the square; NaN where a point is not finite.

    Raises:
        ValueError: The clouds differ in shape, or have fewer than five points.

    >>> x = torch.linspace(0, 1, 100, dtype=torch.float64)[:, None]
    >>> round(mmd(x, x + 1).value, 2)
    0.98
    """
    compared = clouds(x, y, least=5, circular=circular)
    if compared is None:
        return Estimate(math.nan, math.nan)
    x, y = compared
    n = len(x)
    width = median_distance(torch.cat([x, y])) if bandwidth is None else bandwidth
    p = shares(n, weight)

    def kernel(a: Float[Tensor, "m d"], b: Float[Tensor, "n d"]) -> Float[Tensor, "m n"]:
        return squared_distances(a, b).mul_(-0.5 / width**2).exp_()

    # Sums over j of p_j H_ij, p_j^2 H_ij and p_j^2 H_ij^2.
    sums = []
    for rows in batches(n, batch_size):
        h = kernel(x[rows], x) + kernel(y[rows], y) - kernel(x[rows], y) - kernel(y[rows], x)
        h[torch.arange(len(h)), torch.arange(rows.start, rows.stop)] = 0.0
        sums.append(torch.stack([h @ p, h @ p.square(), h.square_() @ p.square()]))
    return estimate_of_pairs(p, *torch.cat(sums, 1))


def median_distance(points: Float[Tensor, "n d"], *, most: int = 2000) -> float:
    """Median of the positive pairwise distances of at most ``most`` evenly spaced rows.

    1 where all points coincide, so that a kernel of this width is defined. What it tends to:
    Garreau, Jitkrittum, Kanagawa, "Large sample analysis of the median heuristic" (2017,
    arXiv:1707.07269).

    Args:
        points: A cloud.
        most: Rows whose distances are taken.
    """
    spaced = points[:: math.ceil(len(points) / most)]
    distances = torch.pdist(spaced)
    distances = distances[distances > 0]
    return distances.median().item() if len(distances) else 1.0


def wasserstein2(x: Float[Tensor, "n *event"], y: Float[Tensor, "m *event"]) -> float:
    """Exact 2-Wasserstein distance of two equally large clouds: `transport` without weights.

    >>> x = torch.randn(50, 2)
    >>> round(wasserstein2(x, x + torch.tensor([3.0, 4.0])), 4)
    5.0
    """
    return transport(x, y).value


def transport(
    x: Float[Tensor, "n *event"],
    y: Float[Tensor, "m *event"],
    weight: Float[Tensor, " n"] | None = None,
    other: Float[Tensor, " n"] | None = None,
    *,
    circular: Sequence[int] = (),
) -> Estimate:
    """Exact 2-Wasserstein distance of two equally large clouds, in the units of the points.

    ``W2^2 = min over plans P of sum_ij P_ij |x_i - y_j|^2``, whose rows and columns sum to the
    points' shares of the weight; without weights the optimal plan is a permutation (Peyre, Cuturi,
    "Computational optimal transport", 2019, proposition 2.1, arXiv:1803.00567). It is found by
    POT's network simplex, whose time hardly depends on how far apart the clouds are. It is the
    distance, not its square. About 1 s at 2,000 points, 20 s at 5,000; memory grows as ``n^2``.

    Two samples of one density are far from 0 apart: read the value beside that of two true ones.
    The standard error is that of other clouds of as many points, by the central limit theorem of
    del Barrio and Loubes ("Central limit theorems for empirical transportation cost in general
    dimension", 2019, arXiv:1705.01299): the variance of W2^2 is that of the means of both optimal
    potentials, here over the effective numbers of rows. Of two samples of one density, where this
    limit is 0, it is too large.

    A point that is not finite is infinitely far.

    Args:
        x: First cloud, ``[n, *event]``.
        y: Second cloud, ``[n, *event]``.
        weight: How much each point of the first counts; None where all count the same.
        other: The same of the second.
        circular: Coordinates that are angles, whose distance is the shorter way round.

    Raises:
        ValueError: The clouds differ in shape, or are empty.
    """
    compared = clouds(x, y, least=1)
    if compared is None:
        return Estimate(math.inf, math.inf)
    x, y = compared
    solver = import_part("ot.lp")
    # |x|^2 + |y|^2 - 2xy would cancel where the distance is small beside the norms.
    cost = (
        squared_turns(x, y, circular)
        if circular
        else torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square_()
    )
    margins = [shares(len(x), weights) for weights in (weight, other)]
    squared, found = solver.emd2(
        *(p.numpy() for p in margins), cost.numpy(), numItermax=MAX_ITERATIONS, log=True
    )
    value = math.sqrt(max(float(squared), 0.0))
    potentials = (torch.as_tensor(found[name]) for name in ("u", "v"))
    variance = sum(map(_variance_of_mean, potentials, margins))
    return Estimate(value, math.sqrt(variance) / (2 * value) if value else 0.0)


def wasserstein1(x: Float[Tensor, "n m"], y: Float[Tensor, "k _"]) -> Estimate:
    """1-Wasserstein distance of two sets of numbers, ``int |F(t) - G(t)| dt`` (exact).

    F and G are the shares of numbers up to t (Peyre, Cuturi, "Computational optimal transport",
    2019, arXiv:1803.00567). Numbers of one row may depend on each other: the standard
    error is that of other rows, by the optimal potential ``phi' = -sign(F - G)``, the mean of which
    over x less that over y is the distance. Of two samples of one density it is too large.

    Args:
        x: Rows of numbers.
        y: Other rows.

    >>> x = torch.tensor([[0.0, 1.0], [3.0, 0.0]])
    >>> wasserstein1(x, x + 5).value
    5.0
    """
    both = [values.detach().cpu().double() for values in (x, y)]
    values, order = torch.cat([rows.flatten() for rows in both]).sort()
    sizes = [rows.numel() for rows in both]
    steps = values.new_tensor([1 / sizes[0], -1 / sizes[1]])
    # F - G between each value and the next one.
    between = steps[(order >= sizes[0]).long()].cumsum(0)[:-1]
    # Where both are the same but for rounding, the potential is flat.
    sign = between.sign().where(between.abs() > 1e-12, 0)
    sorted_potential = torch.zeros_like(values)
    sorted_potential[1:] = -(sign * values.diff()).cumsum(0)
    potential = torch.empty_like(values)
    potential[order] = sorted_potential
    means = [
        part.view_as(rows).mean(1) for part, rows in zip(potential.split(sizes), both, strict=True)
    ]
    first, second = map(estimate_mean, means)
    return Estimate(first.value - second.value, math.hypot(first.se, second.se))


def _variance_of_mean(values: Float[Tensor, " n"], p: Float[Tensor, " n"]) -> float:
    """``sum p^2 (v - sum p v)^2``, times ``n / (n - 1)`` of the effective number of rows."""
    squares = (p.square() @ (values - p @ values).square()).item()
    return squares / max(1 - (p @ p).item(), 1e-12)


def frechet_distance(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> float:
    """``|m - m'|^2 + tr(S + S' - 2 (S S')^{1/2})`` of the means and covariances of two clouds.

    The squared 2-Wasserstein distance of the Gaussians with these moments (Dowson, Landau, "The
    Frechet distance between multivariate normal distributions", 1982,
    doi:10.1016/0047-259X(82)90077-X); of features, Heusel et al., "GANs trained by a two time-scale
    update rule converge to a local Nash equilibrium" (2017, arXiv:1706.08500). The fewer the
    points, the larger it is: compare only clouds of the same sizes.

    Args:
        x: One cloud.
        y: Another one.

    >>> x = torch.randn(500, 3)
    >>> round(frechet_distance(x, 2 + x), 4)
    12.0
    """
    x, y = x.double(), y.double()
    shift = (x.mean(0) - y.mean(0)).square().sum()
    first, second = (torch.atleast_2d(torch.cov(part.T)) for part in (x, y))
    values, vectors = torch.linalg.eigh(first)
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    # S S' has the eigenvalues of the symmetric S^{1/2} S' S^{1/2}.
    product = root @ second @ root
    cross = torch.linalg.eigvalsh((product + product.T) / 2).clamp_min(0).sqrt().sum()
    return float(shift + first.trace() + second.trace() - 2 * cross)


def precision_and_recall(
    truth: Float[Tensor, "n d"], samples: Float[Tensor, "m d"], *, k: int = 3
) -> tuple[float, float]:
    """Share of the samples that lie where the truth does, and of the truth where samples do.

    A cloud lies in the union of the balls about its points that reach to their k-th neighbours in
    it (Kynkaanniemi et al., "Improved precision and recall metric for assessing generative models",
    2019, eqs. 1 and 2, arXiv:1904.06991).

    Args:
        truth: True features.
        samples: Those of a model, best as many.
        k: Which neighbour a ball reaches to.

    >>> x = torch.arange(10.0)[:, None]
    >>> precision_and_recall(x, x[:5])
    (1.0, 0.8)
    """
    return _covered(samples, truth, k), _covered(truth, samples, k)


def _covered(points: Float[Tensor, "n d"], by: Float[Tensor, "m d"], k: int) -> float:
    points, by = points.double(), by.double()
    # The nearest neighbour of a point in its own cloud is itself.
    radius = squared_distances(by, by).kthvalue(k + 1, dim=1).values
    inside: Bool[Tensor, " n"] = (squared_distances(points, by) <= radius).any(1)
    return inside.double().mean().item()
