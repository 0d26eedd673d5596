"""The principle of expectation and maximisation, for Gaussian mixtures.

A pass over the data sums the statistics of the E-step, piece by piece; the M-step turns them into
the next parameters (Dempster, Laird, Rubin, "Maximum likelihood from incomplete data via the EM
algorithm", 1977). Everything is for ``G`` mixtures at once, each with a weighting of the rows of
its own, and in float64 where the device has it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import threshold

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

__all__ = ["Expectation", "FactorSums", "Statistics", "collapsed", "maximisation", "sweep"]

# Numbers that an intermediate result may hold: 1 MB in float64, which stays in a CPU's cache.
WORKING_SET = 2**17
GPU_WORKING_SET = 2**25
BITS = math.log2(math.e)


class Statistics(NamedTuple):
    """Sums over rows ``x_i`` with weights ``v_gi`` and ``r = v p(k | x)``; sums of pieces add up.

    They are centred at the component's present mean and whitened, ``z = W (x - mu)``: what the
    M-step subtracts is small, and vanishes where EM converges, so that no digits are lost.

    References: doi:10.1111/j.2517-6161.1977.tb01600.x.

    >>> v, z = torch.tensor([1.0, 3.0]), torch.zeros(1, 1, 2)  # two rows, one Gaussian
    >>> total, square = v.sum(0, keepdim=True), v.square().sum(0, keepdim=True)
    >>> Statistics(torch.zeros(1), total, square, total[:, None], z, z).rows
    tensor([1.6000])

    Attributes:
        log_likelihood: ``sum_i v log p(x_i)``, ``[G]``.
        mass: ``sum_i v``, ``[G]``.
        square_mass: ``sum_i v^2``, ``[G]``.
        counts: ``sum_i r``, ``[G, K]``.
        first: ``sum_i r z``, ``[G, K, D]``.
        second: ``sum_i r z (x - mu)^T``, ``[G, K, D, D]``; where ``W`` is diagonal,
            ``sum_i r z^2``, ``[G, K, D]``.

    Covariances of low rank have the sums of `FactorSums` in the place of the last two.
    """

    log_likelihood: Float[Tensor, " g"]
    mass: Float[Tensor, " g"]
    square_mass: Float[Tensor, " g"]
    counts: Float[Tensor, "g k"]
    first: Float[Tensor, "g k d"]
    second: Float[Tensor, "..."]

    def plus(self, other: Statistics | None) -> Statistics:
        """The statistics of both sets of rows."""
        return self if other is None else Statistics(*map(torch.add, self, other))

    @property
    def rows(self) -> Float[Tensor, " g"]:
        """Kish's effective number of rows, ``mass^2 / sum_i v^2``; 0 without mass."""
        return self.mass.square() / self.square_mass.where(self.mass > 0, 1.0)


class Expectation:
    """The E-step under given parameters: adds up its statistics, a piece of the data at a time.

    Pieces are worked on in the type of the rows; their sums are added in float64, where the device
    has it.

    References: doi:10.1111/j.2517-6161.1977.tb01600.x.

    >>> halves = Mixtures(torch.full((1, 2), 0.5).log(), torch.zeros(1, 2, 1), torch.ones(1, 2, 1))
    >>> x = torch.tensor([[1.0], [2.0]])
    >>> Expectation(halves, x).add(x, torch.ones(1, 2))  # each answers for half of each row
    tensor([[[0.5000, 0.5000],
             [0.5000, 0.5000]]])

    Args:
        mixtures: The parameters.
        like: A tensor of the type and on the device of the rows.
    """

    @torch.no_grad()
    def __init__(self, mixtures: Mixtures, like: Tensor) -> None:
        centre = mixtures.means.mean((0, 1))
        self.shift = mixtures.means - centre
        about = mixtures._replace(means=self.shift)
        dim = mixtures.means.shape[-1]
        scale = about.diagonal.log().sum(-1) - 0.5 * dim * math.log(2 * math.pi)
        # In bits: exp2 takes half the time of exp.
        constant = (about.log_weights + scale) * BITS
        self.centre, self.constant = centre.to(like), constant[..., None].to(like)
        self.about = Mixtures(*(part.to(like) for part in about))
        self.diagonal = mixtures.roots.ndim == 3
        exact = like.new_zeros(()) if like.device.type == "mps" else like.new_zeros(()).double()
        groups, components = mixtures.log_weights.shape
        self.of_rows = exact.new_zeros(3, groups)
        self.counts = exact.new_zeros(groups, components)
        width = 2 if self.diagonal else dim + 1
        self.moments = exact.new_zeros(width, groups * components * dim)

    @torch.no_grad()
    def add(self, x: Float[Tensor, "n d"], weight: Float[Tensor, "#g n"]) -> Float[Tensor, "g k n"]:
        """Add some rows; returns their responsibilities times their weights.

        Args:
            x: Rows.
            weight: Non-negative weights of the rows, for all mixtures or for each.
        """
        x = x - self.centre
        # Rows last from here on: what is done to each row is done to neighbours in memory.
        homogeneous = torch.cat((x.mT, torch.ones_like(x[None, :, 0])))
        z = self.about.whiten(homogeneous[:-1].mT)
        square = z.square()
        # In place from here on: a piece is as large as the cache, and each copy would leave it.
        distance = square.sum(1).view(*self.counts.shape, -1)
        r = torch.add(self.constant, distance, alpha=-0.5 * BITS, out=distance)
        highest = r.amax(1, keepdim=True)
        # Far from a component: 0 at once, not by way of the denormals, which CPUs are slow on.
        negligible = 0.7 * math.log2(torch.finfo(x.dtype).tiny)
        r = threshold(r.sub_(highest), negligible, -math.inf, inplace=True).exp2_()
        total = r.sum(1, keepdim=True)
        log_p = (total.log2() + highest)[:, 0] / BITS
        r.mul_(weight[:, None] / total)
        weight = weight.expand(len(r), -1)
        likelihood = torch.linalg.vecdot(weight, log_p)
        self.of_rows += torch.stack(
            (likelihood, weight.sum(1), torch.linalg.vecdot(weight, weight))
        )
        self.counts += r.sum(2)
        if self.diagonal:
            each = r.view(len(z), -1, 1)
            self.moments += torch.stack((z @ each, square @ each)).view_as(self.moments)
        else:
            z.mul_(r.view(len(z), 1, -1))
            # The thin matrix first: twice as fast as the other way round.
            self.moments += homogeneous @ z.flatten(0, 1).mT
        return r

    def statistics(self) -> Statistics:
        """Those of all rows so far."""
        shape = self.shift.shape
        moments = wide(self.moments)
        if self.diagonal:
            first, second = moments.view(2, *shape)
        else:
            first, second = moments[-1].view(shape), moments[:-1].mT.reshape(*shape, -1)
            second = second - first[..., None] * self.shift[..., None, :]
        likelihood, mass, square = wide(self.of_rows)
        return Statistics(likelihood, mass, square, wide(self.counts), first, second)


