"""The principle of expectation and maximisation, for Gaussian mixtures.

A pass over the data sums the statistics of the E-step, piece by piece; the M-step turns them into
the next parameters (Dempster, Laird, Rubin, "Maximum likelihood from incomplete data via the EM
algorithm", 1977). Everything is for ``G`` mixtures at once, each with a weighting of the rows of
its own, and in float64 where the device has it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from genlab.densities.mixture_parameters import AnyMixtures
from genlab.densities.mixtures import Covariance, LowRankMixtures, Mixtures, inverse
from genlab.objectives.expectation import EStep, Expectation, Statistics
from genlab.objectives.expectation_by_products import expectation_of
from genlab.objectives.factor_expectation import FactorExpectation, factor_maximisation
from genlab.objectives.wrapped_expectation import DiagonalWrappedExpectation, WrappedExpectation

__all__ = ["Expectation", "Statistics", "collapsed", "maximisation", "sweep"]

# Numbers that an intermediate result may hold: 1 MB in float64, which stays in a CPU's cache.
WORKING_SET = 2**17
GPU_WORKING_SET = 2**25


def sweep(
    mixtures: AnyMixtures,
    x: Float[Tensor, "n d"],
    weight: Float[Tensor, "#g n"],
    inner: Mixtures | None = None,
    *,
    angles: Sequence[int] = (),
) -> tuple[Statistics, Statistics | None]:
    """The E-step on any number of rows, a cacheful at a time.

    Args:
        mixtures: The present parameters, ``[G, K]``.
        x: Rows.
        weight: Non-negative weights of the rows, for all mixtures or for each.
        inner: A mixture for each Gaussian, ``[G K, J]``, to which a row counts as much as that
            Gaussian is responsible for it. Its statistics come second.
        angles: Coordinates in which the Gaussians are wound round the circle.
    """
    outer = _expectation(mixtures, x, angles)
    nested = None if inner is None else _expectation(inner, x, angles)
    numbers = outer.numbers + (0 if nested is None else nested.numbers)
    rows = max(128, (GPU_WORKING_SET if x.is_cuda else WORKING_SET) // numbers)
    for some in (slice(start, start + rows) for start in range(0, len(x), rows)):
        r = outer.add(x[some], weight[:, some])
        if nested is not None:
            nested.add(x[some], r.flatten(0, 1))
    return outer.statistics(), None if nested is None else nested.statistics()


def _expectation(mixtures: AnyMixtures, x: Float[Tensor, "n d"], angles: Sequence[int]) -> EStep:
    if isinstance(mixtures, LowRankMixtures):
        return FactorExpectation(mixtures, x)
    if not angles:
        return expectation_of(mixtures, x)
    if mixtures.roots.ndim == 3:
        return DiagonalWrappedExpectation(mixtures, x, angles)
    return WrappedExpectation(mixtures, x, angles)


@torch.no_grad()
def maximisation(
    mixtures: AnyMixtures,
    statistics: Statistics,
    covariance: Covariance,
    *,
    floor: float,
    ceiling: float = math.inf,
    angles: Sequence[int] = (),
) -> AnyMixtures:
    """The M-step: the most likely parameters among those with ``floor I <= Sigma``.

    Under that constraint the best covariance is the weighted sample covariance with its eigenvalues
    raised to the floor, so that the likelihood never falls (adding ``floor I`` would not give
    that). Those of the block of angles are lowered to the ceiling likewise, and what the other
    coordinates are given these stays. A component that has no rows, and a mixture that has none,
    keep what they have.

    Args:
        mixtures: The parameters that the statistics were summed under.
        statistics: Those of a whole pass.
        covariance: ``full``, ``tied`` (one for all components of a mixture), ``diag``,
            ``spherical``, ``low_rank``.
        floor: The smallest variance in any direction.
        ceiling: The largest one of angles; of a ``spherical`` covariance, of all coordinates.
        angles: Coordinates that have this ceiling; none where the covariance is of low rank.
    """
    counts = statistics.counts
    present = counts > 0
    share = counts / statistics.mass.where(statistics.mass > 0, 1.0)[:, None]
    held = statistics.mass[:, None] > 0
    log_weights = torch.where(held, share.log(), mixtures.log_weights)
    if isinstance(mixtures, LowRankMixtures):
        _, _, _, *sums = statistics
        return factor_maximisation(mixtures, log_weights, *sums, floor=floor)
    per_row = counts.where(present, 1.0).reciprocal()
    mean_z = statistics.first * per_row[..., None]

    if covariance in ("diag", "spherical"):
        deviation = mixtures.roots.reciprocal()
        variance = deviation.square() * (statistics.second * per_row[..., None] - mean_z.square())
        if covariance == "spherical":
            variance = variance.mean(-1, keepdim=True).expand_as(variance)
        variance = variance.clamp(min=floor)
        if angles:
            low = slice(None) if covariance == "spherical" else list(angles)
            variance[..., low] = variance[..., low].clamp(max=ceiling)
        roots = variance.rsqrt()
        means = mixtures.means + deviation * mean_z
        present = present[..., None]
        return Mixtures(
            log_weights,
            torch.where(present, means, mixtures.means),
            torch.where(present, roots, mixtures.roots),
        )

    factor = inverse(mixtures.roots)
    step = (factor @ mean_z[..., None])[..., 0]
    scatter = factor @ statistics.second * per_row[..., None, None]
    scatter = scatter - step[..., :, None] * step[..., None, :]
    present = present[..., None]
    means = torch.where(present, mixtures.means + step, mixtures.means)
    if covariance == "tied":
        scatter = (scatter * share[..., None, None]).sum(1, keepdim=True)
        present = held[..., None]
    roots = _root_within(scatter, floor, ceiling, angles)
    return Mixtures(log_weights, means, torch.where(present[..., None], roots, mixtures.roots))


def collapsed(mixtures: AnyMixtures, *, floor: float) -> Bool[Tensor, "g k"]:
    """A mask of the components on the floor: without it their density would grow without bound."""
    smallest: Tensor = torch.linalg.eigvalsh(mixtures.covariances)[..., 0]
    thin = smallest <= floor * (1 + 1e-6)
    return thin & mixtures.log_weights.isfinite()


def _root_within(
    scatter: Float[Tensor, "g k d d"], floor: float, ceiling: float, angles: Sequence[int]
) -> Float[Tensor, "g k d d"]:
    """The whitening root of a covariance whose eigenvalues are brought between two bounds."""
    values, vectors = torch.linalg.eigh((scatter + scatter.mT) / 2)
    if angles:
        raised = vectors * values.clamp(min=floor)[..., None, :] @ vectors.mT
        values, vectors = torch.linalg.eigh(_lowered(raised, ceiling, angles))
    # Sigma = (sqrt(l) V^T)^T (sqrt(l) V^T) = R^T R: unlike a Cholesky factorisation of Sigma, this
    # cannot fail, however thin the component.
    upper = torch.linalg.qr(values.clamp(min=floor).sqrt()[..., None] * vectors.mT).R
    factor = upper.mT * upper.diagonal(dim1=-2, dim2=-1).sign()[..., None, :]
    return inverse(factor)


def _lowered(
    covariance: Float[Tensor, "g k d d"], ceiling: float, angles: Sequence[int]
) -> Float[Tensor, "g k d d"]:
    """``S - S_.A V (1 - c / l) / l V^T S_A.`` for eigenvalues ``l > c`` of the angles' block.

    No eigenvalue of the block is above c then, and the regression of other coordinates on the
    angles is what it was, with what it leaves: their likelihood is a factor of its own.
    """
    index = torch.as_tensor(angles, dtype=torch.long, device=covariance.device)
    columns = covariance[..., index]
    values, vectors = torch.linalg.eigh(columns[..., index, :])
    excess = (1 - (ceiling / values).clamp(max=1)) / values
    turned = columns @ vectors
    lowered: Tensor = covariance - turned * excess[..., None, :] @ turned.mT
    return (lowered + lowered.mT) / 2
