"""Mixtures of Gaussians wound round circles, as plain tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genlab.densities.mixtures import Mixtures
from genlab.densities.wrapped_normal import WINDINGS, normal_log_prob, wound_log_prob
from genlab.nn.angles import wrap_columns

__all__ = ["WrappedMixtures", "copies"]

REACHES = (0.85, 1.7)
"""Deviations above which one turn more is summed: what is left out is less than 1e-8 of a bump."""


@dataclass(frozen=True)
class WrappedMixtures:
    """``p_g(x) = sum_k w_gk sum_n N(x + 2 pi n; mu_gk, Sigma_gk)``, n whole numbers in the angles.

    The sum is taken coordinate by coordinate where covariances are diagonal; else over all
    combinations of turns, of few angles only. It answers as `Mixtures` does (Mardia, Jupp,
    "Directional statistics", 1999, section 3.5; Agiomyrgiannakis, Stylianou, "Wrapped Gaussian
    mixture models for modeling and high-rate quantization of phase data of speech", 2009).

    References: doi:10.1002/9780470316979.

    >>> import genlab
    >>> plain = genlab.models.GMM(2, components=3).mixture()
    >>> WrappedMixtures(plain, (0, 1)).log_gaussians(torch.randn(5, 2))[1].shape
    torch.Size([1, 3, 5])

    Attributes:
        mixtures: The Gaussians, before they are wound; deviations in angles are at most pi.
        angles: Coordinates that are angles.
    """

    mixtures: Mixtures
    angles: Sequence[int]

    @property
    def log_weights(self) -> Float[Tensor, "g k"]:
        """``log w``."""
        return self.mixtures.log_weights

    def log_gaussians(
        self, x: Float[Tensor, "n d"], *, given: int = 0
    ) -> tuple[Float[Tensor, "g k n"], Float[Tensor, "g k n"]]:
        """``log sum_n N`` of the first ``given`` coordinates, and of the others given these."""
        if self.mixtures.roots.ndim == 3:
            terms = list(self._by_coordinate(x))
            zero = torch.zeros_like(terms[0])
            return sum(terms[:given], zero), sum(terms[given:], zero)
        whole = self._log_normal(x)
        if not given:
            return torch.zeros_like(whole), whole
        log_weights, means, roots = self.mixtures
        # The first coordinates of z depend on the first of x only.
        first = Mixtures(log_weights, means[..., :given], roots[..., :given, :given])
        known = WrappedMixtures(first, [i for i in self.angles if i < given])
        of_known = known._log_normal(x[:, :given])
        return of_known, whole - of_known

    def _by_coordinate(self, x: Float[Tensor, "n d"]) -> list[Float[Tensor, "g k n"]]:
        deviations = self.mixtures.roots.reciprocal()
        found = []
        for i, column in enumerate(x.unbind(1)):
            off, s = column - self.mixtures.means[..., i, None], deviations[..., i, None]
            around = i in self.angles
            found.append((wound_log_prob if around else normal_log_prob)(off, s))
        return found

    def _log_normal(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "g k n"]:
        turned, parent = copies(self.mixtures, self.angles)
        log_normal = turned.log_gaussians(wrap_columns(x, self.angles))[1][0]
        shape = self.log_weights.shape
        found = log_normal.new_empty(shape.numel(), len(x))
        # Copies of a Gaussian follow each other: those with as many of them make a block.
        counts = parent.bincount(minlength=len(found))
        for count in counts.unique().tolist():
            block = log_normal[counts[parent] == count].unflatten(0, (-1, count))
            found = found.index_copy(0, (counts == count).nonzero()[:, 0], block.logsumexp(1))
        whole: Tensor = found.unflatten(0, shape)
        return whole


@torch.no_grad()
def turns(
    mixtures: Mixtures, angles: Sequence[int]
) -> tuple[Int[Tensor, " m"], Float[Tensor, "m a"]]:
    """The Gaussian that each copy is of, all numbered through, and the turns that it is away.

    More where a deviation is larger: of a mean and points in one turn, whose difference is less
    than two, the nearest copies to both sides are among them.
    """
    index = torch.as_tensor(angles, dtype=torch.long, device=mixtures.means.device)
    variances = mixtures.covariances.diagonal(dim1=-2, dim2=-1)[..., index]
    deviations = variances.sqrt().flatten(0, 1)
    reach = 1 + sum((deviations > limit).long() for limit in REACHES)
    reach = reach * mixtures.log_weights.isfinite().flatten()[:, None]
    one = torch.arange(-WINDINGS, WINDINGS + 1, device=index.device)
    every = torch.cartesian_prod(*[one] * len(angles)).view(-1, len(angles))
    parent, which = (every.abs() <= reach[:, None]).all(2).nonzero(as_tuple=True)
    return parent, every[which].to(mixtures.means)


def copies(mixtures: Mixtures, angles: Sequence[int]) -> tuple[Mixtures, Int[Tensor, " m"]]:
    """The Gaussians of all mixtures as one, each with its copies whole turns away.

    >>> import genlab
    >>> roots = 5 * torch.eye(2).expand(1, 1, 2, 2)
    >>> plain = Mixtures(torch.zeros(1, 1), torch.zeros(1, 1, 2), roots)
    >>> turned, parent = copies(plain, [0])
    >>> turned.means[0, :, 0], parent
    (tensor([-6.2832,  0.0000,  6.2832]), tensor([0, 0, 0]))

    Args:
        mixtures: ``[G, K]``.
        angles: Coordinates that are angles.

    Returns:
        A mixture ``[1, M]``, with matrices for roots, in which each copy has the weight of the
        whole, and the Gaussian that each is of, all numbered through.
    """
    if not angles:
        every = torch.arange(mixtures.log_weights.numel(), device=mixtures.means.device)
        return _numbered(mixtures, every), every
    parent, away = turns(mixtures, angles)
    turned = _numbered(mixtures, parent)
    index = torch.as_tensor(angles, dtype=torch.long, device=parent.device)
    means = wrap_columns(turned.means, angles)
    return turned._replace(means=means.index_add(2, index, 2 * math.pi * away[None])), parent


def _numbered(mixtures: Mixtures, which: Int[Tensor, " m"]) -> Mixtures:
    """Some Gaussians of all mixtures, numbered through, as one mixture."""
    log_weights, means, roots = mixtures
    roots = roots.diag_embed() if roots.ndim == 3 else roots.expand(*means.shape, -1)
    return Mixtures(*(part.flatten(0, 1)[which][None] for part in (log_weights, means, roots)))