def sweep(
    mixtures: AnyMixtures,
    x: Float[Tensor, "n d"],
    weight: Float[Tensor, "#g n"],
    inner: Mixtures | None = None,
) -> tuple[Statistics, Statistics | None]:
    """The E-step on any number of rows, a cacheful at a time.

    Args:
        mixtures: The present parameters, ``[G, K]``.
        x: Rows.
        weight: Non-negative weights of the rows, for all mixtures or for each.
        inner: A mixture for each Gaussian, ``[G K, J]``, to which a row counts as much as that
            Gaussian is responsible for it. Its statistics come second.
    """
    if isinstance(mixtures, LowRankMixtures):
        sums = FactorSums(mixtures, x)
        rows = max(64, (GPU_WORKING_SET if x.is_cuda else WORKING_SET) // mixtures.means.numel())
        for some in (slice(start, start + rows) for start in range(0, len(x), rows)):
            sums.add(x[some], weight[:, some])
        return Statistics(*sums.sums()), None
    outer = Expectation(mixtures, x)
    nested = None if inner is None else Expectation(inner, x)
    numbers = mixtures.means.numel() + (0 if inner is None else inner.means.numel())
    rows = max(256, (GPU_WORKING_SET if x.is_cuda else WORKING_SET) // numbers)
    for some in (slice(start, start + rows) for start in range(0, len(x), rows)):
        r = outer.add(x[some], weight[:, some])
        if nested is not None:
            nested.add(x[some], r.flatten(0, 1))
    return outer.statistics(), None if nested is None else nested.statistics()


@torch.no_grad()
def maximisation(
    mixtures: AnyMixtures, statistics: Statistics, covariance: Covariance, *, floor: float
) -> AnyMixtures:
    """The M-step: the most likely parameters among those with ``Sigma >= floor I``.

    Under that constraint the best covariance is the weighted sample covariance with its eigenvalues
    raised to the floor, so that the likelihood never falls (adding ``floor I`` would not give
    that). A component that has no rows, and a mixture that has none, keep what they have.

    Args:
        mixtures: The parameters that the statistics were summed under.
        statistics: Those of a whole pass.
        covariance: ``full``, ``tied`` (one for all components of a mixture), ``diag``,
            ``spherical``, ``low_rank``.
        floor: The smallest variance in any direction.
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
        roots = variance.clamp(min=floor).rsqrt()
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
    roots = _root_above(scatter, floor)
    return Mixtures(log_weights, means, torch.where(present[..., None], roots, mixtures.roots))


def collapsed(mixtures: AnyMixtures, *, floor: float) -> Bool[Tensor, "g k"]:
    """A mask of the components on the floor: without it their density would grow without bound."""
    smallest: Tensor = torch.linalg.eigvalsh(mixtures.covariances)[..., 0]
    thin = smallest <= floor * (1 + 1e-6)
    return thin & mixtures.log_weights.isfinite()


def _root_above(scatter: Float[Tensor, "g k d d"], floor: float) -> Float[Tensor, "g k d d"]:
    """The whitening root of a covariance whose eigenvalues are raised to ``floor``."""
    values, vectors = torch.linalg.eigh((scatter + scatter.mT) / 2)
    # Sigma = (sqrt(l) V^T)^T (sqrt(l) V^T) = R^T R: unlike a Cholesky factorisation of Sigma, this
    # cannot fail, however thin the component.
    upper = torch.linalg.qr(values.clamp(min=floor).sqrt()[..., None] * vectors.mT).R
    factor = upper.mT * upper.diagonal(dim1=-2, dim2=-1).sign()[..., None, :]
    return inverse(factor)


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
