"""The E-step of Gaussian mixtures by two matrix products with the monomials of the rows."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.densities.mixtures import Mixtures, wide
from genlab.objectives.expectation import BITS, EStep, Expectation, Statistics

__all__ = ["ProductExpectation", "expectation_of", "working_type"]

# Nats that rounding may change a log-density by.
TRUSTED = 1e-9
# Of each row, so that a piece of them stays in a CPU's cache.
MOST_MONOMIALS = 2048


class ProductExpectation(EStep):
    """`Expectation` where the squares may be multiplied out, in half the products and no more.

    A log-density is linear in the monomials ``phi(x) = (1, x_i, x_i x_j)`` of a row, and all sums
    of the M-step are sums of ``r phi``: ``log w N = theta phi`` and ``S = r phi^T`` are all that
    is done with whole rows, and nothing of ``[K, D]`` numbers a row is ever written. Diagonal
    covariances need no mixed monomials.

    What cancels in the square is lost, ``eps |W|^2 |x|^2`` nats: `expectation_of` says whether it
    may be. On a CPU it is worked on in float64 whatever the type of the rows.
    """

    @torch.no_grad()
    def __init__(self, mixtures: Mixtures, like: Tensor) -> None:
        mixtures = Mixtures(*map(wide, mixtures))
        like = like.to(working_type(like))
        super().__init__(len(mixtures.means), like)
        centre = mixtures.means.mean((0, 1))
        self.about = mixtures._replace(means=mixtures.means - centre)
        self.centre = centre.to(like)
        self.mixed = mixtures.roots.ndim == 4
        _, means, roots = self.about
        dim = means.shape[-1]
        self.pairs = torch.triu_indices(dim, dim, device=like.device) if self.mixed else None
        scale = self.about.diagonal.log().sum(-1) - 0.5 * dim * math.log(2 * math.pi)
        if self.pairs is not None:
            precision = roots.mT @ roots
            linear = (precision @ means[..., None])[..., 0]
            i, j = self.pairs
            # Each mixed monomial stands for two entries.
            square = precision[..., i, j] * torch.where(i == j, -0.5, -1.0)
        else:
            precision = roots.square()
            linear, square = precision * means, -0.5 * precision
        constant = self.about.log_weights + scale - 0.5 * (linear * means).sum(-1)
        shape = means.shape[:2]
        parts = (constant[..., None], linear, square.expand(*shape, -1))
        # In bits: exp2 takes half the time of exp.
        self.theta = (torch.cat(parts, -1) * BITS).flatten(0, 1).to(like)
        self.numbers = sum(self.theta.shape)
        self.moments = self.of_rows.new_zeros(self.theta.shape)

    @torch.no_grad()
    def add(self, x: Float[Tensor, "n d"], weight: Float[Tensor, "#g n"]) -> Float[Tensor, "g k n"]:
        phi = self._monomials(x)
        joint = (self.theta @ phi).view(*self.about.log_weights.shape, -1)
        r = self._shares(joint, weight.to(joint.dtype))
        self.moments += r.flatten(0, 1) @ phi.mT
        return r.to(x.dtype)

    def _monomials(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "f n"]:
        n, dim = x.shape
        # Rows last: what is done to each row is done to neighbours in memory.
        phi = self.theta.new_empty(self.theta.shape[1], n)
        phi[0] = 1
        own, place = phi[1 : 1 + dim], 1 + dim
        torch.sub(x.mT.to(own.dtype), self.centre[:, None], out=own)
        if self.pairs is None:
            torch.mul(own, own, out=phi[place:])
            return phi
        for i in range(dim):
            torch.mul(own[i], own[i:], out=phi[place : place + dim - i])
            place += dim - i
        return phi

    def statistics(self) -> Statistics:
        _, means, roots = self.about
        dim = means.shape[-1]
        counts, first, second = (
            wide(self.moments)
            .unflatten(0, means.shape[:2])
            .split((1, dim, len(self.theta.T) - 1 - dim), -1)
        )
        # About the component's own mean: sum r (x - mu).
        off = first - counts * means
        if self.pairs is None:
            second = roots.square() * (second - means * (first + off))
            first = roots * off
        else:
            i, j = self.pairs
            scatter = second.new_empty(*second.shape[:2], dim, dim)
            scatter[..., i, j] = second
            scatter[..., j, i] = second
            scatter -= (
                means[..., :, None] * first[..., None, :] + off[..., :, None] * means[..., None, :]
            )
            first, second = (roots @ off[..., None])[..., 0], roots @ scatter
        return self._statistics(counts[..., 0], first, second)


@torch.no_grad()
def expectation_of(mixtures: Mixtures, x: Float[Tensor, "n d"]) -> EStep:
    """The faster E-step of those that are exact enough for these rows.

    >>> ten = Mixtures(torch.zeros(1, 10), torch.zeros(1, 10, 2), torch.eye(2).expand(1, 10, 2, 2))
    >>> x = torch.randn(9, 2)
    >>> [type(expectation_of(ten, rows)).__name__ for rows in (x, 1e6 * x)]
    ['ProductExpectation', 'Expectation']

    Args:
        mixtures: The parameters.
        x: All rows.
    """
    groups, components, dim = mixtures.means.shape
    gaussians = groups * components
    mixed = mixtures.roots.ndim == 4
    monomials = 1 + dim + (dim * (dim + 1) // 2 if mixed else dim)
    # Multiplications, and numbers written: few Gaussians do not repay the monomials.
    by_products = monomials * (1 + 2 * gaussians)
    whitened = gaussians * dim * (2 * dim + 5 if mixed else 6)
    if monomials > MOST_MONOMIALS or by_products > whitened or not len(x):
        return Expectation(mixtures, x)
    centre = mixtures.means.mean((0, 1))
    shift = (mixtures.means - centre).abs().amax((0, 1))
    reach = torch.maximum((x - centre.to(x)).abs().amax(0).to(shift), shift).square().sum()
    steepest = mixtures.roots.square().flatten(2).sum(-1).amax()
    lost = reach * steepest * torch.finfo(working_type(x)).eps
    return ProductExpectation(mixtures, x) if lost <= TRUSTED else Expectation(mixtures, x)


def working_type(x: Tensor) -> torch.dtype:
    """The type that products are taken in: float64 for free digits, where it is not slow."""
    return torch.float64 if x.device.type == "cpu" else x.dtype
