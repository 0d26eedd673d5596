"""Splits of Gaussians: how a mixture grows by as many components as its BIC wants."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from genlab.densities.mixtures import Covariance, Mixtures, precision_root
from genlab.objectives.expectation_maximisation import Statistics

__all__ = ["expected_log_gaussians", "halves", "replace"]


def halves(mixtures: Mixtures, covariance: Covariance) -> Mixtures:
    """Each Gaussian cut in two across its longest axis: mixtures of two, ``[G K, 2]``.

    The half of ``N(mu, Sigma)`` on one side of a plane through its centre has the mean
    ``mu + sqrt(2 / pi) a`` and the covariance ``Sigma - (2 / pi) a a^T``, where ``a = sqrt(l) v``
    for a plane across the eigenvector v of the largest eigenvalue l.

    Args:
        mixtures: What is cut, ``[G, K]``.
        covariance: The form of the covariances.
    """
    covariances, means = mixtures.covariances.flatten(0, 1), mixtures.means.flatten(0, 1)
    values, vectors = torch.linalg.eigh(covariances)
    across = vectors[..., -1] * (2 / math.pi * values[..., -1:]).sqrt()
    half = covariances - across[:, :, None] * across[:, None, :]
    if covariance in ("full", "tied"):
        own = 2 if covariance == "full" else 1
        roots = precision_root(half)[:, None].expand(-1, own, -1, -1)
    else:
        variances = half.diagonal(dim1=-2, dim2=-1)
        if covariance == "spherical":
            variances = variances.mean(-1, keepdim=True).expand_as(variances)
        roots = variances.rsqrt()[:, None].expand(-1, 2, -1)
    return Mixtures(
        means.new_full((len(means), 2), -math.log(2)),
        torch.stack((means - across, means + across), 1),
        roots,
    )


def expected_log_gaussians(mixtures: Mixtures, statistics: Statistics) -> Float[Tensor, "g k"]:
    """``sum_i r log N(x_i; mu, Sigma)`` over the rows that the statistics were summed over."""
    square = statistics.second
    if mixtures.roots.ndim == 4:
        # tr sum r z (x - mu)^T W^T = sum r |z|^2.
        square = (square * mixtures.roots).sum(-1)
    dim = mixtures.means.shape[-1]
    log_scale = mixtures.diagonal.log().sum(-1) - 0.5 * dim * math.log(2 * math.pi)
    return statistics.counts * log_scale - 0.5 * square.sum(-1)


def replace(
    mixtures: Mixtures, children: Mixtures, split: Bool[Tensor, "g k"], covariance: Covariance
) -> Mixtures:
    """The mixtures with some of their Gaussians replaced by the two children of each.

    Mixtures that end with fewer Gaussians than others are filled up with ones of weight 0.

    Args:
        mixtures: ``[G, K]``.
        children: A mixture of two for each Gaussian, ``[G K, 2]``.
        split: Which to replace.
        covariance: The form of the covariances; a tied one stays.
    """
    shape = split.shape
    alive = mixtures.log_weights.isfinite() & ~split
    present = torch.cat((alive, split, split), 1)
    first, second = (part.view(shape) + mixtures.log_weights for part in children.log_weights.T)
    log_weights = torch.cat((mixtures.log_weights, first, second), 1)
    log_weights = log_weights.where(present, -math.inf)
    order = present.byte().argsort(dim=1, descending=True, stable=True)[:, : present.sum(1).max()]

    def merged(own: Tensor, of_children: Tensor) -> Tensor:
        parts = (part.unflatten(0, shape) for part in of_children.unbind(1))
        index = order.view(*order.shape, *[1] * (own.ndim - 2))
        return torch.cat((own, *parts), 1).take_along_dim(index, 1)

    return Mixtures(
        log_weights.gather(1, order),
        merged(mixtures.means, children.means),
        mixtures.roots if covariance == "tied" else merged(mixtures.roots, children.roots),
    )
