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
from genlab.densities.mixtures import (
    Covariance,
    LowRankMixtures,
    Mixtures,
    distances,
    inverse,
    posterior,
    wide,
)
from genlab.objectives.expectation import Expectation, Statistics
from genlab.objectives.expectation_by_products import ProductExpectation, expectation_of
from genlab.objectives.wrapped_expectation import DiagonalWrappedExpectation, WrappedExpectation

__all__ = ["Expectation", "FactorSums", "Statistics", "collapsed", "maximisation", "sweep"]

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
    if isinstance(mixtures, LowRankMixtures):
        sums = FactorSums(mixtures, x)
        rows = max(64, (GPU_WORKING_SET if x.is_cuda else WORKING_SET) // mixtures.means.numel())
        for some in (slice(start, start + rows) for start in range(0, len(x), rows)):
            sums.add(x[some], weight[:, some])
        return Statistics(*sums.sums()), None
    outer = _expectation(mixtures, x, angles)
    nested = None if inner is None else _expectation(inner, x, angles)
    numbers = outer.numbers + (0 if nested is None else nested.numbers)
    rows = max(128, (GPU_WORKING_SET if x.is_cuda else WORKING_SET) // numbers)
    for some in (slice(start, start + rows) for start in range(0, len(x), rows)):
        r = outer.add(x[some], weight[:, some])
        if nested is not None:
            nested.add(x[some], r.flatten(0, 1))
    return outer.statistics(), None if nested is None else nested.statistics()


def _expectation(
    mixtures: Mixtures, x: Float[Tensor, "n d"], angles: Sequence[int]
) -> Expectation | ProductExpectation | WrappedExpectation | DiagonalWrappedExpectation:
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


class FactorSums:
    """Sums over rows of ``r``, ``r d``, ``r d^2`` and ``r d y^T``, where ``d = x - mu``.

    ``y = E[y | x, k]`` is linear in d, so that these are all that the M-step needs. Pieces are
    worked on in the type of the rows; their sums are added in float64, where the device has it.

    References: doi:10.1162/089976699300016728.

    >>> import genlab
    >>> mixtures = genlab.models.GMM(3, components=2, covariance="low_rank", rank=1).mixture()
    >>> sums, x = FactorSums(mixtures, torch.rand(5, 3)), torch.rand(5, 3)
    >>> sums.add(x, torch.ones(1, 5)).sum(1).round(decimals=4)  # one Gaussian or the other
    tensor([[1., 1., 1., 1., 1.]])

    Args:
        mixtures: The parameters.
        like: A tensor of the type and on the device of the rows.
    """

    @torch.no_grad()
    def __init__(self, mixtures: LowRankMixtures, like: Tensor) -> None:
        project, log_det = posterior(mixtures)
        self.shape = mixtures.factors.shape
        constant = mixtures.log_weights - 0.5 * (log_det + self.shape[2] * math.log(2 * math.pi))
        self.constant = constant.to(like)[..., None]
        self.means, *self.parts = (part.flatten(0, 1).to(like) for part in (*mixtures[1:], project))
        exact = like.new_zeros(()) if like.device.type == "mps" else like.new_zeros(()).double()
        groups, components, dim, rank = self.shape
        self.of_rows = exact.new_zeros(3, groups)
        self.counts = exact.new_zeros(groups, components)
        self.first = exact.new_zeros(groups * components, dim)
        self.second = exact.new_zeros(groups * components, dim, 1 + rank)

    @torch.no_grad()
    def add(self, x: Float[Tensor, "n d"], weight: Float[Tensor, "#g n"]) -> Float[Tensor, "g k n"]:
        """Add some rows; returns their responsibilities times their weights.

        Args:
            x: Rows.
            weight: Non-negative weights of the rows, for all mixtures or for each.
        """
        delta = x - self.means[:, None]
        square, y = distances(delta, *self.parts)
        joint = self.constant - 0.5 * square.view(*self.counts.shape, -1)
        log_p = joint.logsumexp(1)
        r = (joint - log_p[:, None]).exp() * weight[:, None]
        weight = weight.expand(len(r), -1)
        likelihood = torch.linalg.vecdot(weight, log_p)
        self.of_rows += torch.stack(
            (likelihood, weight.sum(1), torch.linalg.vecdot(weight, weight))
        )
        self.counts += r.sum(2)
        each = r.view(len(delta), -1, 1)
        self.first += (each.mT @ delta)[:, 0]
        self.second[..., 1:] += delta.mT @ (each * y)
        self.second[..., :1] += (each.mT @ delta.square_()).mT
        return r

    def sums(self) -> tuple[Tensor, ...]:
        """Of the log-likelihood, the mass and its squares, ``r``, ``r d``, ``r (d^2, d y^T)``."""
        of_rows, counts, first, second = map(
            wide, (self.of_rows, self.counts, self.first, self.second)
        )
        shape = self.shape[:2]
        return *of_rows, counts, first.unflatten(0, shape), second.unflatten(0, shape)


@torch.no_grad()
def factor_maximisation(
    mixtures: LowRankMixtures,
    log_weights: Float[Tensor, "g k"],
    counts: Float[Tensor, "g k"],
    first: Float[Tensor, "g k d"],
    second: Float[Tensor, "g k d _"],
    *,
    floor: float,
) -> LowRankMixtures:
    """The M-step, of means and factors together: a regression of d on ``(y, 1)``.

    ``[F, mu' - mu] = E[d (y, 1)^T] E[(y, 1) (y, 1)^T]^{-1}``, and ``s^2`` is what is left of
    ``E[d^2]``, raised to the floor (Ghahramani, Hinton, "The EM algorithm for mixtures of factor
    analyzers", 1996, equations 15 to 17). F does not depend on s, and the expected log-likelihood
    has one maximum in each ``s_i^2``: with the floor too, the likelihood never falls.

    Args:
        mixtures: The parameters that the sums were taken under.
        log_weights: The new ones.
        counts: Sums of ``r``.
        first: Of ``r d``.
        second: Of ``r d^2``, and of ``r d y^T`` in the columns behind it.
        floor: The smallest variance.
    """
    present = (counts > 0)[..., None]
    per_row = counts.where(counts > 0, 1.0).reciprocal()[..., None]
    mean, square, cross = first * per_row, second[..., 0] * per_row, second[..., 1:]
    cross = cross * per_row[..., None]
    project, _ = posterior(mixtures)
    rank = cross.shape[-1]
    # E[y y^T] = M^-1 + B E[d d^T] B^T, where M^-1 = I - B F.
    of_y = torch.eye(rank).to(cross) - project @ mixtures.factors + project @ cross
    mean_y = project @ mean[..., None]
    ones = torch.ones_like(mean_y[..., :1, :])
    gram = torch.cat((torch.cat((of_y, mean_y), -1), torch.cat((mean_y.mT, ones), -1)), -2)
    moments = torch.cat((cross, mean[..., None]), -1)
    fitted = torch.linalg.solve((gram + gram.mT) / 2, moments.mT).mT
    variance = (square - (fitted * moments).sum(-1)).clamp(min=floor)
    return LowRankMixtures(
        log_weights,
        torch.where(present, mixtures.means + fitted[..., -1], mixtures.means),
        torch.where(present, variance.sqrt(), mixtures.deviations),
        torch.where(present[..., None], fitted[..., :-1], mixtures.factors),
    )
